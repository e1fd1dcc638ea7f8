package gateway

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The accepting side does not know the path of a stranger, so it waits as long as the slowest path that the mesh
// allows may take: a handshake and a request's head are some 4 KB, 6 min at 100 bit/s, behind a full queue of 13 min.
const (
	acceptTimeout = time.Hour
	// localTimeout is for what the homeserver itself sends before there is a tunnel: it is on the same machine.
	localTimeout = 30 * time.Second
	// keepTimeout is longer than every peer's idleTimeout: the side that sends requests closes, so that no request
	// meets a connection that is just being closed.
	keepTimeout = 4 * idleTimeout
)

// Serve ends TLS on the connections of ln with the server's certificate and passes their requests to h. It returns
// when ln fails or the gateway is closed; the error is then http.ErrServerClosed.
func (g *Gateway) Serve(ln net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           g.observeHandler(h),
		ReadHeaderTimeout: acceptTimeout,
		IdleTimeout:       keepTimeout,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 alone
	}
	if !g.register(srv) {
		ln.Close()
		return http.ErrServerClosed
	}
	return srv.Serve(tls.NewListener(ln, g.cfg.CA.serverTLS(g.cfg.Name)))
}

// register makes Close end srv, unless it was called already.
func (g *Gateway) register(srv *http.Server) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.servers[srv] = struct{}{}
	return true
}
