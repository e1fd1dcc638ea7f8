package netstack

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"meshsim/fabric"
)

// attachment is what a host holds of the fabric; *fabric.Attachment is one.
type attachment interface {
	fabric.Sender
	Close()
}

// Host is one node of the fabric, hosted by a stack. It is safe for concurrent use.
//
//	Add -> attached --Close--> closed
type Host struct {
	stack *Stack
	addrs []netip.Addr
	wire  attachment

	icmpMu sync.Mutex                  // held to change the list
	icmp   atomic.Pointer[[]*icmpConn] // open sockets; nil for none

	closing sync.Once
	done    chan struct{}
}

// Add gives the stack a host with the addresses of cfg and attaches it to f. Close removes it.
func (s *Stack) Add(f *fabric.Fabric, cfg fabric.NodeConfig) (*Host, error) {
	return s.add(cfg, func(cfg fabric.NodeConfig, port fabric.Port) (attachment, error) {
		return f.Attach(cfg, port)
	})
}

func (s *Stack) add(cfg fabric.NodeConfig, attach func(fabric.NodeConfig, fabric.Port) (attachment, error)) (*Host, error) {
	if len(cfg.Addrs) == 0 {
		return nil, errors.New("netstack: a host needs an address")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("netstack: the stack is closed")
	}
	h := &Host{stack: s, addrs: slices.Clone(cfg.Addrs), done: make(chan struct{})}
	if err := h.assign(); err != nil {
		return nil, err
	}
	wire, err := attach(cfg, h)
	if err != nil {
		h.unassign(h.addrs)
		return nil, fmt.Errorf("netstack: attach %v: %w", h.addrs[0], err)
	}
	h.wire = wire
	s.link.addSender(h.addrs, wire)
	s.hosts[h] = struct{}{}
	return h, nil
}

// assign gives the host's addresses to the interface, all or none.
func (h *Host) assign() error {
	for i, a := range h.addrs {
		protocolAddress := tcpip.ProtocolAddress{Protocol: protocolOf(a), AddressWithPrefix: toAddress(a).WithPrefix()}
		if err := h.stack.ip.AddProtocolAddress(nicID, protocolAddress, stack.AddressProperties{}); err != nil {
			h.unassign(h.addrs[:i])
			return fmt.Errorf("netstack: assign %v: %s", a, err)
		}
	}
	return nil
}

func (h *Host) unassign(addrs []netip.Addr) {
	for _, a := range addrs {
		// The only error is that the address is not there, which is what is wanted.
		_ = h.stack.ip.RemoveAddress(nicID, toAddress(a))
	}
}

// Deliver implements fabric.Port.
func (h *Host) Deliver(batch []fabric.Packet) {
	for _, p := range batch {
		h.overhear(p.Data)
		h.stack.link.deliver(p)
	}
}

// Addrs returns the host's addresses.
func (h *Host) Addrs() []netip.Addr { return slices.Clone(h.addrs) }

// Close resets the host's connections, closes its listeners, and takes the host out of the fabric. It is
// idempotent and returns after everything has ended, in every caller.
func (h *Host) Close() {
	h.closing.Do(func() {
		defer close(h.done)
		h.abortEndpoints()
		h.stack.link.removeSender(h.addrs)
		h.unassign(h.addrs)
		h.wire.Close()
		h.stack.mu.Lock()
		delete(h.stack.hosts, h)
		h.stack.mu.Unlock()
	})
	<-h.done
}

// abortEndpoints ends every endpoint of the host, also those that nobody holds any more (a connection that was
// closed and still waits for its last acknowledgement). Peers are told by a reset.
func (h *Host) abortEndpoints() {
	mine := make(map[tcpip.Address]bool, len(h.addrs))
	for _, a := range h.addrs {
		mine[toAddress(a)] = true
	}
	for _, registered := range h.stack.ip.RegisteredEndpoints() {
		endpoint, ok := registered.(tcpip.Endpoint)
		if !ok {
			continue
		}
		if local, err := endpoint.GetLocalAddress(); err == nil && mine[local.Addr] {
			endpoint.Abort()
		}
	}
}

// local returns the host's address of the same family as peer.
func (h *Host) local(peer netip.Addr) (netip.Addr, error) {
	for _, a := range h.addrs {
		if a.Is4() == peer.Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("netstack: host %v has no address of the family of %v", h.addrs[0], peer)
}
