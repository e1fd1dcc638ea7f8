package event

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"testing"

	"meshsim/matrix"
)

// The event signing vectors of the Matrix appendices. They were made with the redaction rules of room version
// 1, which treat these two events as those of version 9 do.
func TestEventSigningVectorsOfTheSpecification(t *testing.T) {
	seed, err := matrix.DecodeBase64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	if err != nil {
		t.Fatal(err)
	}
	priv := ed25519.NewKeyFromSeed(seed)
	cases := []struct{ name, in, hash, signature string }{
		{
			"minimal",
			`{"room_id": "!x:domain", "sender": "@a:domain", "origin": "domain", "origin_server_ts": 1000000,
			"signatures": {}, "hashes": {}, "type": "X", "content": {}, "prev_events": [], "auth_events": [],
			"depth": 3, "unsigned": {"age_ts": 1000000}}`,
			"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
			"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
		},
		{
			"redactable-content",
			`{"content": {"body": "Here is the message content"}, "event_id": "$0:domain", "origin": "domain",
			"origin_server_ts": 1000000, "type": "m.room.message", "room_id": "!r:domain", "sender": "@u:domain",
			"signatures": {}, "unsigned": {"age_ts": 1000000}}`,
			"onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
			"Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			object, err := matrix.CanonicalJSON([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			kind, _ := unquote(matrix.Lookup(object, "type"))
			signed, err := hashAndSign(object, kind, matrix.RedactionV9, "domain", "ed25519:1", priv)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Hashes     map[string]string
				Signatures matrix.Signatures
				Unsigned   json.RawMessage
			}
			if err := json.Unmarshal(signed, &got); err != nil {
				t.Fatal(err)
			}
			if got.Hashes["sha256"] != c.hash {
				t.Errorf("hash is %s, want %s", got.Hashes["sha256"], c.hash)
			}
			if s := got.Signatures["domain"]["ed25519:1"]; s != c.signature {
				t.Errorf("signature is %s, want %s", s, c.signature)
			}
			if !bytes.Equal(got.Unsigned, []byte(`{"age_ts":1000000}`)) {
				t.Errorf("unsigned is %s", got.Unsigned)
			}
		})
	}
}
