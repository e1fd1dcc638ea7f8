package gateway

import (
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"meshsim/telemetry"
)

// wired is a connection that counts the bytes of its packets, headers included (netstack.Host.DialContext).
type wired interface {
	Wire() (sent, received int64)
}

// wire is what the connection has taken so far.
func (c *countedConn) wire() telemetry.Wire {
	if conn, ok := c.Conn.(wired); ok {
		there, back := conn.Wire()
		return telemetry.Wire{There: there, Back: back, Headers: true}
	}
	return telemetry.Wire{There: c.written.Load(), Back: c.read.Load()}
}

// claim returns what the connection has taken since the last claim: an HTTP/1.1 connection carries one exchange at a time,
// so that is what the exchange took which has just ended.
func (c *countedConn) claim() telemetry.Wire {
	c.claiming.Lock()
	defer c.claiming.Unlock()
	all := c.wire()
	part := telemetry.Wire{There: all.There - c.claimed.There, Back: all.Back - c.claimed.Back, Headers: all.Headers}
	c.claimed = all
	return part
}

// claimWire is claim of the connection below one that connect has opened.
func claimWire(conn net.Conn) telemetry.Wire {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if c, ok := conn.(*countedConn); ok {
		return c.claim()
	}
	return telemetry.Wire{}
}

// carriers are the connections that an exchange has used: several where an idle one turned out to be closed.
type carriers struct {
	mu   sync.Mutex // guards list
	list []net.Conn
}

// trace notes them.
func (c *carriers) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, info.Conn)
	}}
}

// claim is what the exchange took on all of them.
func (c *carriers) claim() telemetry.Wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sum telemetry.Wire
	for i, conn := range c.list {
		part := claimWire(conn)
		sum.There += part.There
		sum.Back += part.Back
		sum.Headers = part.Headers && (i == 0 || sum.Headers)
	}
	return sum
}

// carried reports what the exchange took on the wire, by event. Nothing is said of one that never had a connection.
func (s *sending) carried(w telemetry.Wire) {
	if s == nil || w.There+w.Back == 0 {
		return
	}
	now := time.Now()
	for i, share := range w.Shares(s.events) {
		s.g.cfg.Publisher.Publish(telemetry.Carried{
			At: now, Event: s.events[i], From: s.g.cfg.ID, To: s.to, Attempt: s.attempt, Transport: s.over, Wire: share,
		})
	}
}
