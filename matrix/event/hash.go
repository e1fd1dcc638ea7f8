package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"meshsim/matrix"
)

// referenceID is "$" and the reference hash: SHA-256 of the redacted event without signatures
// (Matrix server-server specification, "Calculating the reference hash for an event").
func referenceID(p *PDU) matrix.EventID {
	sum := sha256.Sum256(signedPart(p.json, p.kind, p.version.Redaction))
	return matrix.EventID("$" + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// signedPart is what event signatures and the reference hash cover.
func signedPart(object []byte, kind string, rules matrix.RedactionRules) []byte {
	return redact(object, kind, rules, false)
}

// contentHash is SHA-256 of the whole event without unsigned, signatures and hashes
// (Matrix server-server specification, "Calculating the content hash for an event").
func contentHash(object []byte) [sha256.Size]byte {
	return sha256.Sum256(matrix.AppendFiltered(make([]byte, 0, len(object)), object, func(key []byte) bool {
		switch string(key) {
		case "unsigned", "signatures", "hashes":
			return false
		}
		return true
	}))
}

// CheckContentHash tells whether hashes.sha256 matches the event. A receiver redacts an event that fails;
// redacted events usually fail.
func (p *PDU) CheckContentHash() bool {
	var hashes struct {
		SHA256 string `json:"sha256"`
	}
	if json.Unmarshal(matrix.Lookup(p.json, "hashes"), &hashes) != nil {
		return false
	}
	claimed, err := matrix.DecodeBase64(hashes.SHA256)
	if err != nil {
		return false
	}
	actual := contentHash(p.json)
	return bytes.Equal(claimed, actual[:])
}
