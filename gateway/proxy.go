package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"meshsim/telemetry"
)

// ServeProxy is an HTTPS proxy for a homeserver that the gateway does not share a process with: it answers CONNECT on
// the connections of ln, ends the TLS inside with the peer's name, and passes the requests on over a connection to the
// peer's gateway that belongs to this one alone (relay.go), or one by one over the low-bandwidth transport (courier.go). CONNECT is answered once that connection stands, so that
// failures look to the homeserver as they would without a proxy. Port 443, where homeservers look for a .well-known
// first, is answered here (wellknown.go). With Config.PassThrough the TLS is not ended and nothing inside is looked
// at. Connections that do not come about are told to telemetry, as transactions without events.
//
// It returns when ln fails or the gateway is closed; the error is then http.ErrServerClosed.
func (g *Gateway) ServeProxy(ln net.Listener) error {
	srv := &http.Server{
		Handler:           http.HandlerFunc(g.proxy),
		ReadHeaderTimeout: localTimeout,
		IdleTimeout:       localTimeout,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	if !g.register(srv) {
		ln.Close()
		return http.ErrServerClosed
	}
	return srv.Serve(ln)
}

// tunnel counts what Close waits for, unless it was called already.
func (g *Gateway) tunnel() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.relays.Add(1)
	}
	return !g.closed
}

// proxy answers one request to the proxy.
func (g *Gateway) proxy(w http.ResponseWriter, req *http.Request) {
	if g.cfg.Log != nil && req.Method == http.MethodGet && req.URL.Host == "" && req.URL.Path == "/log" {
		g.told(w, req)
		return
	}
	if req.Method != http.MethodConnect {
		w.Header().Set("Allow", http.MethodConnect)
		http.Error(w, "this proxy of the mesh only answers CONNECT", http.StatusMethodNotAllowed)
		return
	}
	if !g.tunnel() {
		refuse(w, req, ErrClosed.Error(), http.StatusBadGateway)
		return
	}
	defer g.relays.Done()
	name, port, err := net.SplitHostPort(req.Host)
	web := port == strconv.Itoa(webPort)
	if err != nil || !web && port != strconv.Itoa(Port) {
		refuse(w, req, fmt.Sprintf("servers of this mesh are reached at port %d, and %q is not", Port, req.Host), http.StatusForbidden)
		return
	}
	peer, ok := g.cfg.Directory.Lookup(name)
	if !ok {
		refuse(w, req, (&Error{Stage: StageName, To: name}).Error(), http.StatusBadGateway)
		return
	}
	if web {
		if near, err := accept(w); err == nil {
			g.serveWeb(near, name)
		}
		return
	}
	g.cfg.Connections.used(g)
	open := g.openerTo(name, peer)
	far, carry, err := open(req.Context(), name, peer)
	if err != nil {
		g.notConnected(peer, err)
		refuse(w, req, err.Error(), proxyStatus(err))
		return
	}
	near, err := accept(w)
	if err != nil {
		if far != nil {
			far.Close()
		}
		g.log.Debug("a homeserver left before its proxy answered", "server", g.cfg.Name, "peer", name, "error", err)
		return
	}
	carry(near)
}

// told passes on what the homeserver tells of itself. Of others it may not: what runs here need not be trusted.
func (g *Gateway) told(w http.ResponseWriter, req *http.Request) {
	own := fmt.Sprint("synapse", g.cfg.ID) // whatever its real name (CONTRACTS.md)
	if server := req.URL.Query().Get("server"); server != own {
		const most = 80
		http.Error(w, fmt.Sprintf("server is %q: here %s tells of itself alone", server[:min(most, len(server))], own), http.StatusForbidden)
		return
	}
	g.cfg.Log.ServeHTTP(w, req)
}

// refuse answers CONNECT with why there is no tunnel. HTTP/1.0 is Twisted, the library below Synapse, which takes any
// status but 200 for a fault of its own and logs a traceback as critical. The end of the connection it takes as a peer that
// cannot be reached, which is what it is.
func refuse(w http.ResponseWriter, req *http.Request, why string, status int) {
	if !req.ProtoAtLeast(1, 1) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
			return
		}
	}
	http.Error(w, why, status)
}

// openerTo chooses what a tunnel to a peer is. A connection to the peer, where the tunnel is one, is returned with it.
func (g *Gateway) openerTo(name string, peer Peer) func(context.Context, string, Peer) (net.Conn, carrier, error) {
	if g.cfg.PassThrough {
		return g.openTunnel
	}
	path, _ := g.cfg.Directory.Path(peer.ID)
	if g.transportTo(name, path) == telemetry.Lowband {
		return g.openCourier
	}
	return g.openRelay
}

// carrier carries what passes between the homeserver and a peer that is connected, until either closes.
type carrier func(near net.Conn)

// openRelay connects to a peer's gateway; TLS is ended at both ends.
func (g *Gateway) openRelay(ctx context.Context, name string, peer Peer) (net.Conn, carrier, error) {
	far, err := g.connect(ctx, net.JoinHostPort(name, strconv.Itoa(Port)), g.peerTLS)
	if err != nil {
		return nil, nil, err
	}
	return far, func(near net.Conn) {
		r := &relay{g: g, name: name, peer: peer.ID, near: tls.Server(near, g.cfg.CA.serverTLS(name)), far: far}
		r.run()
	}, nil
}

// openTunnel connects to a peer and leaves TLS to the homeserver.
func (g *Gateway) openTunnel(ctx context.Context, name string, _ Peer) (net.Conn, carrier, error) {
	far, limit, err := g.dial(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	limit.stop()
	return far, func(near net.Conn) { g.tunnelled(near, far) }, nil
}

// tunnelled passes bytes both ways until both have ended, or the gateway is closed.
func (g *Gateway) tunnelled(near, far net.Conn) {
	abort := func() {
		near.Close()
		far.Close()
	}
	detach := context.AfterFunc(g.ctx, abort)
	defer detach()
	defer abort()
	var there sync.WaitGroup
	there.Go(func() { pass(far, near) })
	pass(near, far)
	there.Wait()
}

// pass copies what comes from one connection to another, and its end.
func pass(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	if closeWrite(to) != nil {
		to.Close()
	}
}

// closeWrite ends what is written to a connection, where it can be ended by itself.
func closeWrite(conn net.Conn) error {
	c, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return c.CloseWrite()
}

// notConnected tells telemetry of a connection that did not come about.
func (g *Gateway) notConnected(peer Peer, err error) {
	path, _ := g.cfg.Directory.Path(peer.ID)
	g.cfg.Publisher.Publish(telemetry.Failed{
		At: time.Now(), From: g.cfg.ID, To: peer.ID, Routes: path.Routes, Attempt: 1, Reason: err.Error(),
	})
}

// proxyStatus is the status that says to a homeserver what went wrong (RFC 9110, 15.6).
func proxyStatus(err error) int {
	var timeout *TimeoutError
	if errors.As(err, &timeout) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// accept answers CONNECT and returns the connection, which is now the tunnel's.
func accept(w http.ResponseWriter) (net.Conn, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if _, err := buffered.WriteString("HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	if err := buffered.Flush(); err != nil {
		conn.Close()
		return nil, err
	}
	return &hijacked{Conn: conn, read: buffered.Reader}, nil
}

// hijacked is a connection of which something may have been read already.
type hijacked struct {
	net.Conn
	read *bufio.Reader
}

// Read implements net.Conn.
func (c *hijacked) Read(p []byte) (int, error) { return c.read.Read(p) }

// CloseWrite ends what is written and goes on reading.
func (c *hijacked) CloseWrite() error { return closeWrite(c.Conn) }
