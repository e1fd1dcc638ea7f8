package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"meshsim/mesh"
)

// maxPortID is the first server id that has no port of its own.
const maxPortID = 1000

// clientPorts are the TCP ports on loopback through which programs that cannot resolve NAME.localhost reach
// servers: base + id, on both address families, open while the server runs. A port that is taken is told,
// the first one in the log too, and costs nothing else.
type clientPorts struct {
	base    int // 0: there are none
	clients *clients
	warned  bool // touched by run alone

	status atomic.Pointer[portTable]
}

// portTable is the ports at one moment. It is immutable.
type portTable struct {
	ports map[int]portStatus // of servers that have one or should have one
	next  chan struct{}      // closed when another one is in force
}

// portStatus is one server's port: open, or why not.
type portStatus struct {
	port   int
	reason string
}

// openPort is a port that is open.
type openPort struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func newClientPorts(base int, c *clients) *clientPorts {
	p := &clientPorts{base: base, clients: c}
	p.status.Store(&portTable{ports: map[int]portStatus{}, next: make(chan struct{})})
	return p
}

// of returns a server's port, 0 where it has none, and why a port that it should have is not open.
func (p *clientPorts) of(id int) (port int, reason string) {
	s := p.status.Load().ports[id]
	return s.port, s.reason
}

// all returns the ports of all servers, and a channel that is closed when one was opened, closed or found taken.
func (p *clientPorts) all() (ports map[int]portStatus, changed <-chan struct{}) {
	now := p.status.Load()
	return now.ports, now.next
}

// run opens and closes ports as servers start and stop, until ctx ends, and then closes all.
func (p *clientPorts) run(ctx context.Context) {
	if p.base == 0 {
		return
	}
	open := make(map[int]*openPort)
	defer func() {
		for _, port := range open {
			port.close()
		}
	}()
	changes := p.clients.mesh.Subscribe()
	p.update(ctx, open, changes.Snapshot().Servers)
	for {
		change, err := changes.Next(ctx)
		if err != nil {
			return
		}
		p.update(ctx, open, change.Servers)
	}
}

func (p *clientPorts) update(ctx context.Context, open map[int]*openPort, servers []mesh.Server) {
	before := p.status.Load()
	ports := maps.Clone(before.ports)
	for _, server := range servers {
		p.follow(ctx, open, ports, server)
	}
	if maps.Equal(ports, before.ports) {
		return
	}
	p.status.Store(&portTable{ports: ports, next: make(chan struct{})})
	close(before.next)
}

// follow opens or closes the port of one server as its state wants it.
func (p *clientPorts) follow(ctx context.Context, open map[int]*openPort, status map[int]portStatus, server mesh.Server) {
	port, isOpen := open[server.ID]
	wanted := server.State.Wired() && server.ID < maxPortID
	switch {
	case wanted && !isOpen:
		number := p.base + server.ID
		opened, err := p.open(ctx, server.ID, number)
		if err != nil {
			p.warn(server, err)
			status[server.ID] = portStatus{reason: err.Error()}
			return
		}
		open[server.ID] = opened
		status[server.ID] = portStatus{port: number}
	case !wanted:
		if isOpen {
			port.close()
			delete(open, server.ID)
		}
		delete(status, server.ID)
	}
}

// warn tells of the first port that cannot be opened: where one is taken, many may be.
func (p *clientPorts) warn(server mesh.Server, err error) {
	if p.warned {
		return
	}
	p.warned = true
	p.clients.log.Warn("a server has no client port, and others may have none either", "server", server.Name, "error", err)
}

func (p *clientPorts) open(ctx context.Context, id, number int) (*openPort, error) {
	listeners, err := ListenLoopback(number)
	if err != nil {
		return nil, fmt.Errorf("%w; choose others with --client-ports", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	port := &openPort{cancel: cancel}
	for _, l := range listeners {
		stop := context.AfterFunc(ctx, func() { l.Close() })
		port.wait.Go(func() {
			defer stop()
			defer l.Close()
			p.accept(ctx, l, id, port)
		})
	}
	return port, nil
}

func (p *clientPorts) accept(ctx context.Context, l net.Listener, id int, port *openPort) {
	for {
		conn, err := l.Accept()
		if err == nil {
			port.wait.Go(func() { p.serve(ctx, id, conn) })
			continue
		}
		if errors.Is(err, net.ErrClosed) || !pause(ctx, acceptPause) {
			return
		}
	}
}

func (p *clientPorts) serve(ctx context.Context, id int, conn net.Conn) {
	if err := p.clients.connect(ctx, id, conn); err != nil {
		abort(conn)
	}
}

// close closes the port and its connections and waits for them.
func (o *openPort) close() {
	o.cancel()
	o.wait.Wait()
}

// ListenLoopback listens at a TCP port of 127.0.0.1 and ::1: some resolvers try the one first, some the
// other. Where the host has no IPv6 the first is enough. Port 0 picks one that is free.
func ListenLoopback(port int) ([]net.Listener, error) {
	v4, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, listenError(port, err)
	}
	port = v4.Addr().(*net.TCPAddr).Port
	v6, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		return []net.Listener{v4}, nil
	}
	if err != nil {
		v4.Close()
		return nil, listenError(port, err)
	}
	return []net.Listener{v4, v6}, nil
}

// listenError says in a sentence why a port cannot be listened at.
func listenError(port int, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d is taken by another program: %w", port, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %d needs a permission that this program does not have: %w", port, err)
	}
	return fmt.Errorf("port %d cannot be opened: %w", port, err)
}
