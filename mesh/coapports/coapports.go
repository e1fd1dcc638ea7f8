// Package coapports opens a UDP port on loopback for every server that runs: the first one + id. Datagrams cross the
// server's client link to the CoAP of its homeserver (MSC3079) and back, one flow a client. A port that is taken, and one
// of a server without CoAP, costs nothing else.
package coapports

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"meshsim/mesh"
)

// Config says which ports, and where datagrams go.
type Config struct {
	Mesh  *mesh.Mesh
	First int // port of server 0
	// Dial returns a socket for datagrams to and from the CoAP of a server, across its client link.
	Dial   func(id int) (net.Conn, error)
	Logger *slog.Logger
}

const (
	// MaxID is the first server id that has no port.
	MaxID = 1000
	// maxFlows bounds the clients of one server; the one that was silent for the longest gives way.
	maxFlows = 256
	// idle is how long a flow without datagrams is kept. Sessions with connection ids outlive it.
	idle = 15 * time.Minute
	// shortRest is how long nothing is read after a failure, and longRest after many.
	shortRest = 10 * time.Millisecond
	longRest  = time.Second
	// maxDatagram is the largest datagram that is carried.
	maxDatagram = 2048
)

// Run opens and closes ports as servers start and stop, until ctx ends, and then closes all.
func Run(ctx context.Context, cfg Config) error {
	open := make(map[int]*port)
	defer func() {
		for _, p := range open {
			p.close()
		}
	}()
	changes := cfg.Mesh.Subscribe()
	servers := changes.Snapshot().Servers
	for {
		for _, s := range servers {
			follow(cfg, open, s)
		}
		change, err := changes.Next(ctx)
		if err != nil {
			return nil
		}
		servers = change.Servers
	}
}

// follow opens or closes the port of one server as its state wants it.
func follow(cfg Config, open map[int]*port, s mesh.Server) {
	p := open[s.ID]
	wanted := s.State.Wired() && s.ID < MaxID
	switch {
	case wanted && p == nil:
		p, err := listen(cfg, s.ID)
		if err != nil {
			cfg.Logger.Warn("a CoAP port is not open", "server", s.Name, "error", err)
			return
		}
		open[s.ID] = p
	case !wanted && p != nil:
		p.close()
		delete(open, s.ID)
	}
}

// port is one server's, on both families of loopback.
type port struct {
	id      int
	dial    func(id int) (net.Conn, error)
	sockets []net.PacketConn
	work    sync.WaitGroup
	done    chan struct{} // closed with the port

	mu     sync.Mutex // guards what follows
	closed bool
	flows  map[string]*flow // by the client's address
}

// flow is one client's datagrams.
type flow struct {
	to   net.Conn
	used time.Time // guarded by port.mu
}

func listen(cfg Config, id int) (*port, error) {
	p := &port{id: id, dial: cfg.Dial, done: make(chan struct{}), flows: make(map[string]*flow)}
	number := strconv.Itoa(cfg.First + id)
	v4, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", number))
	if err != nil {
		return nil, err
	}
	p.sockets = append(p.sockets, v4)
	if v6, err := net.ListenPacket("udp6", net.JoinHostPort("::1", number)); err == nil {
		p.sockets = append(p.sockets, v6) // where the host has no IPv6 the first is enough
	}
	for _, s := range p.sockets {
		p.work.Go(func() { p.read(s) })
	}
	return p, nil
}

// close ends all flows and waits for them.
func (p *port) close() {
	close(p.done)
	for _, s := range p.sockets {
		s.Close()
	}
	p.mu.Lock()
	p.closed = true
	for _, f := range p.flows {
		f.to.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

// read passes what clients send on.
func (p *port) read(s net.PacketConn) {
	buf := make([]byte, maxDatagram)
	for failed := 0; ; {
		n, from, err := s.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as a client's port that is closed
			failed++
			if !p.rest(failed) {
				return
			}
			continue
		}
		failed = 0
		if f := p.flow(s, from); f != nil {
			_, _ = f.to.Write(buf[:n]) // what is lost is sent again by those who wait for an answer
		}
	}
}

// rest waits after a failure, longer after each one that follows; it is false once the port is closed.
func (p *port) rest(failed int) bool {
	t := time.NewTimer(min(time.Duration(failed)*shortRest, longRest))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.done:
		return false
	}
}

// flow finds or begins the flow of a client; nil where the server has no CoAP.
func (p *port) flow(s net.PacketConn, from net.Addr) *flow {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := from.String()
	if f := p.flows[key]; f != nil {
		f.used = time.Now()
		return f
	}
	if p.closed {
		return nil
	}
	to, err := p.dial(p.id)
	if err != nil {
		return nil
	}
	p.makeRoomLocked()
	f := &flow{to: to, used: time.Now()}
	p.flows[key] = f
	p.work.Go(func() { p.answer(s, from, key, f) })
	return f
}

func (p *port) makeRoomLocked() {
	if len(p.flows) < maxFlows {
		return
	}
	var oldest *flow
	var client string
	for key, f := range p.flows {
		if oldest == nil || f.used.Before(oldest.used) {
			oldest, client = f, key
		}
	}
	delete(p.flows, client)
	oldest.to.Close() // which ends its reader
}

// answer passes what the server sends on, until the flow is idle or closed.
func (p *port) answer(s net.PacketConn, client net.Addr, key string, f *flow) {
	defer func() {
		f.to.Close()
		p.mu.Lock()
		if p.flows[key] == f {
			delete(p.flows, key)
		}
		p.mu.Unlock()
	}()
	buf := make([]byte, maxDatagram)
	for {
		if f.to.SetReadDeadline(time.Now().Add(idle)) != nil {
			return
		}
		n, err := f.to.Read(buf)
		switch {
		case err == nil:
			p.touch(f)
			_, _ = s.WriteTo(buf[:n], client)
		case !p.expired(f, err):
		default:
			return
		}
	}
}

func (p *port) touch(f *flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.used = time.Now()
}

// expired tells whether an error ends a flow: a time-out does only when the client was silent, too.
func (p *port) expired(f *flow, err error) bool {
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(f.used) >= idle
}
