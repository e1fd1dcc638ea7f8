package gateway

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"

	"meshsim/telemetry"
)

// Connections bounds how many connections the gateways of a process keep open, because those that idle are what a large
// mesh spends its memory on: 75 KB for both ends of one. When there are too many, the gateways that have sent nothing
// for the longest time close their idle ones; they resume their TLS sessions when they need them again. Connections in
// use are never closed, so the bound may be exceeded by those. It is safe for concurrent use.
type Connections struct {
	limit int

	mu    sync.Mutex // guards what follows
	open  int
	order list.List // of *Gateway that have sent something, the last one first
	place map[*Gateway]*list.Element
}

// DefaultConnections is a bound that takes 300 MB.
const DefaultConnections = 4096

// NewConnections makes a bound.
func NewConnections(limit int) *Connections {
	return &Connections{limit: limit, place: make(map[*Gateway]*list.Element)}
}

// Open is how many connections are open now, idle or not.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// used notes that g sends something.
func (c *Connections) used(g *Gateway) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.place[g]; e != nil {
		c.order.MoveToFront(e)
		return
	}
	c.place[g] = c.order.PushFront(g)
}

// forget is called when g is closed.
func (c *Connections) forget(g *Gateway) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.place[g]; e != nil {
		c.order.Remove(e)
		delete(c.place, g)
	}
}

// opened counts conn until it is closed, and makes room for it.
func (c *Connections) opened(conn net.Conn) net.Conn {
	c.mu.Lock()
	c.open++
	var idle *Gateway
	if last := c.order.Back(); c.open > c.limit && last != nil {
		idle = last.Value.(*Gateway)
		c.order.Remove(last)
		delete(c.place, idle)
	}
	c.mu.Unlock()
	if idle != nil {
		idle.transport.CloseIdleConnections()
	}
	return &countedConn{Conn: conn, closed: sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.open--
	})}
}

// countedConn is a connection that Connections counts, and of which is known what it takes on the wire (wire.go).
type countedConn struct {
	net.Conn
	closed func()

	written, read atomic.Int64
	claiming      sync.Mutex // guards claimed
	claimed       telemetry.Wire
}

// Read implements net.Conn.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// Write implements net.Conn. It counts first: an answer may come before the underlying Write has returned.
func (c *countedConn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// CloseWrite ends what is written and goes on reading.
func (c *countedConn) CloseWrite() error { return closeWrite(c.Conn) }
