package msc3079

import "github.com/fxamacker/cbor/v2"

// Diagnose writes CBOR in diagnostic notation (RFC 8949, section 8), for people.
func Diagnose(item []byte) string {
	text, err := cbor.Diagnose(item)
	if err != nil {
		return err.Error()
	}
	return text
}
