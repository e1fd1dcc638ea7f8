package tun

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"

	"meshsim/port/probe"
)

// maxICMP is the largest ICMP message that is received, in bytes.
const maxICMP = 1 << 16

// icmpConn is a raw socket for ICMP.
type icmpConn struct {
	local  netip.Addr
	socket *icmp.PacketConn
	buffer []byte
}

// OpenICMP opens a socket for ICMP messages from local, which is an address inside the namespace.
func (n *Namespace) OpenICMP(local netip.Addr) (probe.Conn, error) {
	network := "ip4:icmp"
	if local.Is6() {
		network = "ip6:ipv6-icmp"
	}
	c := &icmpConn{local: local, buffer: make([]byte, maxICMP)}
	err := n.Do(func() (err error) {
		c.socket, err = icmp.ListenPacket(network, local.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tun: open a raw socket at %v (root may): %w", local, err)
	}
	return c, nil
}

// Local implements probe.Conn.
func (c *icmpConn) Local() netip.Addr { return c.local }

// Send implements probe.Conn.
func (c *icmpConn) Send(message []byte, to netip.Addr, ttl int) error {
	var err error
	if c.local.Is4() {
		err = c.socket.IPv4PacketConn().SetTTL(ttl)
	} else {
		err = c.socket.IPv6PacketConn().SetHopLimit(ttl)
	}
	if err != nil {
		return err
	}
	_, err = c.socket.WriteTo(message, &net.IPAddr{IP: to.AsSlice()})
	return err
}

// Receive implements probe.Conn. The kernel has checked the checksum.
func (c *icmpConn) Receive() (probe.Message, error) {
	n, peer, err := c.socket.ReadFrom(c.buffer)
	if err != nil {
		return probe.Message{}, err
	}
	from, _ := netip.AddrFromSlice(peer.(*net.IPAddr).IP)
	return probe.Message{Data: append([]byte(nil), c.buffer[:n]...), From: from.Unmap(), At: time.Now()}, nil
}

// Close implements probe.Conn.
func (c *icmpConn) Close() error { return c.socket.Close() }
