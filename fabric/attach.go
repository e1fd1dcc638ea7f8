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

	// Guarded by Fabric.outMu.
	waiting int    // weight of what is in Fabric.out or taken from there and not in the network yet
	refused uint64 // packets for which there was no room, not counted as dropped yet
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

const (
	sendChunk  = 32   // packets that are put into the network under one lock
	enoughSent = 1024 // packets after which a sender need not look for more
)

// Bounds on the weight of what has been sent. A superpacket that is to be cut takes as long, and as much memory, as all
// of its segments, so that packets alone would bound neither.
const (
	sendLimit   = 16 << 20 // of what one port has sent and is not in the network: 7,000 packets, some 10 ms
	chunkWeight = 4 << 20  // of what is put into the network under one lock, unless one packet is heavier
)

// parsed is a packet whose header was read.
type parsed struct {
	Packet
	dst netip.Addr // not valid for a packet that is not well formed
}

// Send implements [Sender].
func (a *Attachment) Send(batch []Packet) {
	f := a.f
	f.outMu.Lock()
	for _, p := range batch {
		weight := p.weight()
		if a.waiting > 0 && a.waiting+weight > sendLimit {
			a.refused++
			Free(p.Data)
			continue
		}
		a.waiting += weight
		f.out = append(f.out, outgoing{a, parse(p), weight})
	}
	mine := !f.sending
	f.sending = true
	f.outMu.Unlock()
	if mine {
		f.sendOut()
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

// outgoing is a packet that has left its port and is not in the network yet.
type outgoing struct {
	from *Attachment
	parsed
	weight int
}

// weight is the memory that a packet takes in the network, in bytes: for a superpacket at most that of its segments.
func (p *Packet) weight() int {
	if p.SegmentSize == 0 {
		return footprint(p.Data)
	}
	segments := 1 + len(p.Data)/int(p.SegmentSize)
	return max(footprint(p.Data), segments*(buffer2K+flightSize))
}

// sendOut puts into the network what ports have sent, until there is nothing left. Whoever sends while another does so
// leaves its packets to that one: if thousands queued up for the fabric's lock instead, each would hold the lock of its
// TCP connection meanwhile, for which gVisor's goroutines spin, and on a busy machine nothing would get on any more.
func (f *Fabric) sendOut() {
	for sent := 0; sent < enoughSent; {
		f.outMu.Lock()
		batch := f.out
		f.out, f.sending = f.outSpare, len(batch) > 0
		f.outSpare = nil
		f.outMu.Unlock()
		if len(batch) == 0 {
			return
		}
		var slow []outgoing
		for rest := batch; len(rest) > 0; {
			n := chunkLength(rest)
			slow = append(slow, f.send(rest[:n])...)
			rest = rest[n:]
		}
		sent += len(batch)
		clear(batch)
		f.outMu.Lock()
		f.outSpare = batch[:0]
		f.outMu.Unlock()
		if len(slow) > 0 {
			f.handOver()
			f.sendSlow(slow)
			return
		}
	}
	f.handOver() // this sender has done enough for others
}

// chunkLength is how many of batch, at least one, are put into the network under one lock.
func chunkLength(batch []outgoing) int {
	weight := batch[0].weight
	for n := 1; n < min(len(batch), sendChunk); n++ {
		if weight += batch[n].weight; weight > chunkWeight {
			return n
		}
	}
	return min(len(batch), sendChunk)
}

// handOver lets another goroutine see to what ports have sent meanwhile.
func (f *Fabric) handOver() {
	f.outMu.Lock()
	defer f.outMu.Unlock()
	if f.sending = len(f.out) > 0; f.sending {
		go f.sendOut()
	}
}

// send puts packets into the network, and returns those for whose destination the router has to compute something
// first.
func (f *Fabric) send(chunk []outgoing) (slow []outgoing) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	for i := range chunk {
		if dst := f.addrs[chunk[i].dst]; dst != nil && f.unpreparedLocked(chunk[i].from.node, dst) {
			slow = append(slow, chunk[i])
			chunk[i].weight = 0 // sendSlow settles it
			continue
		}
		f.sendLocked(chunk[i].from, &chunk[i].parsed, now)
	}
	f.settleLocked(chunk)
	f.dispatchLocked()
	f.wakeLocked()
	return slow
}

// sendSlow puts packets into the network of which send said that they take the router's time.
func (f *Fabric) sendSlow(packets []outgoing) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	for i := range packets {
		f.sendLocked(packets[i].from, &packets[i].parsed, now)
	}
	f.settleLocked(packets)
	f.dispatchLocked()
	f.wakeLocked()
}

// settleLocked makes room for more from the ports whose packets are in the network now, and counts what they lost
// meanwhile. A port that has nothing waiting loses nothing, so that nothing stays uncounted.
func (f *Fabric) settleLocked(packets []outgoing) {
	f.outMu.Lock()
	defer f.outMu.Unlock()
	for i := range packets {
		a := packets[i].from
		a.waiting -= packets[i].weight
		if a.refused == 0 {
			continue
		}
		a.node.drops[link.DropOverload] += a.refused
		f.totals.Drops[link.DropOverload] += a.refused
		a.refused = 0
	}
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
