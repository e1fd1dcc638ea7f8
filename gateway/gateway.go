// Package gateway stands between a homeserver and the mesh.
//
// Every homeserver has a [Gateway]. Outwards it is the homeserver's http.RoundTripper: it finds the peer by its Matrix
// server name, connects through the dialer it was given, speaks TLS 1.3 under the mesh's own [CA], and gives up when
// the path could have carried the exchange several times over (timeout.go). Inwards it ends TLS and passes requests to
// the homeserver's http.Handler. In both directions it reads what goes by (observe.go) and tells telemetry which
// events were sent; signatures and bodies pass unchanged.
//
// Where [Transports] says so, requests take the low-bandwidth transport of package lowband instead of HTTPS (lowband.go).
//
// One connection of the homeserver is one connection across the mesh: HTTP/1.1, no multiplexing, and no pooling
// beyond that of an ordinary http.Transport. A homeserver in a process of its own uses the gateway as an HTTPS proxy
// instead (proxy.go). The gateway knows no drivers and no addresses of its own: names,
// paths and dialling are given to it.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"meshsim/link"
	"meshsim/lowband"
	"meshsim/matrix"
	"meshsim/telemetry"
)

// Port is where gateways listen on mesh addresses (CONTRACTS.md).
const Port = matrix.DefaultPort

// Peer is where a server name leads.
type Peer struct {
	ID   int        // server id, for telemetry
	Addr netip.Addr // mesh address
}

// Path sums up the path in force to a peer and back.
type Path struct {
	Routes uint64        // version of the route table
	RTT    time.Duration // propagation delay there and back, without queueing
	Rate   link.BitRate  // of the slowest link in either direction
	// Slowest names that link. Where paths share it, their transactions take turns.
	Slowest Bottleneck
}

// Bottleneck names a link by its ends, server ids.
type Bottleneck [2]int

// Directory knows the mesh. It is safe for concurrent use and does not block.
type Directory interface {
	// Lookup finds the server with a Matrix server name.
	Lookup(name string) (Peer, bool)
	// Path describes the path in force to a server, and is false where there is none.
	Path(to int) (Path, bool)
}

// Dialer opens a TCP connection from the server's mesh address.
type Dialer func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

// Config says whose gateway it is and what stands around it. All fields but the marked ones are needed.
type Config struct {
	ID        int    // server id
	Name      string // Matrix server name
	CA        *CA
	Directory Directory
	Dial      Dialer
	Rooms     *Rooms
	Publisher telemetry.Publisher

	// Transports chooses between HTTPS and the low-bandwidth transport for all gateways of a mesh; nil for HTTPS alone.
	Transports *Transports

	// LowbandTap makes what is told of the low-bandwidth transport's messages, before they are encrypted, at the gateway
	// with an address; nil for nobody.
	LowbandTap func(own net.Addr) lowband.Tap

	// Connections is shared by the gateways of a process; nil sets no bound beyond each one's own.
	Connections *Connections

	// ReportReceived publishes events as received once the homeserver has accepted the transaction. It is for
	// homeservers that cannot say themselves when they have processed an event.
	ReportReceived bool

	// PassThrough makes the proxy a tunnel in which the homeserver's own TLS passes to the peer: nothing inside is seen.
	PassThrough bool

	// Log answers GET /log at the proxy, by which an instrumented homeserver tells of itself in the original's interface; nil
	// for nobody.
	Log http.Handler

	Logger *slog.Logger // optional
}

// Gateway is one server's gateway. It is safe for concurrent use.
//
//	New -> (RoundTrip, Serve) -> Close
type Gateway struct {
	cfg       Config
	log       *slog.Logger
	transport *http.Transport
	peerTLS   *tls.Config       // of connections to peers
	lowband   *lowband.Endpoint // nil before AttachLowband
	relays    sync.WaitGroup    // tunnels through the proxy, and the low-bandwidth transport
	attempts  attempts
	own       *departure // of the events of its server
	turns     turns
	lines     lines
	budget    budget
	// unobserved is done once something passed that was too long to be looked at.
	unobserved sync.Once
	ctx        context.Context // ended by Close
	end        context.CancelFunc

	mu      sync.Mutex // guards what follows
	servers map[*http.Server]struct{}
	closed  bool
}

// New makes a gateway. It starts nothing.
func New(cfg Config) *Gateway {
	if cfg.Connections == nil {
		cfg.Connections = NewConnections(math.MaxInt)
	}
	g := &Gateway{cfg: cfg, log: cfg.Logger, servers: make(map[*http.Server]struct{})}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.ctx, g.end = context.WithCancel(context.Background())
	g.own = cfg.Rooms.departures.of(cfg.Name)
	g.peerTLS = cfg.CA.clientTLS(tls.NewLRUClientSessionCache(sessionsKept))
	g.transport = g.newTransport()
	return g
}

// ErrClosed is the cause of an [Error] for a request that was under way when its gateway was closed, or came later.
var ErrClosed = errors.New("the server's gateway is closed")

// Close ends every request and connection and every Serve. It is idempotent.
func (g *Gateway) Close() error {
	g.mu.Lock()
	g.closed = true
	servers := g.servers
	g.servers = nil
	g.mu.Unlock()
	g.end()
	var errs []error
	if g.lowband != nil {
		errs = append(errs, g.lowband.Close())
	}
	for s := range servers {
		errs = append(errs, s.Close())
	}
	g.transport.CloseIdleConnections()
	g.cfg.Connections.forget(g)
	g.relays.Wait()
	return errors.Join(errs...)
}
