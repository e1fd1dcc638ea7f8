package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
)

// ServeProxy is an HTTPS proxy for a homeserver that the gateway does not share a process with: it answers CONNECT on
// the connections of ln, ends the TLS inside with the peer's name, and passes the requests on over a connection to the
// peer's gateway that belongs to this one alone (relay.go). CONNECT is answered once that connection stands, so that
// failures look to the homeserver as they would without a proxy. Port 443, where homeservers look for a .well-known
// first, is refused at once: the mesh has none.
//
// It returns when ln fails or the gateway is closed; the error is then http.ErrServerClosed.
func (g *Gateway) ServeProxy(ln net.Listener) error {
	srv := &http.Server{
		Handler:           http.HandlerFunc(g.proxy),
		ReadHeaderTimeout: acceptTimeout,
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
	if req.Method != http.MethodConnect {
		w.Header().Set("Allow", http.MethodConnect)
		http.Error(w, "this proxy of the mesh only answers CONNECT", http.StatusMethodNotAllowed)
		return
	}
	if !g.tunnel() {
		http.Error(w, ErrClosed.Error(), http.StatusBadGateway)
		return
	}
	defer g.relays.Done()
	name, port, err := net.SplitHostPort(req.Host)
	if err != nil || port != strconv.Itoa(Port) {
		http.Error(w, fmt.Sprintf("servers of this mesh are reached at port %d, and %q is not", Port, req.Host), http.StatusForbidden)
		return
	}
	peer, ok := g.cfg.Directory.Lookup(name)
	if !ok {
		http.Error(w, (&Error{Stage: StageName, To: name}).Error(), http.StatusBadGateway)
		return
	}
	g.cfg.Connections.used(g)
	far, err := g.connect(req.Context(), req.Host, g.peerTLS)
	if err != nil {
		http.Error(w, err.Error(), proxyStatus(err))
		return
	}
	near, err := accept(w)
	if err != nil {
		far.Close()
		g.log.Debug("a homeserver left before its proxy answered", "server", g.cfg.Name, "peer", name, "error", err)
		return
	}
	r := &relay{g: g, name: name, peer: peer.ID, near: tls.Server(near, g.cfg.CA.serverTLS(name)), far: far}
	r.run()
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
