package shorthand

import (
	"encoding/base64"
	"strings"
)

// rawBytes is how many bytes an event id or a room id of version 12 has behind its sigil.
const rawBytes = 32

// shape is how a string is written when it is no reference.
type shape struct {
	tag uint64 // 0 for none
	raw []byte // nil for text
}

// shapeOf finds the shortest way to write a string that comes back exactly.
func shapeOf(s string) shape {
	if len(s) == 1+43 && (s[0] == '$' || s[0] == '!') {
		if raw, ok := exactly(base64.RawURLEncoding, s[1:]); ok {
			if s[0] == '$' {
				return shape{tagEventID, raw}
			}
			return shape{tagRoomID, raw}
		}
	}
	if len(s) >= minBase64 {
		if raw, ok := exactly(base64.RawStdEncoding, s); ok {
			return shape{0, raw}
		}
	}
	return shape{}
}

// minBase64 is the length from which on a string is tried as Base64: below it, a word is more readable as text.
const minBase64 = 16

// exactly decodes s if encoding the result gives s again.
func exactly(enc *base64.Encoding, s string) ([]byte, bool) {
	raw, err := enc.Strict().DecodeString(s)
	if err != nil || len(raw) == 0 || strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	return raw, true
}

// Lengths of identifiers that are worth a slot.
const (
	minIdentifier = 6
	maxIdentifier = 255
)

// identifier tells whether a string is of the kind that comes again: a name with a sigil, or a word with a dot or a
// colon in it, such as server names, types of events and transactions. Both ends decide alike, by the string alone.
func identifier(s string) bool {
	if len(s) < minIdentifier || len(s) > maxIdentifier || strings.ContainsAny(s, " \n\t") {
		return false
	}
	switch s[0] {
	case '@', '!', '$', '#':
		return true
	}
	return len(s) <= 64 && strings.ContainsAny(s, ".:")
}
