// Package airtest emulates bad links as net.PacketConns, for tests in testing/synctest bubbles, and holds what crosses them
// against the tables of documents ([Figures]).
package airtest

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Headers is what IPv4 and UDP add to a datagram.
const Headers = 28

// Air is a medium with any number of conns. A sender's bytes leave one after the other, then they travel.
type Air struct {
	Rate  int64 // bit/s of each sender, 0 for unlimited
	Delay time.Duration
	Loss  float64

	mu    sync.Mutex // guards what follows
	rng   *rand.Rand
	conns map[string]*Conn
	// Tap is told of every datagram that is sent, lost or not; nil for nobody.
	Tap func(from, to string, datagram []byte)
	// Datagrams and Bytes count what was sent, with headers.
	datagrams, bytes int
}

// Addr is the address of a conn.
type Addr string

// Network implements net.Addr.
func (Addr) Network() string { return "air" }

func (a Addr) String() string { return string(a) }

// Conn is one end. It implements net.PacketConn; it has no deadlines.
type Conn struct {
	air  *Air
	addr Addr
	free time.Time // guarded by air.mu
	in   chan packet
	done chan struct{}
	once sync.Once
}

type packet struct {
	data []byte
	from Addr
}

var _ net.PacketConn = (*Conn)(nil)

// Open makes a conn with an address. It takes the place of an earlier one with the same.
func (a *Air) Open(name string) *Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conns == nil {
		a.conns = map[string]*Conn{}
		a.rng = rand.New(rand.NewPCG(7, 11))
	}
	c := &Conn{air: a, addr: Addr(name), in: make(chan packet, 4096), done: make(chan struct{})}
	a.conns[name] = c
	return c
}

// Used returns how many datagrams were sent so far, and their bytes with IPv4 and UDP headers.
func (a *Air) Used() (datagrams, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.datagrams, a.bytes
}

// Set changes the loss.
func (a *Air) Set(loss float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Loss = loss
}

// Move gives a conn another address, as a client gets that changes networks. What is on its way to the old one is lost.
func (c *Conn) Move(name string) {
	c.air.mu.Lock()
	defer c.air.mu.Unlock()
	delete(c.air.conns, string(c.addr))
	c.addr = Addr(name)
	c.air.conns[name] = c
}

// WriteTo implements net.PacketConn.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	a := c.air
	a.mu.Lock()
	defer a.mu.Unlock()
	a.datagrams++
	a.bytes += len(b) + Headers
	if a.Tap != nil {
		a.Tap(string(c.addr), to.String(), b)
	}
	now := time.Now()
	if c.free.Before(now) {
		c.free = now
	}
	c.free = c.free.Add(1) // so that datagrams of one moment stay in order
	if a.Rate > 0 {
		c.free = c.free.Add(time.Duration(len(b)+Headers) * 8 * time.Second / time.Duration(a.Rate))
	}
	if a.rng.Float64() >= a.Loss {
		p := packet{bytes.Clone(b), c.addr}
		time.AfterFunc(c.free.Add(a.Delay).Sub(now), func() { a.deliver(to.String(), p) })
	}
	return len(b), nil
}

func (a *Air) deliver(to string, p packet) {
	a.mu.Lock()
	c := a.conns[to]
	a.mu.Unlock()
	if c == nil {
		return
	}
	select {
	case c.in <- p:
	default: // like a full socket buffer
	}
}

// ReadFrom implements net.PacketConn.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-c.in:
		return copy(b, p.data), p.from, nil
	case <-c.done:
		return 0, nil, net.ErrClosed
	}
}

// Close implements net.PacketConn.
func (c *Conn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *Conn) LocalAddr() net.Addr {
	c.air.mu.Lock()
	defer c.air.mu.Unlock()
	return c.addr
}

// SetDeadline implements net.PacketConn and does nothing.
func (*Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn and does nothing.
func (*Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn and does nothing.
func (*Conn) SetWriteDeadline(time.Time) error { return nil }
