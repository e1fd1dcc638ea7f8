// Package netstack is a TCP/IP stack inside this process, attached to a fabric as one node or many.
//
// A [Stack] wraps gVisor's network stack. Each [Host] added to it is a node of the fabric with its own
// addresses and gives what package net gives: Dial, Listen, ListenPacket. Packets leave through the node whose
// address is their source; two hosts of one stack reach each other through the fabric, never by a short cut.
// Echo requests are answered.
//
// TCP is tuned for links that may be very slow or very lossy (see tuning.go): selective acknowledgement,
// RACK, CUBIC, and time-outs that outlast a full queue at 100 bit/s. Segments larger than the MTU are handed to the
// fabric whole (fabric.Packet.SegmentSize) and accepted whole.
//
// Limits: no multicast beyond what gVisor joins by itself, no address configuration over the network (no DHCP, no
// router solicitation, no duplicate address detection): the mesh assigns addresses.
package netstack

import (
	"fmt"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// nicID names the one interface of a stack.
const nicID tcpip.NICID = 1

// Config configures a stack. The zero value is ready for use.
type Config struct {
	// MTU is the largest IP packet in bytes that is not a superpacket; 0 means 1500. Smaller links on the path
	// announce themselves by ICMP.
	MTU int
}

// Stack is a TCP/IP stack. It is safe for concurrent use.
//
//	New -> open --Close--> closed
type Stack struct {
	ip   *stack.Stack
	link *linkEndpoint

	mu     sync.Mutex // guards what follows
	hosts  map[*Host]struct{}
	closed bool
}

// New makes a stack without hosts. Close releases it.
func New(cfg Config) (*Stack, error) {
	mtu := cfg.MTU
	if mtu == 0 {
		mtu = 1500
	}
	if mtu < header.IPv6MinimumMTU {
		return nil, fmt.Errorf("netstack: MTU %d is below the %d bytes that IPv6 needs", mtu, header.IPv6MinimumMTU)
	}
	s := &Stack{
		ip: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4Factory(), ipv6.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocolCUBIC, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
			Clock:              clock{tcpip.NewStdClock()},
			Stats:              allStats(),
			RandSource:         source{},
			IPTables:           acceptAll(),
		}),
		link:  newLinkEndpoint(mtu),
		hosts: make(map[*Host]struct{}),
	}
	if err := s.configure(); err != nil {
		s.ip.Destroy()
		return nil, fmt.Errorf("netstack: %w", err)
	}
	return s, nil
}

// configure tunes TCP and connects the stack to its link.
func (s *Stack) configure() error {
	if err := tuneTCP(s.ip); err != nil {
		return err
	}
	if err := s.ip.CreateNIC(nicID, s.link); err != nil {
		return fmt.Errorf("create the interface: %s", err)
	}
	s.ip.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nicID},
		{Destination: header.IPv6EmptySubnet, NIC: nicID},
	})
	return s.link.bindNetwork(s.ip)
}

// Close removes every host, resets their connections and waits for the stack's goroutines. It is idempotent.
func (s *Stack) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	hosts := make([]*Host, 0, len(s.hosts))
	for h := range s.hosts {
		hosts = append(hosts, h)
	}
	s.mu.Unlock()
	for _, h := range hosts {
		h.Close()
	}
	s.ip.Destroy()
	return nil
}

// toAddress converts to gVisor's form.
func toAddress(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// toFull converts to gVisor's form.
func toFull(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nicID, Addr: toAddress(a.Addr()), Port: a.Port()}
}

// protocolOf returns the network protocol of an address.
func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}
