package shorthand

import (
	"net/http"
	"slices"
	"strings"
)

// Request is an HTTP request as far as it is carried.
type Request struct {
	Method string
	Target string // the request URI: escaped path and query
	Header http.Header
	Body   []byte
}

// Response is an HTTP answer as far as it is carried.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Headers that are carried besides Authorization. Content-Type is left out where it is application/json and where there
// is no body; the receiver puts it there again.
var (
	requestHeaders  = []string{"Content-Type", "Range", "If-None-Match", "Content-Disposition"}
	responseHeaders = []string{"Content-Type", "Retry-After", "Location", "Content-Disposition", "Etag"}
)

// The first byte of a message: the version of the dictionary that it is deflated with, 0 for none, and whether the
// number of the sender's next identifier follows, in seven bits a byte.
const (
	versionMask = 0x07
	hasBase     = 0x08
)

const jsonType = "application/json"

// Limits bound what a message may become when it is decoded.
const (
	// MaxBody is the largest body that is decoded: the state of a large room.
	MaxBody = 256 << 20
	// maxRatio bounds how much larger a message becomes by inflation and references together with floor.
	maxRatio  = 1032 // deflate's own
	floorSize = 64 << 10
)

// EncodeRequest writes a request. dictionary is the newest version that the peer knows. The method is left to the
// caller where it is one of GET, POST, PUT and DELETE. table may be nil: then nothing depends on earlier messages.
func (c *Coder) EncodeRequest(req Request, table *Table, dictionary int) ([]byte, Sent) {
	return c.encode(table, dictionary, func(e *encoder) {
		extras := e.extras(req.Header, requestHeaders, len(req.Body) > 0)
		if !hasCode(req.Method) {
			extras = append(extras, "method", req.Method)
		}
		auth := req.Header.Get("Authorization")
		items := 4
		if len(extras) == 0 {
			items = trailing(auth == "", len(req.Body) == 0)
		}
		e.out = appendHead(e.out, majorArray, uint64(items))
		e.target(req.Target)
		if items > 1 {
			e.authorization(auth)
		}
		if items > 2 {
			e.body(req.Body)
		}
		if items > 3 {
			e.stringMap(extras)
		}
	})
}

// trailing counts the items of a request without extras.
func trailing(noAuth, noBody bool) int {
	switch {
	case !noBody:
		return 3
	case !noAuth:
		return 2
	}
	return 1
}

// hasCode tells whether CoAP has a code for a method.
func hasCode(method string) bool {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// EncodeResponse writes an answer. known is the status that the receiver gathers from elsewhere; another one is written
// out.
func (c *Coder) EncodeResponse(res Response, known int, table *Table, dictionary int) ([]byte, Sent) {
	return c.encode(table, dictionary, func(e *encoder) {
		extras := e.extras(res.Header, responseHeaders, len(res.Body) > 0)
		items := 1
		switch {
		case res.Status != known:
			items = 3
		case len(extras) > 0:
			items = 2
		}
		e.out = appendHead(e.out, majorArray, uint64(items))
		e.body(res.Body)
		if items > 1 {
			e.stringMap(extras)
		}
		if items > 2 {
			e.out = appendInt(e.out, int64(res.Status))
		}
	})
}

func (c *Coder) encode(table *Table, dictionary int, write func(*encoder)) ([]byte, Sent) {
	e := &encoder{names: c.names, table: table}
	if table != nil {
		table.mu.Lock()
		defer table.mu.Unlock()
		e.base = table.mine.next
	}
	write(e)
	var sent Sent
	if table != nil {
		table.sentLocked(e.base, e.defined)
		sent = Sent{table: table, base: e.base, defined: e.defined}
	}
	first, rest := byte(0), e.out
	if dictionary >= DictionaryVersion {
		if small := c.deflate(rest); small != nil {
			first, rest = DictionaryVersion, small
		}
	}
	out := make([]byte, 0, len(rest)+6)
	if !e.used {
		return append(append(out, first), rest...), sent
	}
	out = appendVarint(append(out, first|hasBase), e.base)
	return append(out, rest...), sent
}

func appendVarint(b []byte, n uint32) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// extras collects the headers that are not understood without saying so.
func (e *encoder) extras(h http.Header, carried []string, hasBody bool) []string {
	var list []string
	for _, name := range carried {
		value := h.Get(name)
		if value == "" || name == "Content-Type" && (value == jsonType || !hasBody) {
			continue
		}
		list = append(list, strings.ToLower(name), value)
	}
	return list
}

func (e *encoder) stringMap(pairs []string) {
	e.out = appendHead(e.out, majorMap, uint64(len(pairs)/2))
	for _, s := range pairs {
		e.text(s)
	}
}

func (e *encoder) target(uri string) {
	s, ok := e.names.paths.shorten(uri)
	if !ok {
		e.out = appendText(e.out, uri)
		return
	}
	if len(s.args)+len(s.query) == 0 {
		e.out = appendInt(e.out, s.code)
		return
	}
	e.out = appendHead(e.out, majorArray, uint64(1+len(s.args)+len(s.query)))
	e.out = appendInt(e.out, s.code)
	for _, a := range slices.Concat(s.args, s.query) {
		e.text(a)
	}
}

func (e *encoder) authorization(header string) {
	if header == "" {
		e.out = append(e.out, simpleNull)
		return
	}
	x, ok := parseXMatrix(header)
	if !ok {
		e.named(header, true) // an access token comes with every request
		return
	}
	e.out = appendHead(e.out, majorArray, 4)
	for _, s := range []string{x.origin, x.destination, x.key, x.sig} {
		e.text(s)
	}
}
