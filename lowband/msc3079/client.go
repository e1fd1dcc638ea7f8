package msc3079

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"meshsim/lowband"
	"meshsim/lowband/coap"
	"meshsim/lowband/records"
	"meshsim/lowband/shorthand"
)

// ClientConfig says where the server is. Records and Server are needed.
type ClientConfig struct {
	Records records.Config // without Accept
	Server  net.Addr
	// Open opens a socket for one more session: both ends take a second one between the same two addresses for the first
	// one anew. With nil all sessions are on Records.Conn, and a session with another access token ends the one before.
	Open    func() (net.PacketConn, error)
	Path    coap.Path
	MaxBody int // bytes of a body in either direction; 0 for 8 MiB
	// Heartbeat is how often a silent server is asked whether it is still there while a sync waits; 0 for a minute.
	Heartbeat time.Duration
	Tap       lowband.Tap
}

// Client is an http.RoundTripper for the client-server API. Long polls of /sync become observations; they cost nothing
// while nothing happens, but for the heartbeat. It is safe for concurrent use.
//
//	NewClient -> (Serve, RoundTrip) -> Close
type Client struct {
	cfg     ClientConfig
	codec   *Codec
	paths   paths
	codings codings
	records *records.Endpoint
	ctx     context.Context // ended by Close
	end     context.CancelFunc
	work    sync.WaitGroup

	mu        sync.Mutex // guards what follows
	closed    bool
	links     []*link
	home      *link // the one on Records.Conn; nil for none
	followers map[string]*follower
}

// maxLinks bounds the sessions, of which each access token has one.
const maxLinks = 64

// link is a session with the server. An access token is remembered by the session, so each has its own.
type link struct {
	client  *Client
	ready   chan struct{} // closed once the handshake is over
	err     error         // of the handshake
	session *records.Session
	coap    *coap.Association
	apart   bool              // whether it has a socket of its own
	own     *records.Endpoint // which that is on, once it is open

	// Guarded by the client's lock.
	token string // whose session it is; "" while nobody has claimed it
	told  string // the token that the server has
	known bool   // whether the server has the version of the keys, or does not want to know it
	// refused is how many of the preferred formats the server does not know.
	refused int
	polls   bool          // whether the server takes no observers
	pause   time.Duration // before it is asked again for news; it grows while it does not wait for them
	used    time.Time
}

// preferred are the formats in which answers are asked for, the shortest first.
var preferred = []uint16{formatDictionary1, formatDeflated}

// NewClient makes a client. It starts nothing.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = time.Minute
	}
	codec, err := NewCodec()
	if err != nil {
		return nil, err
	}
	endpoint, err := records.New(cfg.Records)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, codec: codec, paths: newPaths(), codings: newCodings(), records: endpoint, followers: map[string]*follower{}}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Serve carries datagrams until the client is closed; the error is then net.ErrClosed.
func (c *Client) Serve() error { return c.records.Run() }

// Close ends every request, and waits for what goes on beside them. It is idempotent.
func (c *Client) Close() error {
	c.end()
	err := c.records.Close()
	c.mu.Lock()
	c.closed = true
	links := c.links
	c.links = nil
	c.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	c.work.Wait()
	return err
}

// spawn runs a function beside the requests, unless the client is closed.
func (c *Client) spawn(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spawnLocked(f)
}

func (c *Client) spawnLocked(f func()) {
	if !c.closed {
		c.work.Go(f)
	}
}

// RoundTrip implements http.RoundTripper. What may be repeated is sent again in a new session when the session is lost.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	ask, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	polls := observable(req, ask.target.Query())
	for {
		res, err := c.send(req.Context(), ask, polls)
		switch {
		case err == nil:
			return answer(req, res), nil
		case c.ctx.Err() != nil || req.Context().Err() != nil:
			return nil, err
		case !errors.Is(err, coap.ErrClosed) || req.Method == http.MethodPost:
			return nil, err
		}
	}
}

// send sends a request in the session of its token. The error is coap.ErrClosed if the session is lost.
func (c *Client) send(ctx context.Context, a ask, polls bool) (shorthand.Response, error) {
	if polls {
		return c.follow(ctx, a, a.target.Query())
	}
	l, err := c.link(ctx, a.token)
	if err != nil {
		return shorthand.Response{}, err
	}
	return l.do(ctx, a)
}

// ask is a request on its way to become CoAP.
type ask struct {
	method  string
	target  *url.URL
	token   string
	payload []byte
	format  uint16
}

// ask takes a request apart. A token in the query goes where all tokens go.
func (c *Client) ask(req *http.Request) (ask, error) {
	u := *req.URL
	a := ask{method: req.Method, target: &u, token: bearer(req.Header.Get("Authorization"))}
	if query := u.Query(); query.Has("access_token") {
		a.token = query.Get("access_token")
		query.Del("access_token")
		u.RawQuery = query.Encode()
	}
	if query := u.Query(); isSync(u.Path) && query.Get("timeout") == "0" {
		query.Del("timeout") // it is the default (client-server specification, GET /sync)
		u.RawQuery = query.Encode()
	}
	if _, ok := methodCodes[req.Method]; !ok {
		return a, fmt.Errorf("msc3079: CoAP has no method %s", req.Method)
	}
	line := req.Method + " " + req.URL.RequestURI()
	if req.Body == nil || req.Body == http.NoBody {
		c.cfg.Tap.Note(true, "HTTP request", lowband.HTTPSize(line+" HTTP/1.1", req.Header, 0), func() string { return line })
		return a, nil
	}
	defer req.Body.Close()
	body, err := io.ReadAll(io.LimitReader(req.Body, int64(c.cfg.MaxBody)+1))
	if err != nil {
		return a, fmt.Errorf("msc3079: read the body of the request: %w", err)
	}
	if len(body) > c.cfg.MaxBody {
		return a, &shorthand.SizeError{Limit: c.cfg.MaxBody}
	}
	c.cfg.Tap.Note(true, "HTTP request", lowband.HTTPSize(line+" HTTP/1.1", req.Header, len(body)), func() string { return line + " " + string(body) })
	if len(body) == 0 {
		return a, nil
	}
	a.format = formatCBOR
	if a.payload, err = c.codec.FromJSON(body, true); err != nil {
		a.payload, a.format = body, formatBytes
		return a, nil
	}
	c.cfg.Tap.Note(true, "CBOR request", len(a.payload), func() string { return shorthand.Diagnose(a.payload) })
	return a, nil
}

// link finds or makes the session of a token. Whoever has no token gets one that nobody has claimed: the server would
// carry out the request as the user whose token the session remembers.
func (c *Client) link(ctx context.Context, token string) (*link, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, coap.ErrClosed
	}
	l := c.linkLocked(token)
	if l == nil {
		l = &link{client: c, ready: make(chan struct{}), token: token, apart: c.home != nil && c.cfg.Open != nil}
		c.links = append(c.links, l)
		if !l.apart {
			c.home = l
		}
		c.spawnLocked(l.dial)
	}
	l.used = time.Now()
	if surplus := c.surplusLocked(); surplus != nil {
		c.spawnLocked(surplus.lost) // its handshake may be under way
	}
	c.mu.Unlock()
	select {
	case <-l.ready:
		return l, l.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *Client) linkLocked(token string) *link {
	for _, l := range c.links {
		if l.token == token {
			return l
		}
	}
	for _, l := range c.links {
		if l.token == "" {
			l.token = token
			return l
		}
	}
	return nil
}

// surplusLocked takes the session out that was not used for the longest time, where there are too many.
func (c *Client) surplusLocked() *link {
	if len(c.links) <= maxLinks {
		return nil
	}
	oldest := c.links[0]
	for _, l := range c.links {
		if l.used.Before(oldest.used) {
			oldest = l
		}
	}
	return oldest
}

func (l *link) dial() {
	defer close(l.ready)
	if l.err = l.connect(); l.err != nil {
		l.client.forget(l)
		if l.own != nil {
			l.own.Close()
		}
	}
}

// endpoint is where the link's session is: the client's, or one of its own that runs.
func (l *link) endpoint() (*records.Endpoint, error) {
	c := l.client
	if !l.apart {
		return c.records, nil
	}
	cfg := c.cfg.Records
	var err error
	if cfg.Conn, err = c.cfg.Open(); err != nil {
		return nil, fmt.Errorf("msc3079: open a socket for one more session: %w", err)
	}
	if l.own, err = records.New(cfg); err != nil {
		return nil, errors.Join(err, cfg.Conn.Close())
	}
	c.spawn(func() { _ = l.own.Run() }) // until it is closed with the link
	return l.own, nil
}

func (l *link) connect() error {
	c := l.client
	endpoint, err := l.endpoint()
	if err != nil {
		return err
	}
	l.session, err = endpoint.Dial(c.ctx, c.cfg.Server, func(s *records.Session) records.Handler {
		l.session = s
		l.coap = coap.New(coap.Config{
			Send: c.cfg.Tap.Sending(s.Addr, s.Send), Path: func() coap.Path { return c.cfg.Path }, Options: understood, MaxBody: c.cfg.MaxBody,
			Handle: func(context.Context, coap.Request) coap.Response {
				return coap.Response{Code: coap.StatusCode(http.StatusNotFound)}
			},
			Silent: func(since time.Time) {
				if s.Heard().Before(since) {
					c.spawn(l.lost)
				}
			},
		})
		return records.Handler{Receive: c.cfg.Tap.Receiving(s.Addr, l.coap.Receive), Lost: func() { c.spawn(l.lost) }}
	})
	return err
}

func (c *Client) forget(gone *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.home == gone {
		c.home = nil
	}
	for i, l := range c.links {
		if l == gone {
			c.links = append(c.links[:i:i], c.links[i+1:]...)
			return
		}
	}
}

// lost ends a session that does not answer; the next request makes another one.
func (l *link) lost() {
	l.client.forget(l)
	<-l.ready
	l.close()
}

func (l *link) close() {
	<-l.ready
	if l.err == nil {
		l.coap.Close()
		l.session.Close()
	}
	if l.own != nil {
		l.own.Close()
	}
}

// options are those of a request, with what the server does not have yet.
func (l *link) options(a ask) (message.Options, error) {
	list, err := l.client.paths.targetOptions(a.target)
	if err != nil {
		return nil, err
	}
	if len(a.payload) > 0 {
		list = append(list, uintOption(message.ContentFormat, a.format))
	}
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if a.method == http.MethodGet && l.refused < len(preferred) {
		list = append(list, uintOption(message.Accept, preferred[l.refused]))
	}
	if a.token != "" && l.told != a.token {
		list = append(list, message.Option{ID: optionToken, Value: []byte(a.token)})
	}
	if !l.known && len(a.payload) == 0 {
		list = append(list, uintOption(optionVersion, Version))
	}
	return list, nil
}

// has notes that the server has got a request of this session.
func (l *link) has(a ask) {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	// Integer keys in a body say that their version is 1 (MSC3079, "Versioning").
	l.known = l.known || len(a.payload) == 0 || l.client.codec.numbered(a.payload)
	if a.token != "" {
		l.told = a.token
	}
}

func (l *link) do(ctx context.Context, a ask) (shorthand.Response, error) {
	list, err := l.options(a)
	if err != nil {
		return shorthand.Response{}, err
	}
	res, err := l.coap.Do(ctx, coap.Request{Method: methodCodes[a.method], Payload: a.payload, Options: list})
	if err != nil {
		return shorthand.Response{}, err
	}
	if l.adapts(res.Code, a, list) {
		return l.do(ctx, a)
	}
	l.has(a)
	return l.client.response(res)
}

// adapts tells whether the request is worth another try, in which less is expected of the server: that it remembers the
// token, or knows our options and formats. sent are the options of the one that it has refused.
func (l *link) adapts(code codes.Code, a ask, sent message.Options) bool {
	switch code {
	case codes.Unauthorized:
		return l.repeatToken(a, sent)
	case codes.NotAcceptable:
		return l.acceptOther(sent)
	case codes.BadOption:
		return l.withhold() || l.acceptOther(sent)
	}
	return false
}

// acceptOther asks for the next one of the preferred formats from now on, or for none. It is false if this request did not
// ask for any.
func (l *link) acceptOther(sent message.Options) bool {
	format, asked := uintOf(sent, message.Accept)
	if !asked {
		return false
	}
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if l.refused < len(preferred) && uint32(preferred[l.refused]) == format {
		l.refused++ // unless another request has learnt it meanwhile
	}
	return true
}

// repeatToken tells the token again to a server that has forgotten it. It is false if this request has brought it.
func (l *link) repeatToken(a ask, sent message.Options) bool {
	if _, brought := find(sent, optionToken); brought || a.token == "" {
		return false
	}
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	l.told = ""
	return true
}

// withhold no longer tells the version to a server that does not know option 257. It is false if it was not told before.
func (l *link) withhold() bool {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	told := !l.known
	l.known = true
	return told
}

// coding is the one of a content format; nil for none.
func (c *Client) coding(format uint32) *coding {
	if format > math.MaxUint16 {
		return nil
	}
	return c.codings[uint16(format)]
}

// response makes an HTTP answer of the server's.
func (c *Client) response(res coap.Response) (shorthand.Response, error) {
	out := shorthand.Response{Status: answerStatus(res.Code), Header: http.Header{}, Body: res.Payload}
	if len(res.Payload) == 0 {
		return out, nil
	}
	format, given := uintOf(res.Options, message.ContentFormat)
	switch {
	case given && (format == formatCBOR || c.coding(format) != nil):
		item, err := res.Payload, error(nil)
		if coding := c.coding(format); coding != nil {
			c.cfg.Tap.Note(false, "deflated answer", len(item), nil)
			if item, err = coding.inflate(item, c.cfg.MaxBody); err != nil {
				return out, err
			}
		}
		c.cfg.Tap.Note(false, "CBOR answer", len(item), func() string { return shorthand.Diagnose(item) })
		text, _, err := c.codec.ToJSON(item)
		if err != nil {
			return out, err
		}
		c.cfg.Tap.Note(false, "HTTP answer", len(text), func() string { return string(text) })
		out.Body = text
		out.Header.Set("Content-Type", "application/json")
	case given && format == formatJSON:
		out.Header.Set("Content-Type", "application/json")
	case given && format == formatBytes:
		out.Header.Set("Content-Type", "application/octet-stream")
	default: // a diagnostic text (RFC 7252, section 5.5.2)
		out.Header.Set("Content-Type", "application/json")
		out.Body = []byte(`{"errcode":"M_UNKNOWN","error":` + strconv.QuoteToASCII(string(res.Payload)) + `}`)
	}
	return out, nil
}

func answer(req *http.Request, res shorthand.Response) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", res.Status, http.StatusText(res.Status)), StatusCode: res.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(res.Body)), ContentLength: int64(len(res.Body)), Request: req,
	}
}
