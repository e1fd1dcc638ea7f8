package shorthand

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"

	"meshsim/matrix"
)

// encoder writes one message. The table's lock is held while it works.
type encoder struct {
	names *names
	out   []byte

	table   *Table // nil: no references, nothing is defined
	base    uint32
	defined []string
	local   map[string]uint32 // slots of defined
	derived int               // event ids computed so far
	used    bool              // whether the receiver needs base
}

// body writes a body: canonical JSON as CBOR, anything else literally.
func (e *encoder) body(raw []byte) {
	if len(raw) == 0 {
		e.out = append(e.out, simpleUndefined)
		return
	}
	canonical, err := matrix.CanonicalJSON(raw)
	if err != nil {
		e.out = appendHead(e.out, majorTag, tagLiteral)
		e.out = appendBytes(e.out, raw)
		return
	}
	e.value(canonical)
}

// value writes one canonical JSON value.
func (e *encoder) value(v json.RawMessage) {
	switch v[0] {
	case '{':
		e.object(v)
	case '[':
		e.array(v)
	case '"':
		e.text(unquote(v))
	case 't':
		e.out = append(e.out, simpleTrue)
	case 'f':
		e.out = append(e.out, simpleFalse)
	case 'n':
		e.out = append(e.out, simpleNull)
	default:
		n, _ := strconv.ParseInt(string(v), 10, 64) // canonical integers fit
		e.out = appendInt(e.out, n)
	}
}

// unquote decodes a canonical JSON string.
func unquote(v json.RawMessage) string {
	if !slices.Contains(v, '\\') {
		return string(v[1 : len(v)-1])
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return "" // cannot be: the value is canonical
	}
	return s
}

func (e *encoder) array(v json.RawMessage) {
	count := 0
	for range matrix.Elements(v) {
		count++
	}
	e.out = appendHead(e.out, majorArray, uint64(count))
	for element := range matrix.Elements(v) {
		e.value(element)
	}
}

func (e *encoder) object(v json.RawMessage) {
	members := slices.Collect(matrix.Members(v))
	e.out = appendHead(e.out, majorMap, uint64(len(members)))
	for _, m := range members {
		e.key(m)
		if string(m.Key) == "hashes" && hashIsDerived(v, m.Value) {
			e.out = append(e.out, simpleUndefined)
			continue
		}
		e.value(m.Value)
	}
	if e.table == nil || e.derived == maxDerived {
		return
	}
	if id, ok := deriveEventID(v, members); ok {
		e.derived++
		e.define(id)
	}
}

func (e *encoder) key(m matrix.Member) {
	name := string(m.Key)
	if slices.Contains(m.Key, '\\') {
		name = unquote(m.Raw[:len(m.Key)+2])
	}
	if n, ok := e.names.keyOf[name]; ok {
		e.out = appendHead(e.out, majorUint, n)
		return
	}
	e.text(name)
}

// text writes a string in a value or a key.
func (e *encoder) text(s string) {
	if value, ok := e.names.simple[s]; ok {
		e.out = appendSimple(e.out, value)
		return
	}
	e.named(s, identifier(s))
}

// named writes a string that has a slot or gets one, if it may.
func (e *encoder) named(s string, worth bool) {
	if worth && e.refer(s) {
		return
	}
	switch shape := shapeOf(s); {
	case shape.tag != 0:
		e.out = appendHead(e.out, majorTag, shape.tag)
		e.out = appendBytes(e.out, shape.raw)
	case shape.raw != nil:
		e.out = appendBytes(e.out, shape.raw)
	default:
		e.out = appendText(e.out, s)
	}
	if worth {
		e.define(s)
	}
}

// refer writes a reference, if the peer knows s or has it from an earlier place of this message.
func (e *encoder) refer(s string) bool {
	if e.table == nil {
		return false
	}
	next := e.base + uint32(len(e.defined))
	tag, value, ok := uint64(tagMine), uint64(0), false
	if slot, here := e.local[s]; here {
		value, ok = uint64(next-slot), true
	} else {
		tag, value, ok = e.table.reference(s, next)
	}
	if !ok {
		return false
	}
	e.used = true
	e.out = appendHead(e.out, majorTag, tag)
	e.out = appendHead(e.out, majorUint, value)
	return true
}

// define gives s the next slot.
func (e *encoder) define(s string) {
	if e.table == nil {
		return
	}
	e.used = true
	if e.local == nil {
		e.local = map[string]uint32{}
	}
	e.local[s] = e.base + uint32(len(e.defined))
	e.defined = append(e.defined, s)
}

// hashIsDerived tells whether the receiver computes these hashes from the rest of the object.
func hashIsDerived(object, hashes json.RawMessage) bool {
	if len(hashes) != len(hashesBefore)+43+len(hashesAfter) {
		return false
	}
	return string(hashes) == string(appendHashes(nil, object))
}

const (
	hashesBefore = `{"sha256":"`
	hashesAfter  = `"}`
)

// appendHashes appends the hashes of an event (server-server specification, "Calculating the content hash for an
// event").
func appendHashes(out []byte, object json.RawMessage) []byte {
	sum := sha256.Sum256(matrix.AppendFiltered(make([]byte, 0, len(object)), object, func(key []byte) bool {
		switch string(key) {
		case "unsigned", "signatures", "hashes":
			return false
		}
		return true
	}))
	out = append(out, hashesBefore...)
	out = base64.RawStdEncoding.AppendEncode(out, sum[:])
	return append(out, hashesAfter...)
}
