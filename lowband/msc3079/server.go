package msc3079

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"meshsim/lowband"
	"meshsim/lowband/coap"
	"meshsim/lowband/records"
	"meshsim/lowband/shorthand"
)

// ServerConfig says what is served, and to whom. Records and Handler are needed.
type ServerConfig struct {
	Records records.Config // without Accept
	Handler http.Handler   // the client-server API
	Name    string         // the host of the requests that the handler sees
	Path    coap.Path      // what is known of the link; the zero Path for nothing
	MaxBody int            // bytes of a body in either direction; 0 for 8 MiB
	Tap     lowband.Tap    // nobody is told by the zero Tap
	Logger  *slog.Logger   // nil discards
}

const defaultMaxBody = 8 << 20

// Server is the side of the homeserver.
//
//	NewServer -> Serve -> Close
type Server struct {
	cfg     ServerConfig
	codec   *Codec
	paths   paths
	codings codings
	records *records.Endpoint

	mu   sync.Mutex // guards open
	open map[*conversation]struct{}
}

// NewServer makes a server. It starts nothing.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	codec, err := NewCodec()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, codec: codec, paths: newPaths(), codings: newCodings(), open: map[*conversation]struct{}{}}
	cfg.Records.Accept = s.accept
	s.records, err = records.New(cfg.Records)
	return s, err
}

// Serve carries datagrams until the server is closed; the error is then net.ErrClosed.
func (s *Server) Serve() error { return s.records.Run() }

// Close ends every request. It is idempotent.
func (s *Server) Close() error {
	err := s.records.Close()
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range open {
		c.close()
	}
	return err
}

// Stats returns what the sessions' layer has counted.
func (s *Server) Stats() records.Stats { return s.records.Stats() }

// conversation is what a session remembers of its client.
type conversation struct {
	server *Server
	coap   *coap.Association
	work   sync.WaitGroup // what tells observers

	mu      sync.Mutex // guards what follows
	token   string     // the last one that was given
	version uint32     // of the integer keys that the client knows, 0 for none
}

func (s *Server) accept(session *records.Session) records.Handler {
	c := &conversation{server: s}
	c.coap = coap.New(coap.Config{
		Send: s.cfg.Tap.Sending(session.Addr, session.Send), Handle: c.handle, Options: understood, MaxBody: s.cfg.MaxBody,
		Path: func() coap.Path { return s.cfg.Path },
	})
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	return records.Handler{Receive: s.cfg.Tap.Receiving(session.Addr, c.coap.Receive), Lost: c.close}
}

// close ends the conversation and waits for what it does. Whoever closes the server waits, too, where a lost session has
// begun to.
func (c *conversation) close() {
	c.coap.Close()
	c.work.Wait() // begun by handlers alone, which are over
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	delete(c.server.open, c)
}

// accepted is the content format that a client wants; it is not ok if there is none like that here.
func (s *Server) accepted(list message.Options) (format uint16, ok bool) {
	n, given := uintOf(list, message.Accept)
	if !given || n > math.MaxUint16 {
		return formatCBOR, !given
	}
	return uint16(n), n == formatCBOR || s.codings[uint16(n)] != nil
}

// handle answers a client's request with what the http.Handler says.
func (c *conversation) handle(ctx context.Context, in coap.Request) coap.Response {
	if _, ok := c.server.accepted(in.Options); !ok {
		return coap.Response{Code: codes.NotAcceptable} // RFC 7252, section 5.10.4
	}
	req, err := c.request(ctx, in)
	if err != nil {
		return coap.Response{Code: codes.BadRequest, Payload: []byte(err.Error()), Options: message.Options{uintOption(message.ContentFormat, formatText)}}
	}
	if in.Observer != nil && req.Method == http.MethodGet && isSync(req.URL.Path) {
		return c.observe(req, in)
	}
	return c.response(req.Method, c.answer(req), in.Options)
}

func (c *conversation) answer(req *http.Request) shorthand.Response {
	s := c.server
	res := lowband.Answer(s.cfg.Handler, req, s.cfg.MaxBody, s.cfg.Logger)
	line := fmt.Sprintf("HTTP/1.1 %d %s", res.Status, http.StatusText(res.Status))
	s.cfg.Tap.Note(true, "HTTP answer", lowband.HTTPSize(line, res.Header, len(res.Body)), func() string { return line + " " + string(res.Body) })
	return res
}

// request makes an HTTP request of a client's.
func (c *conversation) request(ctx context.Context, in coap.Request) (*http.Request, error) {
	s := c.server
	uri, err := s.paths.uri(in.Options)
	if err != nil {
		return nil, err
	}
	target, err := url.ParseRequestURI(uri)
	if err != nil {
		return nil, err
	}
	method := methodOf(in.Method)
	if method == "" {
		method = "CoAP-" + in.Method.String() // the handler refuses it
	}
	body, kind, err := c.body(in)
	if err != nil {
		return nil, err
	}
	req := &http.Request{
		Method: method, URL: target, RequestURI: uri, Host: s.cfg.Name, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, ContentLength: int64(len(body)),
	}
	if body != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.Header.Set("Content-Type", kind)
	}
	if token := c.remember(in.Options); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	line := method + " " + uri
	s.cfg.Tap.Note(false, "HTTP request", lowband.HTTPSize(line+" HTTP/1.1", req.Header, len(body)), func() string { return line + " " + string(body) })
	return req.WithContext(ctx), nil
}

// body turns CBOR into JSON; it is CBOR unless the client says otherwise.
func (c *conversation) body(in coap.Request) (body []byte, kind string, err error) {
	if len(in.Payload) == 0 {
		return nil, "", nil
	}
	format, given := uintOf(in.Options, message.ContentFormat)
	switch {
	case !given || format == formatCBOR:
		c.server.cfg.Tap.Note(false, "CBOR request", len(in.Payload), func() string { return shorthand.Diagnose(in.Payload) })
		text, numbered, err := c.server.codec.ToJSON(in.Payload)
		if numbered {
			c.mu.Lock()
			c.version = max(c.version, Version)
			c.mu.Unlock()
		}
		return text, "application/json", err
	case format == formatJSON:
		return in.Payload, "application/json", nil
	case format == formatText:
		return in.Payload, "text/plain", nil
	}
	return in.Payload, "application/octet-stream", nil
}

// remember notes what stays for the session, and returns the token in force.
func (c *conversation) remember(list message.Options) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token, ok := find(list, optionToken); ok {
		c.token = bearer(string(token))
	}
	if version, ok := uintOf(list, optionVersion); ok {
		c.version = version
	}
	return c.token
}

// response makes a CoAP answer of the handler's; asked are the options of the request.
func (c *conversation) response(method string, res shorthand.Response, asked message.Options) coap.Response {
	out := coap.Response{Code: answerCode(method, res.Status)}
	if len(res.Body) == 0 {
		return out
	}
	c.mu.Lock()
	numbered := c.version >= Version
	c.mu.Unlock()
	format := uint16(formatCBOR)
	item, err := c.server.codec.FromJSON(res.Body, numbered)
	if err != nil {
		item, format = res.Body, formatBytes
	}
	if err == nil {
		c.server.cfg.Tap.Note(true, "CBOR answer", len(item), func() string { return shorthand.Diagnose(item) })
	}
	accepted, _ := c.server.accepted(asked)
	if coding := c.server.codings[accepted]; coding != nil && err == nil {
		if smaller, ok := coding.deflate(item); ok {
			item, format = smaller, accepted
			c.server.cfg.Tap.Note(true, "deflated answer", len(item), nil)
		}
	}
	out.Payload = item
	out.Options = message.Options{uintOption(message.ContentFormat, format)}
	return out
}

// Advertise adds what MSC3079 wants in the answer of /_matrix/client/versions, so that clients find the CoAP port.
func Advertise(h http.Handler, port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != clientPrefix+"/versions" || req.Method != http.MethodGet {
			h.ServeHTTP(w, req)
			return
		}
		res := lowband.Answer(h, req, defaultMaxBody, slog.New(slog.DiscardHandler))
		var body map[string]json.RawMessage
		if res.Status == http.StatusOK && json.Unmarshal(res.Body, &body) == nil && body != nil {
			body["org.matrix.msc3079.low_bandwidth"], _ = json.Marshal(map[string]int{
				"dtls": port, "cbor_enum_version": Version, "coap_enum_version": Version,
			})
			res.Body, _ = json.Marshal(body)
			res.Header.Del("Content-Length")
		}
		for name, values := range res.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(res.Status)
		_, _ = w.Write(res.Body) // fails when the client has gone
	})
}
