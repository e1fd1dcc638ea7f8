package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"meshsim/fabric"
	"meshsim/mesh"
	"meshsim/mesh/coapports"
	"meshsim/talk"
	"meshsim/telemetry"
)

// Config is what the interface stands on. Mesh, Talk, Events, Fabric, Dial, Page and Transports are needed.
type Config struct {
	Mesh   *mesh.Mesh
	Talk   *talk.Talk
	Events *telemetry.Hub
	Fabric *fabric.Fabric
	Dial   Dialer // a client's connection to a server
	Page   fs.FS  // index.html at its root

	Transports Transports

	Savings MemorySavings // nil where no memory is merged

	// Authority is what follows the name in a server's client URL: http://NAME.Authority. It is localhost with
	// the port.
	Authority string
	// Names are the hosts, besides localhost and IP addresses, under which the control interface is reached.
	Names []string
	// Token must come with every request to the control interface; empty where none is needed.
	Token string
	// ClientPorts is the TCP port on loopback of server 0; those of the servers after it follow. 0 opens none.
	ClientPorts int
	// CoAP is where clients find servers over CoAP (MSC3079).
	CoAP CoAPPorts

	Version string
	Logger  *slog.Logger // nil discards
}

// Frontend is the HTTP interface of a running mesh.
//
//	New -> Serve (blocks until its context ends, and then ends all connections)
type Frontend struct {
	handler  http.Handler
	clients  *clients
	ports    *clientPorts
	original *original
	streams  *streams
	shells   *terminals
	log      *slog.Logger
}

// CoAPPorts says at which UDP ports on loopback servers offer CoAP to clients. The zero CoAPPorts offers none.
type CoAPPorts struct {
	First    int  // of server 0; those of the servers after it follow
	Insecure bool // without encryption, for experiments
}

// url is where clients find a server, empty where it has no port. The scheme tells whether there is encryption (RFC 7252,
// section 6).
func (c CoAPPorts) url(id int) string {
	if c.First == 0 || id >= coapports.MaxID {
		return ""
	}
	scheme := "coaps"
	if c.Insecure {
		scheme = "coap"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, c.First+id)
}

// New prepares the interface and starts nothing.
func New(c Config) *Frontend {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	access := &clients{mesh: c.Mesh, dial: c.Dial, log: c.Logger}
	ports := newClientPorts(c.ClientPorts, access)
	v := &v1{
		mesh:       c.Mesh,
		talk:       c.Talk,
		fabric:     c.Fabric,
		transports: c.Transports,
		savings:    c.Savings,
		view:       view{authority: c.Authority, ports: ports, coap: c.CoAP},
		version:    c.Version,
		log:        c.Logger,
		streams:    newSlots(maxStreams),
		imports:    newSlots(maxImports),
	}
	s := &Frontend{
		clients:  access,
		ports:    ports,
		original: &original{mesh: c.Mesh, events: c.Events, log: c.Logger},
		streams:  &streams{v1: v, events: c.Events},
		shells:   &terminals{v1: v, slots: newSlots(maxTerminals)},
		log:      c.Logger,
	}
	s.handler = &guard{token: c.Token, names: c.Names, next: s.routes(v, c.Page)}
	return s
}

// Log is GET /log of the original's interface alone, for instrumented homeservers that reach nothing else of this one.
func (s *Frontend) Log() http.Handler { return s.original.handle(s.original.report) }

// routes is everything that the control interface serves.
func (s *Frontend) routes(v *v1, page fs.FS) http.Handler {
	operations := http.NewServeMux()
	newV1(operations, v)
	operations.Handle("GET "+prefix+"/stream", s.streams)
	operations.Handle("GET "+prefix+"/servers/{id}/terminal", s.shells)

	mux := http.NewServeMux()
	mux.Handle(prefix+"/", problems(operations))
	s.original.register(mux)
	mux.Handle("/", pages(page))
	return mux
}

// ServeHTTP answers requests to the control interface, the original's included. Clients' requests to servers
// do not come here: they are told apart by Serve, connection by connection.
func (s *Frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// readHeaderTimeout is how long a connection that is kept open may take to send a request's head.
const readHeaderTimeout = 30 * time.Second

// Serve answers at the listeners, and at the clients' ports, until ctx ends or a listener fails. It closes
// them, ends all connections and returns once every goroutine has ended, except those of net/http that linger
// for half a second after they have refused a request.
func (s *Frontend) Serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	var running sync.WaitGroup
	running.Go(func() { s.ports.run(ctx) })
	failures := make(chan error, len(listeners))
	for _, l := range listeners {
		sorted := newSorter(l, s.clients.claim)
		running.Go(func() {
			failures <- server.Serve(sorted)
			sorted.Close()
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failures:
	}
	cancel()
	err = errors.Join(err, server.Close())
	running.Wait()
	s.streams.open.Wait()
	s.original.open.Wait()
	s.shells.open.Wait()
	return err
}
