package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
)

// relay carries the requests of one tunnel through the proxy: one connection of the homeserver, one connection across
// the mesh. When either end closes, so does the other. The gateway gives up nothing by itself here: how long an answer
// may take is the homeserver's to decide.
type relay struct {
	g    *Gateway
	name string // of the peer
	peer int
	near *tls.Conn // to the homeserver
	far  *tls.Conn // to the peer's gateway
}

// pipelined is how many requests may be under way on a connection; homeservers send one at a time.
const pipelined = 16

// waiting is a request whose answer has not come.
type waiting struct {
	req    *http.Request
	seen   *sending
	passed chan struct{} // closed when the answer has been passed back
}

// run relays until the tunnel ends.
func (r *relay) run() {
	detach := context.AfterFunc(r.g.ctx, r.abort)
	defer detach()
	if err := r.g.shakeHands(r.near, r.name); err != nil {
		r.close()
		return
	}
	pending := make(chan waiting, pipelined)
	answered := make(chan error, 1)
	over := make(chan struct{}) // closed when no answer is passed back any more
	go func() {
		defer close(over)
		answered <- r.answers(pending)
	}()
	r.requests(pending, over)
	err := <-answered
	for w := range pending {
		w.seen.carried(claimWire(r.far))
		w.seen.failed(&Error{Stage: StageAnswer, To: r.name, Err: err})
	}
}

// close ends both connections.
func (r *relay) close() {
	r.near.Close()
	r.far.Close()
}

// abort ends both connections without a word, which could take the 5 s that crypto/tls tries to say it.
func (r *relay) abort() {
	r.near.NetConn().Close()
	r.far.NetConn().Close()
}

// requests passes on what the homeserver asks, until it or the peer closes.
func (r *relay) requests(pending chan<- waiting, over <-chan struct{}) {
	defer close(pending)
	defer r.close()
	from := newBounded(r.near)
	last := make(chan struct{}) // closed when the last request was answered
	close(last)
	for {
		req, err := from.request()
		if err != nil {
			return
		}
		if expectsGoOn(req) && !r.goOn(last, over) {
			return
		}
		w := waiting{req: req, passed: make(chan struct{})}
		if r.request(w, pending, over) != nil {
			return
		}
		last = w.passed
	}
}

// goOn has the homeserver send a body that it holds back, once nothing else is written to it. It is false where the tunnel is
// over.
func (r *relay) goOn(last, over <-chan struct{}) bool {
	select {
	case <-last:
	case <-over:
		return false
	}
	_, err := io.WriteString(r.near, goOn)
	return err == nil
}

// request passes on one request.
func (r *relay) request(w waiting, pending chan<- waiting, over <-chan struct{}) error {
	body, err := r.g.keepBody(w.req)
	if err != nil {
		return err
	}
	defer body.release()
	r.g.passes(w.req)
	if body.rest == nil {
		path, _ := r.g.cfg.Directory.Path(r.peer)
		w.seen = r.g.observeRequest(w.req, body.kept, r.name, r.peer, path)
	}
	w.seen.sent()
	select {
	case pending <- w:
	case <-over: // nobody makes room any more
		w.seen.failed(&Error{Stage: StageAnswer, To: r.name, Err: net.ErrClosed})
		return net.ErrClosed
	}
	return body.onward(w.req).Write(r.far)
}

// shakeHands ends the TLS of the homeserver, which takes the gateway for a peer.
func (g *Gateway) shakeHands(near *tls.Conn, peer string) error {
	ctx, cancel := context.WithTimeout(g.ctx, localTimeout)
	defer cancel()
	err := near.HandshakeContext(ctx)
	if err != nil {
		g.log.Warn("the homeserver does not accept the mesh's certificate", "server", g.cfg.Name, "peer", peer, "error", err)
	}
	return err
}

// onward is a request as it was read, with a body, for the next connection.
func onward(req *http.Request, body []byte) *http.Request {
	out := req.Clone(req.Context())
	out.TransferEncoding = nil
	out.ContentLength = int64(len(body))
	out.Body = http.NoBody
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	out.Header.Del("Expect") // is met here
	if _, named := out.Header["User-Agent"]; !named {
		out.Header["User-Agent"] = nil // otherwise net/http names itself
	}
	return out
}

// errUnasked is a peer that speaks before it is asked.
var errUnasked = errors.New("the peer sent an answer to no request")

// answers passes back what the peer answers, until it or the homeserver closes.
func (r *relay) answers(pending <-chan waiting) error {
	defer r.close()
	from := newBounded(r.far)
	to := bufio.NewWriterSize(r.near, connBufferBytes)
	for {
		// Waiting for the peer and not for a request, so that an idle connection that the peer closes ends here too.
		if _, err := from.Peek(1); err != nil {
			return err
		}
		select {
		case w := <-pending:
			if err := r.answer(w, from, to); err != nil {
				w.seen.failed(&Error{Stage: StageAnswer, To: r.name, Err: err})
				return err
			}
		default:
			return errUnasked
		}
	}
}

// answer passes back the answer to one request.
func (r *relay) answer(w waiting, from bounded, to *bufio.Writer) error {
	resp, err := from.answer(w.req)
	if err != nil {
		w.seen.carried(claimWire(r.far))
		return err
	}
	defer resp.Body.Close()
	w.seen.answered(resp)
	err = resp.Write(to)
	w.seen.carried(claimWire(r.far)) // before the homeserver has the end of the answer and asks again
	if err != nil {
		return err
	}
	defer close(w.passed)
	return to.Flush()
}
