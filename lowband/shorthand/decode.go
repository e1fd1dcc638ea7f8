package shorthand

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"

	"meshsim/matrix"
)

// maxNesting bounds recursion. Canonical JSON of this project nests at most 256 levels, and a message wraps two more
// around it.
const maxNesting = 260

// decoder reads one message. The table's lock is held while it works.
type decoder struct {
	reader
	names *names
	limit int // bytes of JSON

	table   *Table // nil: references are refused
	base    uint32
	defined []string
	derived int
}

// body reads what encoder.body has written; nil for none.
func (d *decoder) body() ([]byte, error) {
	if d.pos < len(d.in) && d.in[d.pos] == simpleUndefined {
		d.pos++
		return nil, nil
	}
	if d.pos < len(d.in) && d.in[d.pos] == majorTag<<5|tagLiteral {
		d.pos++
		h, err := d.head()
		if err != nil {
			return nil, err
		}
		if h.major != majorBytes {
			return nil, d.fail("a literal body is not a byte string")
		}
		raw, err := d.take(h.n)
		if err == nil && len(raw) > d.limit {
			return nil, &SizeError{d.limit}
		}
		return bytes.Clone(raw), err
	}
	return d.value(make([]byte, 0, 2*(len(d.in)-d.pos)), 0)
}

// value appends the JSON of one item.
func (d *decoder) value(out []byte, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, d.fail("nested too deep")
	}
	if len(out) > d.limit {
		return nil, &SizeError{d.limit}
	}
	at := d.pos
	h, err := d.head()
	if err != nil {
		return nil, err
	}
	switch h.major {
	case majorUint:
		return strconv.AppendUint(out, h.n, 10), nil
	case majorNint:
		return d.negative(out, h)
	case majorArray:
		return d.array(out, h, depth)
	case majorMap:
		return d.object(out, h, depth)
	case majorOther:
		return d.other(out, h)
	}
	d.pos = at
	s, err := d.text()
	if err != nil {
		return nil, err
	}
	return appendString(out, s), nil
}

func (d *decoder) negative(out []byte, h head) ([]byte, error) {
	if h.n >= 1<<63 {
		return nil, d.fail("a negative integer has more than 64 bits")
	}
	return strconv.AppendInt(out, -1-int64(h.n), 10), nil
}

func (d *decoder) other(out []byte, h head) ([]byte, error) {
	if h.info >= 25 {
		out, ok := appendFloat(out, h)
		if !ok {
			return nil, d.fail("JSON has no infinite numbers")
		}
		return out, nil
	}
	switch h.info | majorOther<<5 {
	case simpleFalse:
		return append(out, "false"...), nil
	case simpleTrue:
		return append(out, "true"...), nil
	case simpleNull:
		return append(out, "null"...), nil
	}
	s, err := d.simple(h)
	if err != nil {
		return nil, err
	}
	return appendString(out, s), nil
}

func (d *decoder) simple(h head) (string, error) {
	s, ok := d.names.text(byte(h.n))
	if !ok || h.info > 24 || h.info == 24 && h.n < firstLong { // RFC 8949, section 3.3
		return "", d.fail("a simple value stands for nothing")
	}
	return s, nil
}

func (d *decoder) array(out []byte, h head, depth int) ([]byte, error) {
	count, err := d.count(h.n)
	if err != nil {
		return nil, err
	}
	out = append(out, '[')
	for i := range count {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = d.value(out, depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

// text reads a string in any of its forms.
func (d *decoder) text() (string, error) {
	h, err := d.head()
	if err != nil {
		return "", err
	}
	switch h.major {
	case majorText, majorBytes:
		s, err := d.literal(h)
		if err == nil && identifier(s) {
			d.define(s)
		}
		return s, err
	case majorTag:
		return d.tagged(h)
	case majorOther:
		return d.simple(h)
	}
	return "", d.fail("expected a string")
}

// literal reads a string that is written out.
func (d *decoder) literal(h head) (string, error) {
	b, err := d.take(h.n)
	if err != nil {
		return "", err
	}
	if h.major == majorBytes {
		return base64.RawStdEncoding.EncodeToString(b), nil
	}
	if !validText(b) {
		return "", d.fail("a text string is not UTF-8")
	}
	return string(b), nil
}

func (d *decoder) tagged(tag head) (string, error) {
	h, err := d.head()
	if err != nil {
		return "", err
	}
	switch {
	case tag.n == tagMine && h.major == majorUint:
		return d.theirSlot(h.n)
	case tag.n == tagYours && h.major == majorUint:
		return d.ownSlot(h.n)
	case tag.n == tagEventID && h.major == majorBytes:
		return d.id("$", h)
	case tag.n == tagRoomID && h.major == majorBytes:
		return d.id("!", h)
	}
	return "", d.fail("tag " + strconv.FormatUint(tag.n, 10) + " is not used here")
}

func (d *decoder) id(sigil string, h head) (string, error) {
	b, err := d.take(h.n)
	if err != nil {
		return "", err
	}
	if len(b) != rawBytes {
		return "", d.fail("an identifier has not 32 bytes")
	}
	s := sigil + base64.RawURLEncoding.EncodeToString(b)
	d.define(s)
	return s, nil
}

// theirSlot finds what the peer has sent so many identifiers ago.
func (d *decoder) theirSlot(back uint64) (string, error) {
	if d.table == nil || back == 0 {
		return "", ErrUnknownReference
	}
	if back <= uint64(len(d.defined)) {
		return d.defined[uint64(len(d.defined))-back], nil
	}
	next := uint64(d.base) + uint64(len(d.defined))
	if back > next {
		return "", ErrUnknownReference
	}
	s, ok := d.table.yours.text[uint32(next-back)]
	if !ok {
		return "", ErrUnknownReference
	}
	return s, nil
}

// ownSlot finds what this end has sent.
func (d *decoder) ownSlot(slot uint64) (string, error) {
	if d.table == nil || slot > 1<<32-1 {
		return "", ErrUnknownReference
	}
	s, ok := d.table.mine.text[uint32(slot)]
	if !ok {
		return "", ErrUnknownReference
	}
	return s, nil
}

func (d *decoder) define(s string) {
	if d.table != nil {
		d.defined = append(d.defined, s)
	}
}

// entry is the place of one member in the output.
type entry struct {
	name       string
	numbered   bool // by an integer key
	start, end int
}

// object reads a map. Members that come in order, as this package writes them, stay where they are.
func (d *decoder) object(out []byte, h head, depth int) ([]byte, error) {
	count, err := d.count(2 * min(h.n, 1<<60))
	if err != nil {
		return nil, err
	}
	begin := len(out)
	out = append(out, '{')
	entries := make([]entry, 0, min(count/2, 64))
	derivedHash := false
	for range count / 2 {
		var e entry
		if e.name, e.numbered, err = d.key(); err != nil {
			return nil, err
		}
		if e.name == "hashes" && d.pos < len(d.in) && d.in[d.pos] == simpleUndefined {
			d.pos++
			derivedHash = true
			continue
		}
		e.start = len(out)
		out = append(appendString(out, e.name), ':')
		if out, err = d.value(out, depth+1); err != nil {
			return nil, err
		}
		e.end = len(out)
		out = append(out, ',')
		entries = append(entries, e)
	}
	if out, entries, err = d.arrange(out, begin, entries); err != nil {
		return nil, err
	}
	if derivedHash {
		return d.insertHashes(out, begin, entries)
	}
	d.derive(out[begin:])
	return out, nil
}

func (d *decoder) key() (name string, numbered bool, err error) {
	if d.pos < len(d.in) && d.in[d.pos]>>5 == majorUint {
		h, err := d.head()
		if err != nil {
			return "", false, err
		}
		if h.n == 0 || h.n >= uint64(len(d.names.keys)) {
			return "", false, d.fail("key " + strconv.FormatUint(h.n, 10) + " is not in the table")
		}
		return d.names.keys[h.n], true, nil
	}
	name, err = d.text()
	return name, false, err
}

// arrange puts members into canonical order and closes the object. Of an integer key and the same key as a string, the
// string holds (MSC3079); any other repetition is an error.
func (d *decoder) arrange(out []byte, begin int, entries []entry) ([]byte, []entry, error) {
	byName := func(a, b entry) int { return bytes.Compare([]byte(a.name), []byte(b.name)) }
	ordered := true
	for i := 1; i < len(entries) && ordered; i++ {
		ordered = entries[i-1].name < entries[i].name
	}
	if ordered {
		return closeObject(out, begin), entries, nil
	}
	slices.SortStableFunc(entries, byName)
	kept := entries[:0]
	for _, e := range entries {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].name != e.name:
			kept = append(kept, e)
		case kept[last].numbered == e.numbered:
			return nil, nil, d.fail("a key is there twice")
		case kept[last].numbered:
			kept[last] = e
		}
	}
	members := bytes.Clone(out[begin:])
	out = append(out[:begin], '{')
	for i, e := range kept {
		start := len(out)
		out = append(append(out, members[e.start-begin:e.end-begin]...), ',')
		kept[i].start, kept[i].end = start, len(out)-1
	}
	return closeObject(out, begin), kept, nil
}

// closeObject turns the last comma into the closing brace.
func closeObject(out []byte, begin int) []byte {
	if len(out) == begin+1 {
		return append(out, '}')
	}
	out[len(out)-1] = '}'
	return out
}

// insertHashes computes the hashes of an object that came without and puts them into their place.
func (d *decoder) insertHashes(out []byte, begin int, entries []entry) ([]byte, error) {
	member := appendHashes([]byte(`"hashes":`), json.RawMessage(out[begin:]))
	at := begin + 1
	for _, e := range entries {
		if e.name == "hashes" {
			return nil, d.fail("a key is there twice")
		}
		if e.name < "hashes" {
			at = e.end + 1 // behind the comma, or behind the closing brace
		}
	}
	switch {
	case len(entries) == 0:
	case at == len(out): // the last member
		at--
		member = append([]byte{','}, member...)
	default:
		member = append(member, ',')
	}
	out = slices.Insert(out, at, member...)
	d.derive(out[begin:])
	return out, nil
}

// derive computes the id of an event, as the encoder has done.
func (d *decoder) derive(object []byte) {
	if d.table == nil || d.derived == maxDerived {
		return
	}
	if id, ok := deriveEventID(object, slices.Collect(matrix.Members(object))); ok {
		d.derived++
		d.define(id)
	}
}
