package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"meshsim/mesh"
)

// A connection to a server's client API may take so many one-way latencies of its client link to be made, and so long
// besides: a handshake is three, jitter may double them, and the rest is for what is lost and waits in queues.
const (
	dialTrips = 12
	dialGrace = time.Minute
)

// Dialer connects to a server's client API from that server's client side, across its client link.
type Dialer func(ctx context.Context, id int) (net.Conn, error)

// clients gives programs on the host access to the servers' client APIs. A connection for a server is one
// connection across its client link, byte for byte but for our own cookie, so that handshakes and slow starts happen
// there.
type clients struct {
	mesh *mesh.Mesh
	dial Dialer
	log  *slog.Logger
}

// localSuffix is what the names of servers have after them in a browser.
const localSuffix = ".localhost"

// claim takes over a connection whose first request is for NAME.localhost, whatever comes after on that
// connection.
func (c *clients) claim(ctx context.Context, host string, conn *replayed) bool {
	name, ok := strings.CutSuffix(hostname(host), localSuffix)
	if !ok {
		return false
	}
	server, found := c.named(name)
	if !found {
		refuse(conn, http.StatusNotFound, "M_NOT_FOUND", fmt.Sprintf("there is no server named %q in this mesh", name))
		return true
	}
	if err := c.connect(ctx, server.ID, conn); err != nil {
		refuse(conn, http.StatusBadGateway, "M_UNKNOWN",
			fmt.Sprintf("server %s (%s) cannot be reached: %v", server.Name, server.State, err))
	}
	return true
}

// named finds a server that was not removed.
func (c *clients) named(name string) (mesh.Server, bool) {
	for _, server := range c.mesh.Snapshot().Servers {
		if server.Name == name && server.State != mesh.Gone {
			return server, true
		}
	}
	return mesh.Server{}, false
}

// connect splices a connection into the fabric and returns when it is over. On an error the connection is
// untouched.
func (c *clients) connect(ctx context.Context, id int, conn net.Conn) error {
	limit := dialGrace + dialTrips*c.mesh.Snapshot().Settings.ClientLatency
	dialling, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	far, err := c.dial(dialling, id)
	if err != nil {
		return err
	}
	c.log.Debug("client connected", "server", id, "from", conn.RemoteAddr())
	splice(ctx, &veiled{Conn: conn}, far)
	return nil
}

// refuse answers a client's request as a homeserver would: with a standard error response, and readable by
// every origin (client-server specification, "Web Browser Clients").
func refuse(conn net.Conn, status int, code, reason string) {
	defer conn.Close()
	body, err := json.Marshal(map[string]string{"errcode": code, "error": reason})
	if err != nil {
		return
	}
	if err := conn.SetWriteDeadline(time.Now().Add(headTimeout)); err != nil {
		return
	}
	fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS\r\n"+
		"Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), body)
}
