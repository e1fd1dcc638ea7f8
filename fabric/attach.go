package fabric

import (
	"fmt"
	"net/netip"

	"meshsim/link"
)

// Attachment is a port's place in the network. It implements [Sender].
type Attachment struct {
	f     *Fabric
	node  *node
	port  Port
	addrs []netip.Addr

	// Guarded by Fabric.mu.
	inbox      inbox
	listed     bool // in Fabric.ready or Fabric.work
	delivering bool // port.Deliver is being called
	closed     bool
}

var _ Sender = (*Attachment)(nil)

// An AttachError says why a node could not be attached.
type AttachError struct {
	Node   NodeID
	Reason string
}

func (e *AttachError) Error() string {
	return fmt.Sprintf("cannot attach node %d: %s", e.Node, e.Reason)
}

// Attach puts a port into the network. From now on its addresses are known and packets for them reach it,
// as soon as links lead there. It fails with an *[AttachError] where the node has a port already or an
// address belongs to another, and with [ErrClosed].
func (f *Fabric) Attach(c NodeConfig, p Port) (*Attachment, error) {
	a := &Attachment{f: f, port: p}
	for _, addr := range c.Addrs {
		addr = addr.Unmap().WithZone("")
		if !oneHost(addr) || !addr.IsValid() {
			return nil, &AttachError{c.ID, fmt.Sprintf("%v is not the address of a host", addr)}
		}
		a.addrs = append(a.addrs, addr)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	if n := f.nodes[c.ID]; n != nil && n.port != nil {
		return nil, &AttachError{c.ID, "it has a port already; close that attachment first"}
	}
	for _, addr := range a.addrs {
		if owner := f.addrs[addr]; owner != nil {
			return nil, &AttachError{c.ID, fmt.Sprintf("address %v belongs to node %d", addr, owner.id)}
		}
	}
	f.attachLocked(a, c)
	return a, nil
}

func (f *Fabric) attachLocked(a *Attachment, c NodeConfig) {
	n := f.nodeLocked(c.ID)
	n.name, n.port, a.node = c.Name, a, n
	for _, addr := range a.addrs {
		f.addrs[addr] = n
		if addr.Is4() && !n.addr4.IsValid() {
			n.addr4 = addr
		}
		if addr.Is6() && !n.addr6.IsValid() {
			n.addr6 = addr
		}
	}
}

// Close takes the port out of the network: its addresses are gone, what was not delivered is dropped, and
// once it has returned the port is not called any more. Links stay, and the node forwards like before. It is
// idempotent and must not be called from Deliver.
func (a *Attachment) Close() {
	f := a.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if !a.closed {
		a.closed = true
		f.detachLocked(a)
	}
	for a.delivering {
		f.quiet.Wait()
	}
}

func (f *Fabric) detachLocked(a *Attachment) {
	n := a.node
	for _, addr := range a.addrs {
		delete(f.addrs, addr)
	}
	n.port, n.addr4, n.addr6 = nil, netip.Addr{}, netip.Addr{}
	for _, p := range a.inbox.take() {
		f.dropLocked(n, p.Data, link.DropPortClosed)
	}
	f.releaseLocked(n)
}

// sendChunk is how many packets are put into the network under one lock.
const sendChunk = 32

// parsed is a packet whose header was read.
type parsed struct {
	Packet
	dst netip.Addr // not valid for a packet that is not well formed
}

// Send implements [Sender].
func (a *Attachment) Send(batch []Packet) {
	var chunk [sendChunk]parsed
	for len(batch) > 0 {
		n := min(len(batch), sendChunk)
		for i, p := range batch[:n] {
			chunk[i] = parse(p)
		}
		a.f.send(a, chunk[:n])
		batch = batch[n:]
	}
}

// parse reads a packet's header and cuts off what follows the packet.
func parse(p Packet) parsed {
	h, ok := parseHeader(p.Data, p.SegmentSize > 0)
	if !ok {
		return parsed{Packet: p}
	}
	p.Data = p.Data[:h.total]
	return parsed{p, h.dst}
}

// send puts packets into the network at a.
func (f *Fabric) send(a *Attachment, chunk []parsed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	for i := range chunk {
		f.sendLocked(a, &chunk[i], now)
	}
	f.dispatchLocked()
	f.wakeLocked()
}

func (f *Fabric) sendLocked(a *Attachment, p *parsed, now link.Instant) {
	n := a.node
	n.captured(&p.Packet, sentByNode, now)
	if !p.dst.IsValid() {
		f.dropLocked(n, p.Data, link.DropMalformed)
		return
	}
	dst := f.addrs[p.dst]
	for dst != nil && f.prepareLocked(n, dst) {
		dst = f.addrs[p.dst]
	}
	switch {
	case f.closed || a.closed:
		f.dropLocked(n, p.Data, link.DropPortClosed)
	case dst == nil:
		f.refuseLocked(n, p.Data, errNoHost, now)
	default:
		f.enterLocked(n, p.Packet, dst, now)
	}
}
