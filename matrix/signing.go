package matrix

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// KeyAlgorithm is the only signing algorithm in use.
const KeyAlgorithm = "ed25519"

// EncodeBase64 is the unpadded standard Base64 of the Matrix appendices.
func EncodeBase64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// DecodeBase64 reads unpadded or padded standard Base64.
func DecodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// Signatures maps signer to key to signature in unpadded Base64, as in the "signatures" property. The signer
// is a server name, or a user id in client-side signatures.
type Signatures map[ServerName]map[KeyID]string

// SignatureError says why an object is not validly signed.
type SignatureError struct {
	Server ServerName
	KeyID  KeyID
	Reason string
}

func (e *SignatureError) Error() string {
	return fmt.Sprintf("signature of %s with key %q: %s", e.Server, e.KeyID, e.Reason)
}

// SigningBytes is what a signature of the object covers: its canonical JSON without signatures and
// unsigned. The error is a *JSONError.
func SigningBytes(raw []byte) ([]byte, error) {
	object, err := canonicalObject(raw)
	if err != nil {
		return nil, err
	}
	return withoutSignatures(object), nil
}

// SignJSON returns the canonical object with the server's signature added; other signatures and unsigned
// stay. Errors are *JSONError: raw must be a JSON object.
func SignJSON(raw []byte, server ServerName, key KeyID, priv ed25519.PrivateKey) ([]byte, error) {
	object, err := canonicalObject(raw)
	if err != nil {
		return nil, err
	}
	return AddSignature(object, server, key, ed25519.Sign(priv, withoutSignatures(object)))
}

// AddSignature puts a signature into a canonical JSON object and returns the new canonical object.
func AddSignature(object []byte, server ServerName, key KeyID, signature []byte) ([]byte, error) {
	signatures := Signatures{}
	if present := Lookup(object, "signatures"); present != nil {
		if err := json.Unmarshal(present, &signatures); err != nil {
			return nil, &JSONError{Reason: "signatures is not an object of objects of strings"}
		}
	}
	if signatures[server] == nil {
		signatures[server] = map[KeyID]string{}
	}
	signatures[server][key] = EncodeBase64(signature)
	encoded, err := json.Marshal(signatures)
	if err != nil {
		return nil, err
	}
	return SetMember(object, "signatures", encoded)
}

// SetMember returns the canonical object with a top-level member set to a JSON value.
func SetMember(object []byte, key string, value []byte) ([]byte, error) {
	out := AppendFiltered(make([]byte, 0, len(object)+len(key)+len(value)+4), object, func(k []byte) bool {
		return string(k) != key
	})
	name, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	out = out[:len(out)-1]
	if len(out) > 1 {
		out = append(out, ',')
	}
	out = append(append(append(out, name...), ':'), value...)
	return CanonicalJSON(append(out, '}'))
}

// VerifyJSON checks that the object bears the server's signature by the given key. Errors are *JSONError or
// *SignatureError.
func VerifyJSON(raw []byte, server ServerName, key KeyID, public ed25519.PublicKey) error {
	object, err := canonicalObject(raw)
	if err != nil {
		return err
	}
	var signatures Signatures
	if err := json.Unmarshal(Lookup(object, "signatures"), &signatures); err != nil {
		return &SignatureError{server, key, "the object has no valid signatures property"}
	}
	encoded, found := signatures[server][key]
	if !found {
		return &SignatureError{server, key, "missing"}
	}
	signature, err := DecodeBase64(encoded)
	if err != nil {
		return &SignatureError{server, key, "not Base64"}
	}
	return VerifySignature(withoutSignatures(object), signature, server, key, public)
}

// VerifySignature checks one signature over the bytes it covers. The error is a *SignatureError.
func VerifySignature(message, signature []byte, server ServerName, key KeyID, public ed25519.PublicKey) error {
	switch {
	case key.Algorithm() != KeyAlgorithm:
		return &SignatureError{server, key, "unknown algorithm; only ed25519 is supported"}
	case len(public) != ed25519.PublicKeySize:
		return &SignatureError{server, key, fmt.Sprintf("the public key has %d bytes, not %d", len(public), ed25519.PublicKeySize)}
	case !ed25519.Verify(public, message, signature):
		return &SignatureError{server, key, "does not match the object"}
	}
	return nil
}

func withoutSignatures(object []byte) []byte {
	return AppendFiltered(make([]byte, 0, len(object)), object, func(key []byte) bool {
		return string(key) != "signatures" && string(key) != "unsigned"
	})
}

func canonicalObject(raw []byte) ([]byte, error) {
	object, err := CanonicalJSONLenient(raw)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(object, []byte("{")) {
		return nil, &JSONError{Reason: "expected an object"}
	}
	return object, nil
}
