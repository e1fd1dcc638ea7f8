package matrix

import (
	"encoding/json"
	"iter"
)

// Member is one member of a canonical JSON object. Both parts alias the object and must not be changed.
type Member struct {
	// Key is the spelling between the quotes: for names without escapes, the name itself.
	Key []byte
	// Value is the canonical JSON of the value.
	Value json.RawMessage
	// Raw is the whole member, "key":value.
	Raw []byte
}

// Members walks the top level of a canonical JSON object in order, without decoding anything. The input
// must come from CanonicalJSON; a value that is no object has no members.
func Members(object []byte) iter.Seq[Member] {
	return func(yield func(Member) bool) {
		if len(object) == 0 || object[0] != '{' {
			return
		}
		for pos := 1; pos < len(object) && object[pos] == '"'; pos++ {
			key := pos
			colon := skipValue(object, pos)
			end := skipValue(object, min(colon+1, len(object)))
			if colon < key+2 || end <= colon {
				return
			}
			m := Member{Key: object[key+1 : colon-1], Value: object[colon+1 : end : end], Raw: object[key:end:end]}
			if !yield(m) {
				return
			}
			pos = end
		}
	}
}

// Elements walks a canonical JSON array in order. What it yields aliases the array. A value that is no array
// has no elements.
func Elements(array []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		if len(array) == 0 || array[0] != '[' {
			return
		}
		for pos := 1; pos < len(array) && array[pos] != ']'; pos++ {
			end := skipValue(array, pos)
			if end == pos || !yield(array[pos:end:end]) {
				return
			}
			pos = end
		}
	}
}

// Lookup finds the value of a top-level key of a canonical JSON object, nil when absent. The key must be one
// that canonical JSON spells without escapes.
func Lookup(object []byte, key string) json.RawMessage {
	for m := range Members(object) {
		if string(m.Key) == key {
			return m.Value
		}
	}
	return nil
}

// AppendFiltered appends the canonical object that keeps the members for which keep is true. Leaving
// members out of a canonical object leaves it canonical.
func AppendFiltered(dst, object []byte, keep func(key []byte) bool) []byte {
	dst = append(dst, '{')
	first := true
	for m := range Members(object) {
		if !keep(m.Key) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, m.Raw...)
	}
	return append(dst, '}')
}

// skipValue returns the offset behind the canonical value that begins at pos, at most len(b).
func skipValue(b []byte, pos int) int {
	depth := 0
	for ; pos < len(b); pos++ {
		switch b[pos] {
		case '"':
			pos = skipString(b, pos) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return pos
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return pos
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return min(pos+1, len(b))
		}
	}
	return len(b)
}

// skipString returns the offset behind the string whose opening quote is at pos.
func skipString(b []byte, pos int) int {
	for pos++; pos < len(b); pos++ {
		switch b[pos] {
		case '"':
			return pos + 1
		case '\\':
			pos++
		}
	}
	return len(b)
}
