package matrix_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"meshsim/matrix"
)

// specKey is the signing key of the Matrix appendices, "Cryptographic Test Vectors".
func specKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	seed, err := matrix.DecodeBase64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func TestBase64OfTheSpecification(t *testing.T) {
	pairs := map[string]string{
		"": "", "f": "Zg", "fo": "Zm8", "foo": "Zm9v", "foob": "Zm9vYg", "fooba": "Zm9vYmE", "foobar": "Zm9vYmFy",
	}
	for plain, encoded := range pairs {
		if got := matrix.EncodeBase64([]byte(plain)); got != encoded {
			t.Errorf("%q is encoded as %s, want %s", plain, got, encoded)
		}
		for _, form := range []string{encoded, encoded + "=="[:(4-len(encoded)%4)%4]} {
			if got, err := matrix.DecodeBase64(form); err != nil || string(got) != plain {
				t.Errorf("%s is decoded as %q (%v), want %q", form, got, err, plain)
			}
		}
	}
}

func TestSignJSONVectorsOfTheSpecification(t *testing.T) {
	cases := []struct{ name, in, signature, out string }{
		{
			"empty", `{}`,
			"K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
			`{"signatures":{"domain":{"ed25519:1":"%"}}}`,
		},
		{
			"values", `{"one": 1, "two": "Two"}`,
			"KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
			`{"one":1,"signatures":{"domain":{"ed25519:1":"%"}},"two":"Two"}`,
		},
	}
	priv := specKey(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := matrix.SignJSON([]byte(c.in), "domain", "ed25519:1", priv)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(c.out, "%", c.signature); string(got) != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if err := matrix.VerifyJSON(got, "domain", "ed25519:1", priv.Public().(ed25519.PublicKey)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSignJSONKeepsUnsignedAndOtherSignatures(t *testing.T) {
	priv := specKey(t)
	first, err := matrix.SignJSON([]byte(`{"a":1,"unsigned":{"age":1.5e1}}`), "one", "ed25519:a", priv)
	if err != nil {
		t.Fatal(err)
	}
	second, err := matrix.SignJSON(first, "two", "ed25519:b", priv)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := matrix.SetMember(second, "unsigned", json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for server, key := range map[matrix.ServerName]matrix.KeyID{"one": "ed25519:a", "two": "ed25519:b"} {
		if err := matrix.VerifyJSON(changed, server, key, priv.Public().(ed25519.PublicKey)); err != nil {
			t.Error(err)
		}
	}
}

func TestVerifyJSONRefuses(t *testing.T) {
	priv := specKey(t)
	public := priv.Public().(ed25519.PublicKey)
	signed, err := matrix.SignJSON([]byte(`{"a":1}`), "domain", "ed25519:1", priv)
	if err != nil {
		t.Fatal(err)
	}
	tampered, err := matrix.SetMember(signed, "a", []byte("2"))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		object []byte
		server matrix.ServerName
		key    matrix.KeyID
		public ed25519.PublicKey
	}{
		{"changed-object", tampered, "domain", "ed25519:1", public},
		{"other-server", signed, "other", "ed25519:1", public},
		{"other-key-id", signed, "domain", "ed25519:2", public},
		{"wrong-key", signed, "domain", "ed25519:1", make(ed25519.PublicKey, ed25519.PublicKeySize)},
		{"short-key", signed, "domain", "ed25519:1", public[:31]},
		{"unsigned-object", []byte(`{"a":1}`), "domain", "ed25519:1", public},
		{"malformed-signatures", []byte(`{"signatures":7}`), "domain", "ed25519:1", public},
		{"no-base64", []byte(`{"signatures":{"domain":{"ed25519:1":"*"}}}`), "domain", "ed25519:1", public},
		{"unknown-algorithm", []byte(`{"signatures":{"domain":{"rsa:1":"AA"}}}`), "domain", "rsa:1", public},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := matrix.VerifyJSON(c.object, c.server, c.key, c.public)
			var signatureErr *matrix.SignatureError
			if !errors.As(err, &signatureErr) {
				t.Errorf("got %v, want a *SignatureError", err)
			}
		})
	}
}

func TestSigningNeedsAnObject(t *testing.T) {
	for _, raw := range []string{`[]`, `"a"`, `{`, `{"signatures":[]}`} {
		_, err := matrix.SignJSON([]byte(raw), "domain", "ed25519:1", specKey(t))
		var jsonErr *matrix.JSONError
		if !errors.As(err, &jsonErr) {
			t.Errorf("%s: got %v, want a *JSONError", raw, err)
		}
	}
}
