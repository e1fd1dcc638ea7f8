package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
)

// courier carries the requests of one tunnel through the proxy where they do not take HTTPS: each goes its own way, as
// those of a homeserver in this process do, so that the transport can change between two of them. A request that fails
// ends the tunnel, which is what the homeserver would see without a proxy.
type courier struct {
	g    *Gateway
	name string // of the peer
	near *tls.Conn
}

// openCourier needs no connection: nothing is sent before there is a request.
func (g *Gateway) openCourier(_ context.Context, name string, _ Peer) (net.Conn, carrier, error) {
	return nil, func(near net.Conn) {
		c := &courier{g: g, name: name, near: tls.Server(near, g.cfg.CA.serverTLS(name))}
		c.run()
	}, nil
}

// run carries until the homeserver ends the tunnel, a request fails or the gateway is closed.
func (c *courier) run() {
	abort := func() { c.near.NetConn().Close() }
	detach := context.AfterFunc(c.g.ctx, abort)
	defer detach()
	defer c.near.Close()
	if c.g.shakeHands(c.near, c.name) != nil {
		return
	}
	from := newBounded(c.near)
	for c.carry(from) == nil {
	}
}

// carry passes on one request and its answer. A homeserver that gives up closes the tunnel, and then the request ends.
func (c *courier) carry(from bounded) error {
	req, err := from.request()
	if err != nil {
		return err
	}
	if expectsGoOn(req) {
		if _, err := io.WriteString(c.near, goOn); err != nil {
			return err
		}
	}
	body, err := c.g.budget.keep(req.Body, maxObserved)
	if err != nil {
		return err
	}
	defer body.release()
	if body.rest != nil { // what is not looked at cannot be translated
		_, _ = io.WriteString(c.near, tooLong) // the tunnel ends anyway
		return errTooLong
	}
	ctx, cancel := context.WithCancel(c.g.ctx)
	defer cancel()
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		if _, err := from.Peek(1); err != nil {
			cancel()
		}
	}()
	if err := c.exchange(ctx, req, body.kept); err != nil {
		c.near.NetConn().Close() // ends the look
		<-looked
		return err
	}
	<-looked
	return nil
}

// tooLong is the answer to a request of which the gateway cannot keep so much.
const tooLong = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

var errTooLong = errors.New("the request is too long for the low-bandwidth transport")

func (c *courier) exchange(ctx context.Context, req *http.Request, body []byte) error {
	out := onward(req, body).WithContext(ctx)
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "https", c.name
	resp, err := c.g.RoundTrip(out)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	to := bufio.NewWriterSize(c.near, connBufferBytes)
	if err := resp.Write(to); err != nil {
		return err
	}
	return to.Flush()
}
