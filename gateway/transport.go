package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"meshsim/telemetry"
)

// Idle connections cost memory (75 KB for both ends), opening them again costs two round trips. A few minutes
// bridge the pauses of a conversation; Connections bounds the sum.
const (
	idleTimeout     = 3 * time.Minute
	maxIdle         = 1024 // in all: enough for a room of as many servers; the longest idle one is closed first
	maxIdlePerPeer  = 2
	sessionsKept    = 128
	connBufferBytes = 4 << 10
)

func (g *Gateway) newTransport() *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return g.connect(ctx, address, g.peerTLS)
		},
		DisableCompression:  true,
		MaxIdleConns:        maxIdle,
		MaxIdleConnsPerHost: maxIdlePerPeer,
		IdleConnTimeout:     idleTimeout,
		ReadBufferSize:      connBufferBytes,
		WriteBufferSize:     connBufferBytes,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 alone
	}
}

// RoundTrip implements http.RoundTripper. The host of the request's URL is a Matrix server name. Errors are *Error.
func (g *Gateway) RoundTrip(req *http.Request) (*http.Response, error) {
	name := strings.TrimSuffix(req.URL.Host, fmt.Sprintf(":%d", Port))
	body, err := readBody(req)
	if err != nil {
		return nil, err
	}
	peer, ok := g.cfg.Directory.Lookup(name)
	if !ok {
		return nil, &Error{Stage: StageName, To: name}
	}
	g.passes(req)
	path, ok := g.cfg.Directory.Path(peer.ID)
	seen := g.observeRequest(req, body, name, peer.ID, path)
	if !ok {
		err := &Error{Stage: StagePath, To: name}
		seen.failed(err)
		return nil, err
	}
	exchange := g.exchange
	if seen.by(g.transportTo(name, path)) == telemetry.Lowband {
		exchange = g.exchangeLowband
		leave, err := g.turn(req, path, len(body))
		if err != nil {
			err = &Error{Stage: StageAnswer, To: name, Err: err}
			seen.failed(err)
			return nil, err
		}
		defer leave()
	} else {
		g.cfg.Connections.used(g)
	}
	seen.sent()
	resp, err := exchange(req, body, name, path, seen)
	if err != nil {
		seen.failed(err)
		return nil, err
	}
	seen.answered(resp)
	return resp, nil
}

// exchange sends a request and returns its answer, both within the time that the path allows. What it took on the wire is
// reported when the answer was read.
func (g *Gateway) exchange(req *http.Request, body []byte, name string, path Path, seen *sending) (*http.Response, error) {
	limit := g.newDeadline(req.Context(), path, int64(len(body)))
	limit.allow(path.answerTimeout(limit.bytes))
	var used carriers
	out := outgoing(httptrace.WithClientTrace(limit.ctx, used.trace()), req, body, name)
	resp, err := g.transport.RoundTrip(out)
	if err != nil {
		limit.stop()
		seen.carried(used.claim())
		return nil, explain(name, limit.cause(err))
	}
	limit.allow(path.progressTimeout())
	over := sync.OnceFunc(func() { seen.carried(used.claim()) })
	resp.Body = &answerBody{ReadCloser: resp.Body, limit: limit, to: name, over: over}
	resp.Request = req
	return resp, nil
}

// outgoing is req as it is sent: to the gateway of name, with a body that can be sent again on another connection
// when an idle one turns out to be closed.
func outgoing(ctx context.Context, req *http.Request, body []byte, name string) *http.Request {
	out := req.Clone(ctx)
	out.URL = &url.URL{}
	*out.URL = *req.URL
	out.URL.Scheme = "https"
	out.URL.Host = fmt.Sprintf("%s:%d", name, Port)
	if out.Host == "" {
		out.Host = req.URL.Host
	}
	if body == nil {
		out.Body, out.GetBody = nil, nil
		return out
	}
	out.ContentLength = int64(len(body))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	out.Body, _ = out.GetBody()
	return out
}

// readBody takes a request's body whole: requests between homeservers are small, and what they carry is looked at.
func readBody(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	defer req.Body.Close()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("gateway: read the body of the request: %w", err)
	}
	return body, nil
}

// connect opens a TLS connection to the gateway at address, name:port.
func (g *Gateway) connect(ctx context.Context, address string, config *tls.Config) (*tls.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	raw, limit, err := g.dial(ctx, name)
	if err != nil {
		return nil, err
	}
	defer limit.stop()
	config = config.Clone()
	config.ServerName = name
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(limit.ctx); err != nil {
		raw.Close()
		return nil, &Error{Stage: StageTLS, To: name, Err: limit.cause(err)}
	}
	return conn, nil
}

// dial opens a TCP connection to the gateway of a server. What is left of the time that the path allows for setting up
// is the caller's to stop.
func (g *Gateway) dial(ctx context.Context, name string) (net.Conn, *deadline, error) {
	peer, ok := g.cfg.Directory.Lookup(name)
	if !ok {
		return nil, nil, &Error{Stage: StageName, To: name}
	}
	path, ok := g.cfg.Directory.Path(peer.ID)
	if !ok {
		return nil, nil, &Error{Stage: StagePath, To: name}
	}
	limit := g.newDeadline(ctx, path, setupBytes)
	limit.allow(path.setupTimeout())
	raw, err := g.cfg.Dial(limit.ctx, netip.AddrPortFrom(peer.Addr, Port))
	if err != nil {
		defer limit.stop()
		return nil, nil, &Error{Stage: StageConnect, To: name, Err: limit.cause(err)}
	}
	return g.cfg.Connections.opened(raw), limit, nil
}

// explain wraps what went wrong while answering; errors from connect have their stage already.
func explain(name string, err error) error {
	var staged *Error
	if errors.As(err, &staged) {
		return staged
	}
	return &Error{Stage: StageAnswer, To: name, Err: err}
}

// answerBody is the body of an answer: every piece of it must come within the time that the path allows.
type answerBody struct {
	io.ReadCloser
	limit *deadline
	to    string
	over  func() // may be called several times
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.limit.allow(b.limit.path.progressTimeout())
	}
	if err == nil {
		return n, nil
	}
	b.limit.stop()
	b.over()
	if err == io.EOF {
		return n, io.EOF
	}
	return n, explain(b.to, b.limit.cause(err))
}

func (b *answerBody) Close() error {
	b.limit.stop()
	b.over()
	return b.ReadCloser.Close()
}

// deadline is a context that ends with a *TimeoutError when nothing moved it forward in time, and with ErrClosed when
// the gateway is closed.
type deadline struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	detach func() bool // from the gateway's end
	path   Path
	bytes  int64

	mu    sync.Mutex // guards timer: a body may be closed while it is read
	timer *time.Timer
}

func (g *Gateway) newDeadline(parent context.Context, path Path, bytes int64) *deadline {
	d := &deadline{path: path, bytes: bytes}
	d.ctx, d.cancel = context.WithCancelCause(parent)
	d.detach = context.AfterFunc(g.ctx, func() { d.cancel(ErrClosed) })
	return d
}

// allow gives the exchange d from now, unless the context has ended.
func (l *deadline) allow(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(d, func() {
		l.cancel(&TimeoutError{After: d, Path: l.path, Bytes: l.bytes})
	})
}

// stop releases the context.
func (l *deadline) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.detach()
	l.cancel(nil)
	if l.timer != nil {
		l.timer.Stop()
	}
}

// cause returns the *TimeoutError or ErrClosed that led to err, or err.
func (l *deadline) cause(err error) error {
	cause := context.Cause(l.ctx)
	var timeout *TimeoutError
	if errors.As(cause, &timeout) || errors.Is(cause, ErrClosed) {
		return cause
	}
	return err
}
