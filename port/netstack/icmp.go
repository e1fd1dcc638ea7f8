package netstack

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"meshsim/fabric"
	"meshsim/port/probe"
)

// icmpBacklog is how many ICMP messages may wait to be received; more are lost, as in a kernel's socket.
const icmpBacklog = 64

// icmpConn is a socket for ICMP messages. It sees what is delivered to its host before the stack does, as a kernel's raw
// socket: gVisor's own keeps errors from its user. The stack gets everything all the same.
type icmpConn struct {
	host  *Host
	local netip.Addr
	inbox chan probe.Message

	closing sync.Once
	closed  chan struct{}
}

// OpenICMP opens a socket for ICMP messages from local, which is one of the host's addresses. It is closed with the host
// at the latest.
func (h *Host) OpenICMP(local netip.Addr) (probe.Conn, error) {
	if !slices.Contains(h.addrs, local) {
		return nil, fmt.Errorf("netstack: %v is none of the host's addresses %v", local, h.addrs)
	}
	c := &icmpConn{host: h, local: local, inbox: make(chan probe.Message, icmpBacklog), closed: make(chan struct{})}
	h.editICMP(func(conns []*icmpConn) []*icmpConn { return append(conns, c) })
	return c, nil
}

// editICMP replaces the list of sockets; Deliver reads it without a lock.
func (h *Host) editICMP(edit func([]*icmpConn) []*icmpConn) {
	h.icmpMu.Lock()
	defer h.icmpMu.Unlock()
	var conns []*icmpConn
	if now := h.icmp.Load(); now != nil {
		conns = slices.Clone(*now)
	}
	if conns = edit(conns); len(conns) == 0 {
		h.icmp.Store(nil)
		return
	}
	h.icmp.Store(&conns)
}

// Local implements probe.Conn.
func (c *icmpConn) Local() netip.Addr { return c.local }

// Send implements probe.Conn.
func (c *icmpConn) Send(message []byte, to netip.Addr, ttl int) error {
	select {
	case <-c.closed:
		return net.ErrClosed
	case <-c.host.done:
		return net.ErrClosed
	default:
	}
	if c.local.Is4() != to.Is4() {
		return fmt.Errorf("netstack: %v cannot be reached from %v: one is IPv4, the other IPv6", to, c.local)
	}
	var packets [1]fabric.Packet
	packets[0].Data = icmpPacket(message, c.local, to, uint8(ttl))
	c.host.wire.Send(packets[:])
	return nil
}

// icmpPacket puts an IP header before a message.
func icmpPacket(message []byte, from, to netip.Addr, ttl uint8) []byte {
	if from.Is4() {
		packet := fabric.Alloc(header.IPv4MinimumSize + len(message))
		copy(packet[header.IPv4MinimumSize:], message)
		ip := header.IPv4(packet)
		ip.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(packet)), TTL: ttl, Protocol: uint8(header.ICMPv4ProtocolNumber),
			SrcAddr: toAddress(from), DstAddr: toAddress(to),
		})
		ip.SetChecksum(^ip.CalculateChecksum())
		return packet
	}
	packet := fabric.Alloc(header.IPv6MinimumSize + len(message))
	copy(packet[header.IPv6MinimumSize:], message)
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(message)), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: ttl,
		SrcAddr: toAddress(from), DstAddr: toAddress(to),
	})
	return packet
}

// Receive implements probe.Conn.
func (c *icmpConn) Receive() (probe.Message, error) {
	select {
	case m := <-c.inbox:
		return m, nil
	case <-c.closed:
	case <-c.host.done:
	}
	return probe.Message{}, net.ErrClosed
}

// Close implements probe.Conn.
func (c *icmpConn) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		c.host.editICMP(func(conns []*icmpConn) []*icmpConn {
			return slices.DeleteFunc(conns, func(o *icmpConn) bool { return o == c })
		})
	})
	return nil
}

// overhear shows a packet that the host is given to its ICMP sockets, if it has any.
func (h *Host) overhear(packet []byte) {
	conns := h.icmp.Load()
	if conns == nil {
		return
	}
	m, to, ok := icmpMessage(packet)
	if !ok {
		return
	}
	m.At = time.Now()
	for _, c := range *conns {
		if c.local != to {
			continue
		}
		select {
		case c.inbox <- m:
		default:
		}
	}
}

// icmpMessage takes an ICMP message out of a whole packet. It is false for any other, and for one whose checksum is wrong.
func icmpMessage(packet []byte) (m probe.Message, to netip.Addr, ok bool) {
	switch header.IPVersion(packet) {
	case header.IPv4Version:
		ip := header.IPv4(packet)
		if !ip.IsValid(len(packet)) || ip.TransportProtocol() != header.ICMPv4ProtocolNumber || ip.More() || ip.FragmentOffset() != 0 {
			return m, to, false
		}
		m.Data, m.From, to = slices.Clone(ip.Payload()), fromAddress(ip.SourceAddress()), fromAddress(ip.DestinationAddress())
		return m, to, checksum.Checksum(m.Data, 0) == 0xffff && ip.CalculateChecksum() == 0xffff
	case header.IPv6Version:
		ip := header.IPv6(packet)
		if !ip.IsValid(len(packet)) || ip.NextHeader() != uint8(header.ICMPv6ProtocolNumber) {
			return m, to, false
		}
		m.Data, m.From, to = slices.Clone(ip.Payload()), fromAddress(ip.SourceAddress()), fromAddress(ip.DestinationAddress())
		pseudo := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), uint16(len(m.Data)))
		return m, to, checksum.Checksum(m.Data, pseudo) == 0xffff
	default:
		return m, to, false
	}
}

// fromAddress converts from gVisor's form.
func fromAddress(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}
