package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/lowband/msc3079"
	"meshsim/node"
	"meshsim/node/directory"
	"meshsim/port/netstack"
)

// Clients may be behind links as slow as any: the head of a request, 1 KB, takes 2 min at 100 bit/s, behind a full
// queue of 13 min.
const (
	headTimeout = 30 * time.Minute
	idleTimeout = 15 * time.Minute
)

// running is one run of a server. It implements node.Node and node.Pauser.
type running struct {
	resident *resident
	stack    *netstack.Stack
	host     *netstack.Host
	gateway  *gateway.Gateway
	clients  *http.Server
	coap     *msc3079.Server // nil where clients are not offered CoAP
	serving  sync.WaitGroup  // listeners
	requests requests

	stopping sync.Once
	done     chan struct{}
}

var (
	_ node.Node   = (*running)(nil)
	_ node.Pauser = (*running)(nil)
)

// run attaches a homeserver to the mesh and starts to serve.
func (d *Driver) run(r *resident, mesh node.Network) (*running, error) {
	n := &running{resident: r, requests: newRequests(), done: make(chan struct{})}
	if err := n.attach(d.cfg.Fabric); err != nil {
		return nil, fmt.Errorf("attach %s to the network: %w", r.spec.Name, err)
	}
	n.gateway = gateway.New(gateway.Config{
		ID:        r.spec.ID,
		Name:      r.spec.Name,
		CA:        d.cfg.CA,
		Directory: directory.Directory{Mesh: mesh, From: r.spec.ID},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return n.host.DialContext(ctx, "tcp", to)
		},
		Rooms:       d.cfg.Rooms,
		Publisher:   d.cfg.Publisher,
		Transports:  d.cfg.Transports,
		LowbandTap:  d.cfg.LowbandTap,
		Connections: d.cfg.Connections,
		Logger:      d.cfg.Logger,
	})
	if err := n.listen(); err != nil {
		n.release()
		return nil, fmt.Errorf("listen at the addresses of %s: %w", r.spec.Name, err)
	}
	r.connect(n.gateway, mesh)
	r.journal.Begin()
	r.note("started")
	r.valve.set(true)
	return n, nil
}

// attach makes the server's network stack and puts it into the fabric.
func (n *running) attach(f *fabric.Fabric) error {
	spec := n.resident.spec
	stack, err := netstack.New(netstack.Config{})
	if err != nil {
		return err
	}
	v4, v6 := node.Addrs(spec.ID)
	host, err := stack.Add(f, fabric.NodeConfig{ID: node.FabricNode(spec.ID), Name: spec.Name, Addrs: []netip.Addr{v4, v6}})
	if err != nil {
		stack.Close()
		return err
	}
	n.stack, n.host = stack, host
	return nil
}

// listen starts to serve both interfaces.
func (n *running) listen() error {
	federation, err := n.listener(node.PortFederation)
	if err != nil {
		return err
	}
	clients, err := n.listener(node.PortClient)
	if err != nil {
		federation.Close()
		return err
	}
	if err := n.listenLowband(); err != nil {
		federation.Close()
		clients.Close()
		return err
	}
	served := n.admit(n.resident.noted("client", n.resident.driver.cfg.CoAP.Advertised(n.resident.client, n.resident.spec.ID)))
	if err := n.listenCoAP(served); err != nil {
		federation.Close()
		clients.Close()
		return err
	}
	logger := n.resident.driver.cfg.Logger
	n.clients = &http.Server{
		Handler:           served,
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	n.serving.Go(func() { n.ended(n.gateway.Serve(federation, n.federation())) })
	n.serving.Go(func() { n.ended(n.clients.Serve(clients)) })
	return nil
}

// listenLowband serves federation over the low-bandwidth transport too, where the mesh has it.
func (n *running) listenLowband() error {
	if n.resident.driver.cfg.Transports == nil {
		return nil
	}
	v4, _ := node.Addrs(n.resident.spec.ID)
	conn, err := n.host.ListenPacket(netip.AddrPortFrom(v4, node.PortCoAP))
	if err != nil {
		return err
	}
	return n.gateway.AttachLowband(conn, n.federation())
}

// federation is what other servers reach.
func (n *running) federation() http.Handler {
	return n.admit(n.resident.noted("federation", n.resident.peer.Handler))
}

// listener listens on a port of all the server's addresses.
func (n *running) listener(port uint16) (net.Listener, error) {
	var on []netip.AddrPort
	for _, a := range n.host.Addrs() {
		on = append(on, netip.AddrPortFrom(a, port))
	}
	return n.host.Listen(on...)
}

// ended logs why a listener ended, unless it was closed.
func (n *running) ended(err error) {
	if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		n.resident.driver.cfg.Logger.Error("a listener ended", "server", n.resident.spec.Name, "error", err)
	}
}

// admit makes requests wait while the server is paused, and ends them when it is stopped.
func (n *running) admit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, end, ok := n.requests.begin(req.Context())
		if !ok {
			n.gone(w)
			return
		}
		defer end()
		if n.resident.valve.pass(ctx) != nil {
			n.gone(w)
			return
		}
		h.ServeHTTP(w, req.WithContext(ctx))
	})
}

// gone answers for a server that has ended.
func (n *running) gone(w http.ResponseWriter) {
	http.Error(w, n.resident.spec.Name+" is not running", http.StatusBadGateway)
}

// Stop implements node.Node. Connections are reset; requests under way are cancelled and waited for until ctx ends.
func (n *running) Stop(ctx context.Context) error {
	n.stopping.Do(func() {
		n.resident.valve.set(false)
		n.resident.note("stopped")
		n.resident.journal.End()
		go func() {
			n.release()
			close(n.done)
		}()
	})
	select {
	case <-n.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s is still ending its requests: %w", n.resident.spec.Name, ctx.Err())
	}
}

// goodbye is how long connections have to end in order. Beyond it they are reset: where a link is congested, each TLS
// connection would wait seconds to send its last record.
const goodbye = 200 * time.Millisecond

// release ends what this run holds, which is everything but the homeserver.
func (n *running) release() {
	closed := make(chan struct{})
	n.serving.Go(func() {
		defer close(closed)
		n.gateway.Close()
	})
	if n.clients != nil {
		n.clients.Close()
	}
	if n.coap != nil {
		n.serving.Go(func() { n.coap.Close() }) // it waits for requests, which end below
	}
	select {
	case <-closed:
	case <-time.After(goodbye):
	}
	n.stack.Close()
	n.requests.close()
	n.serving.Wait()
}

// Done implements node.Node.
func (n *running) Done() <-chan struct{} { return n.done }

// Err implements node.Node. A server inside this process does not die by itself.
func (*running) Err() error { return nil }

// Pause implements node.Pauser.
func (n *running) Pause(context.Context) error {
	n.resident.valve.set(false)
	n.resident.note("paused")
	return nil
}

// Resume implements node.Pauser.
func (n *running) Resume(context.Context) error {
	n.resident.valve.set(true)
	n.resident.note("resumed")
	return nil
}

// Client implements node.Node.
func (n *running) Client() http.Handler { return n.admit(n.resident.client) }
