package matrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxSafeInteger is the largest absolute value of a number in canonical JSON, 2^53-1.
const MaxSafeInteger = 1<<53 - 1

// maxNesting bounds recursion on hostile input; real events nest fewer than ten levels.
const maxNesting = 256

// JSONError is a violation of JSON or of canonical JSON at a byte offset of the input.
type JSONError struct {
	Offset int
	Reason string
}

func (e *JSONError) Error() string {
	return fmt.Sprintf("JSON at byte %d: %s", e.Offset, e.Reason)
}

// CanonicalJSON rewrites one JSON value into the canonical form of the Matrix appendices: no insignificant
// space, keys sorted by code point, shortest escapes. It is strict, as room versions 6 and later ask:
// numbers must be integers within 2^53-1 written without sign of zero, fraction or exponent; keys must be
// unique; text must be UTF-8 without lone surrogates. Errors are *JSONError. The input is not kept.
func CanonicalJSON(raw []byte) ([]byte, error) {
	return canonical(raw, false)
}

// CanonicalJSONLenient is CanonicalJSON, but accepts other spellings of safe integers (-0, 1e10, 2.0) and
// writes them in the canonical one. It is for JSON that is signed but is no event.
func CanonicalJSONLenient(raw []byte) ([]byte, error) {
	return canonical(raw, true)
}

func canonical(raw []byte, lenient bool) ([]byte, error) {
	c := canonicaliser{in: raw, out: make([]byte, 0, len(raw)), lenient: lenient, members: make([]member, 0, 16)}
	if !utf8.Valid(raw) {
		return nil, c.fail("not valid UTF-8")
	}
	if err := c.value(0); err != nil {
		return nil, err
	}
	if c.peek(); c.pos < len(c.in) {
		return nil, c.fail("data after the value")
	}
	return c.out, nil
}

// canonicaliser copies in to out, value by value; objects are put in order once their members are written.
type canonicaliser struct {
	in      []byte
	pos     int
	out     []byte
	lenient bool
	scratch []byte
	members []member // a stack: nested objects push behind the members of their parents
}

// member is the place of one "key":value in out.
type member struct {
	start, end int
	keyEnd     int    // the closing quote
	decoded    []byte // the name, when it has escapes
}

// name is the decoded key: order is that of the characters, not of their spelling.
func (c *canonicaliser) name(m member) []byte {
	if m.decoded != nil {
		return m.decoded
	}
	return c.out[m.start+1 : m.keyEnd]
}

func (c *canonicaliser) fail(reason string) error {
	return &JSONError{Offset: c.pos, Reason: reason}
}

// peek skips white space and returns the next byte, 0 at the end.
func (c *canonicaliser) peek() byte {
	for ; c.pos < len(c.in); c.pos++ {
		switch b := c.in[c.pos]; b {
		case ' ', '\t', '\n', '\r':
		default:
			return b
		}
	}
	return 0
}

func (c *canonicaliser) value(depth int) error {
	if depth > maxNesting {
		return c.fail(fmt.Sprintf("nested more than %d levels deep", maxNesting))
	}
	switch b := c.peek(); {
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.array(depth)
	case b == '"':
		return c.text()
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	case b == 't':
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == 'n':
		return c.literal("null")
	}
	return c.fail("expected a value")
}

func (c *canonicaliser) literal(word string) error {
	if !bytes.HasPrefix(c.in[c.pos:], []byte(word)) {
		return c.fail("expected " + word)
	}
	c.pos += len(word)
	c.out = append(c.out, word...)
	return nil
}

func (c *canonicaliser) array(depth int) error {
	c.take()
	if c.peek() == ']' {
		c.take()
		return nil
	}
	for {
		if err := c.value(depth + 1); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.take()
		case ']':
			c.take()
			return nil
		default:
			return c.fail("expected , or ] in an array")
		}
	}
}

// take copies one structural byte.
func (c *canonicaliser) take() {
	c.out = append(c.out, c.in[c.pos])
	c.pos++
}

func (c *canonicaliser) object(depth int) error {
	base := len(c.members)
	defer func() { c.members = c.members[:base] }()
	c.take()
	body := len(c.out)
	if c.peek() == '}' {
		c.take()
		return nil
	}
	for {
		if err := c.member(depth); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.take()
		case '}':
			if err := c.sortMembers(body, base); err != nil {
				return err
			}
			c.take()
			return nil
		default:
			return c.fail("expected , or } in an object")
		}
	}
}

func (c *canonicaliser) member(depth int) error {
	if c.peek() != '"' {
		return c.fail("expected a key")
	}
	m := member{start: len(c.out)}
	if err := c.text(); err != nil {
		return err
	}
	m.keyEnd = len(c.out) - 1
	m.decoded = decodeEscapes(c.out[m.start : m.keyEnd+1])
	if c.peek() != ':' {
		return c.fail("expected : after a key")
	}
	c.take()
	if err := c.value(depth + 1); err != nil {
		return err
	}
	m.end = len(c.out)
	c.members = append(c.members, m)
	return nil
}

// decodeEscapes decodes a canonical string, nil when it has no escapes.
func decodeEscapes(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return nil
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil
	}
	return []byte(s)
}

// sortMembers reorders the members written since body. UTF-8 sorts by bytes as it does by code points.
func (c *canonicaliser) sortMembers(body, base int) error {
	members := c.members[base:]
	byName := func(a, b member) int { return bytes.Compare(c.name(a), c.name(b)) }
	sorted := slices.IsSortedFunc(members, byName)
	if !sorted {
		slices.SortFunc(members, byName)
	}
	for i := 1; i < len(members); i++ {
		if byName(members[i-1], members[i]) == 0 {
			return c.fail(fmt.Sprintf("duplicate key %q", c.name(members[i])))
		}
	}
	if sorted {
		return nil
	}
	c.scratch = append(c.scratch[:0], c.out[body:]...)
	c.out = c.out[:body]
	for i, m := range members {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, c.scratch[m.start-body:m.end-body]...)
	}
	return nil
}

// text copies a string, respelling its escapes.
func (c *canonicaliser) text() error {
	c.take()
	for c.pos < len(c.in) {
		run := c.pos
		for c.pos < len(c.in) && c.in[c.pos] >= 0x20 && c.in[c.pos] != '"' && c.in[c.pos] != '\\' {
			c.pos++
		}
		c.out = append(c.out, c.in[run:c.pos]...)
		if c.pos == len(c.in) {
			break
		}
		switch c.in[c.pos] {
		case '"':
			c.take()
			return nil
		case '\\':
			if err := c.escape(); err != nil {
				return err
			}
		default:
			return c.fail("unescaped control character in a string")
		}
	}
	return c.fail("string without an end")
}

func (c *canonicaliser) escape() error {
	if c.pos+1 >= len(c.in) {
		return c.fail("string without an end")
	}
	switch b := c.in[c.pos+1]; b {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		c.out = append(c.out, '\\', b)
	case '/':
		c.out = append(c.out, '/')
	case 'u':
		return c.unicodeEscape()
	default:
		return c.fail("unknown escape in a string")
	}
	c.pos += 2
	return nil
}

func (c *canonicaliser) unicodeEscape() error {
	r, ok := c.hex4(c.pos)
	if !ok {
		return c.fail(`\u without four hexadecimal digits`)
	}
	size := 6
	if utf16.IsSurrogate(r) {
		low, _ := c.hex4(c.pos + size)
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return c.fail("lone surrogate in a string")
		}
		size = 12
	}
	c.pos += size
	c.out = appendRune(c.out, r)
	return nil
}

// hex4 reads \uXXXX at a position.
func (c *canonicaliser) hex4(at int) (rune, bool) {
	if at+6 > len(c.in) || c.in[at] != '\\' || c.in[at+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(c.in[at+2:at+6]), 16, 16)
	return rune(n), err == nil
}

// appendRune writes one character with the escapes of the canonical grammar.
func appendRune(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(out, '\\', byte(r))
	case '\b':
		return append(out, `\b`...)
	case '\f':
		return append(out, `\f`...)
	case '\n':
		return append(out, `\n`...)
	case '\r':
		return append(out, `\r`...)
	case '\t':
		return append(out, `\t`...)
	}
	if r < 0x20 {
		return append(out, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
	}
	return utf8.AppendRune(out, r)
}

func (c *canonicaliser) number() error {
	start := c.pos
	for c.pos < len(c.in) && isNumberByte(c.in[c.pos]) {
		c.pos++
	}
	token := c.in[start:c.pos]
	if n, ok := strictInteger(token); ok {
		c.out = strconv.AppendInt(c.out, n, 10)
		return nil
	}
	if n, ok := lenientInteger(token); ok && c.lenient {
		c.out = strconv.AppendInt(c.out, n, 10)
		return nil
	}
	c.pos = start
	return c.fail(fmt.Sprintf("number %.40q is not an integer from -(2^53-1) to 2^53-1 in plain digits", token))
}

func isNumberByte(b byte) bool {
	return b >= '0' && b <= '9' || b == '-' || b == '+' || b == '.' || b == 'e' || b == 'E'
}

func strictInteger(token []byte) (int64, bool) {
	digits := bytes.TrimPrefix(token, []byte("-"))
	if len(digits) == 0 || len(digits) > 16 || digits[0] == '0' && len(token) > 1 {
		return 0, false
	}
	var n int64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	if n > MaxSafeInteger {
		return 0, false
	}
	if len(digits) < len(token) {
		n = -n
	}
	return n, true
}

func lenientInteger(token []byte) (int64, bool) {
	if !json.Valid(token) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(token), 64)
	if err != nil || f != float64(int64(f)) || f > MaxSafeInteger || f < -MaxSafeInteger {
		return 0, false
	}
	return int64(f), true
}
