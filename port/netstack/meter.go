package netstack

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"meshsim/fabric"
)

// meter counts the packets of one connection where they leave and reach the stack: headers, acknowledgements and
// repetitions included, in bytes from the IP header on.
type meter struct{ sent, received atomic.Int64 }

// flow names a TCP connection by its ends, the stack's own first.
type flow struct{ local, remote netip.AddrPort }

// meters are those of a stack's connections. It is safe for concurrent use.
type meters struct {
	mu    sync.RWMutex // guards flows
	flows map[flow]*meter
}

// add counts the packets of a connection until forget is called.
func (m *meters) add(f flow) (counted *meter, forget func()) {
	counted = &meter{}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.flows == nil {
		m.flows = make(map[flow]*meter)
	}
	m.flows[f] = counted
	return counted, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.flows[f] == counted { // the port may have been given again
			delete(m.flows, f)
		}
	}
}

func (m *meters) of(f flow) *meter {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.flows[f]
}

// sentPacket counts a packet that leaves.
func (m *meters) sentPacket(p fabric.Packet) {
	if f, size, ok := tcpFlow(p); ok {
		if counted := m.of(f); counted != nil {
			counted.sent.Add(size)
		}
	}
}

// receivedPacket counts a packet that has come.
func (m *meters) receivedPacket(p fabric.Packet) {
	if f, size, ok := tcpFlow(p); ok {
		if counted := m.of(flow{f.remote, f.local}); counted != nil {
			counted.received.Add(size)
		}
	}
}

// tcpFlow reads which connection a packet belongs to, its source first, and how many bytes it takes on a link: a
// superpacket those of all its segments.
func tcpFlow(p fabric.Packet) (f flow, size int64, ok bool) {
	var src, dst netip.Addr
	head := 0 // bytes of the IP header
	switch b := p.Data; header.IPVersion(b) {
	case header.IPv4Version:
		ip := header.IPv4(b)
		if len(b) < header.IPv4MinimumSize || ip.TransportProtocol() != header.TCPProtocolNumber {
			return flow{}, 0, false
		}
		src, dst = netip.AddrFrom4(ip.SourceAddress().As4()), netip.AddrFrom4(ip.DestinationAddress().As4())
		head = int(ip.HeaderLength())
	case header.IPv6Version:
		ip := header.IPv6(b)
		if len(b) < header.IPv6MinimumSize || ip.NextHeader() != uint8(header.TCPProtocolNumber) {
			return flow{}, 0, false
		}
		src, dst = netip.AddrFrom16(ip.SourceAddress().As16()), netip.AddrFrom16(ip.DestinationAddress().As16())
		head = header.IPv6MinimumSize
	}
	if head == 0 || len(p.Data) < head+header.TCPMinimumSize {
		return flow{}, 0, false
	}
	tcp := p.Data[head:]
	f.local = netip.AddrPortFrom(src, binary.BigEndian.Uint16(tcp[header.TCPSrcPortOffset:]))
	f.remote = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(tcp[header.TCPDstPortOffset:]))
	heads := head + int(header.TCP(tcp).DataOffset())
	return f, int64(len(p.Data) + heads*(segments(len(p.Data)-heads, int(p.SegmentSize))-1)), true
}

// segments is how many segments a payload makes; 0 stands for an ordinary packet.
func segments(payload, each int) int {
	if each == 0 || payload <= each {
		return 1
	}
	return (payload + each - 1) / each
}

// meteredConn is a dialled connection. What it took is counted until it is closed.
type meteredConn struct {
	*gonet.TCPConn
	meter  *meter
	forget func()
}

// Wire returns how many bytes of packets of this connection have left and reached the host, from the IP header on.
func (c *meteredConn) Wire() (sent, received int64) {
	return c.meter.sent.Load(), c.meter.received.Load()
}

// Close implements net.Conn.
func (c *meteredConn) Close() error {
	err := c.TCPConn.Close()
	c.forget()
	return err
}

var _ net.Conn = (*meteredConn)(nil)
