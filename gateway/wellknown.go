package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// webPort is where a homeserver first asks for another's .well-known (server-server specification, "Resolving server
// names").
const webPort = 443

// noWellKnown is the answer to everything at that port. A 404 sends the homeserver on to SRV records and to port 8448, and
// it remembers that.
const noWellKnown = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 36\r\nConnection: close\r\n\r\n" +
	"servers of this mesh have no website"

// serveWeb answers one request of the homeserver to the website of a server, in the place of that server: a mesh has no
// websites, and what a look-up would take on the links is not federation's.
func (g *Gateway) serveWeb(near net.Conn, name string) {
	defer context.AfterFunc(g.ctx, func() { near.Close() })()
	defer near.Close()
	// A connection that is broken here fails at its next use.
	_ = near.SetDeadline(time.Now().Add(localTimeout))
	conn := tls.Server(near, g.cfg.CA.serverTLS(name))
	if _, err := http.ReadRequest(bufio.NewReader(io.LimitReader(conn, maxHead))); err != nil {
		g.log.Debug("a homeserver asked nothing of a website", "server", g.cfg.Name, "peer", name, "error", err)
		return
	}
	if _, err := io.WriteString(conn, noWellKnown); err == nil {
		conn.Close()
	}
}
