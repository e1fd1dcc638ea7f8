package shorthand

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// DecodeRequest reads a request. method is the one that CoAP's code says. limit bounds the body, at most [MaxBody].
// Errors are *FormatError, *SizeError, *VersionError and ErrUnknownReference.
func (c *Coder) DecodeRequest(message []byte, method string, table *Table, limit int) (Request, error) {
	req := Request{Method: method, Header: http.Header{}}
	err := c.decode(message, table, limit, func(d *decoder) error {
		items, err := d.items(4)
		if err != nil {
			return err
		}
		if req.Target, err = d.target(); err != nil {
			return err
		}
		if items > 1 {
			auth, err := d.authorization()
			if err != nil {
				return err
			}
			setHeader(req.Header, "Authorization", auth)
		}
		if items > 2 {
			if req.Body, err = d.body(); err != nil {
				return err
			}
		}
		extras := map[string]string{}
		if items > 3 {
			if extras, err = d.stringMap(); err != nil {
				return err
			}
		}
		setHeaders(req.Header, extras, requestHeaders, req.Body)
		if other := extras["method"]; other != "" {
			req.Method = other
		}
		return nil
	})
	return req, err
}

// DecodeResponse reads an answer. known is the status that holds when the message names none.
func (c *Coder) DecodeResponse(message []byte, known int, table *Table, limit int) (Response, error) {
	res := Response{Status: known, Header: http.Header{}}
	err := c.decode(message, table, limit, func(d *decoder) error {
		items, err := d.items(3)
		if err != nil {
			return err
		}
		if res.Body, err = d.body(); err != nil {
			return err
		}
		extras := map[string]string{}
		if items > 1 {
			if extras, err = d.stringMap(); err != nil {
				return err
			}
		}
		setHeaders(res.Header, extras, responseHeaders, res.Body)
		if items > 2 {
			res.Status, err = d.status()
		}
		return err
	})
	return res, err
}

func (d *decoder) status() (int, error) {
	h, err := d.head()
	if err != nil {
		return 0, err
	}
	if h.major != majorUint || h.n < 100 || h.n > 999 {
		return 0, d.fail("expected an HTTP status")
	}
	return int(h.n), nil
}

func (c *Coder) decode(message []byte, table *Table, limit int, read func(*decoder) error) error {
	d := &decoder{names: c.names, table: table, limit: min(limit, MaxBody)}
	if len(message) == 0 {
		return d.fail("the message is empty")
	}
	first, rest := message[0], message[1:]
	if first&hasBase != 0 {
		var ok bool
		if d.base, rest, ok = varint(rest); !ok {
			return d.fail("the number of the next identifier is cut short")
		}
	}
	switch version := int(first & versionMask); {
	case first&^(versionMask|hasBase) != 0:
		return d.fail("the first byte has bits that are not used")
	case version > DictionaryVersion:
		return &VersionError{version}
	case version > 0:
		var err error
		if rest, err = c.inflate(rest, min(d.limit, floorSize+maxRatio*len(rest))); err != nil {
			return err
		}
	}
	d.in = rest
	if table != nil {
		table.mu.Lock()
		defer table.mu.Unlock()
	}
	if err := read(d); err != nil {
		return err
	}
	if d.pos != len(d.in) {
		return d.fail("data behind the message")
	}
	if table != nil && first&hasBase != 0 {
		table.receivedLocked(d.base, d.defined)
	}
	return nil
}

// Item returns the CBOR of a message, and whether it was deflated.
func (c *Coder) Item(message []byte, limit int) (item []byte, deflated bool, err error) {
	if len(message) == 0 {
		return nil, false, &FormatError{Reason: "the message is empty"}
	}
	rest := message[1:]
	if message[0]&hasBase != 0 {
		_, after, ok := varint(rest)
		if !ok {
			return nil, false, &FormatError{Reason: "the number of the next identifier is cut short"}
		}
		rest = after
	}
	if message[0]&versionMask == 0 {
		return rest, false, nil
	}
	item, err = c.inflate(rest, limit)
	return item, true, err
}

// Diagnose writes CBOR in diagnostic notation (RFC 8949, section 8), for people.
func Diagnose(item []byte) string {
	text, err := cbor.Diagnose(item)
	if err != nil {
		return fmt.Sprintf("% x", item)
	}
	return text
}

// UsesTable tells whether a message gives or uses identifiers of the session.
func UsesTable(message []byte) bool { return len(message) > 0 && message[0]&hasBase != 0 }

func varint(b []byte) (n uint32, rest []byte, ok bool) {
	for i := range min(len(b), 5) {
		if i == 4 && b[i] > 0x0f {
			return 0, nil, false
		}
		n |= uint32(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

// items reads the head of the array that a message is.
func (d *decoder) items(most int) (int, error) {
	h, err := d.head()
	if err != nil {
		return 0, err
	}
	if h.major != majorArray || h.n < 1 || h.n > uint64(most) {
		return 0, d.fail("the message is not an array of the right length")
	}
	return int(h.n), nil
}

func (d *decoder) target() (string, error) {
	h, err := d.head()
	if err != nil {
		return "", err
	}
	if h.major == majorText {
		return d.literal(h)
	}
	var list []string
	if h.major == majorArray {
		count, err := d.count(h.n)
		if err != nil || count == 0 {
			return "", d.fail("a path has no code")
		}
		if h, err = d.head(); err != nil {
			return "", err
		}
		for range count - 1 {
			s, err := d.text()
			if err != nil {
				return "", err
			}
			list = append(list, s)
		}
	}
	return d.lengthen(h, list)
}

func (d *decoder) lengthen(h head, list []string) (string, error) {
	if h.major > majorNint || h.n > 1<<32 {
		return "", d.fail("a path has no code")
	}
	code := int64(h.n)
	if h.major == majorNint {
		code = -1 - code
	}
	r := d.names.paths.byCode[code&^1]
	if r == nil || len(list) < r.wildcards() {
		return "", d.fail("a path is not in the table or lacks arguments")
	}
	n := r.wildcards()
	uri, ok := d.names.paths.lengthen(short{code: code, args: list[:n], query: list[n:]})
	if !ok {
		return "", d.fail("a query has a key without a value")
	}
	return uri, nil
}

func (d *decoder) authorization() (string, error) {
	if d.pos < len(d.in) && d.in[d.pos] == simpleNull {
		d.pos++
		return "", nil
	}
	if d.pos >= len(d.in) || d.in[d.pos] != majorArray<<5|4 {
		return d.forced()
	}
	d.pos++
	var x xMatrix
	for _, field := range []*string{&x.origin, &x.destination, &x.key, &x.sig} {
		s, err := d.text()
		if err != nil {
			return "", err
		}
		*field = s
	}
	return x.render(), nil
}

// forced reads a string that gets a slot whatever it looks like.
func (d *decoder) forced() (string, error) {
	before := len(d.defined)
	written := d.pos < len(d.in) && (d.in[d.pos]>>5 == majorText || d.in[d.pos]>>5 == majorBytes)
	s, err := d.text()
	if err == nil && written && len(d.defined) == before {
		d.define(s)
	}
	return s, err
}

func (d *decoder) stringMap() (map[string]string, error) {
	h, err := d.head()
	if err != nil {
		return nil, err
	}
	if h.major != majorMap {
		return nil, d.fail("expected a map of headers")
	}
	count, err := d.count(h.n)
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for range count {
		key, err := d.text()
		if err != nil {
			return nil, err
		}
		if m[key], err = d.text(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// setHeaders fills in the headers that were carried, and Content-Type where there is a body.
func setHeaders(h http.Header, extras map[string]string, carried []string, body []byte) {
	if body != nil {
		h.Set("Content-Type", jsonType)
	}
	for _, name := range carried {
		setHeader(h, name, extras[strings.ToLower(name)])
	}
}

// setHeader sets a header to a value that may be one (RFC 9110, section 5.5); a hostile one is left out.
func setHeader(h http.Header, name, value string) {
	if value == "" || slices.ContainsFunc([]byte(value), func(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return
	}
	h.Set(name, value)
}
