package fabric

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"meshsim/link"
)

// Drops counts dropped packets by reason.
type Drops [link.DropReasons]uint64

// Total is the number of dropped packets.
func (d Drops) Total() uint64 {
	var n uint64
	for _, c := range d {
		n += c
	}
	return n
}

// DirectionStats are the totals of one direction of a link since it was added. A superpacket counts as the
// segments that it stands for.
type DirectionStats struct {
	Packets    uint64 // taken by the link, and not lost by it
	Bytes      uint64 // of those, IP headers included
	Drops      Drops  // what the link refused or lost; not part of Packets
	Duplicated uint64 // copies made, not part of Packets
	Corrupted  uint64
	Reordered  uint64

	QueueBytes int // waiting for their transmission to end, now
	InFlight   int // packets and superpackets queued or under way, now

	Fidelity Fidelity
}

// Fidelity compares the delay that was asked for, queueing included, with the one that packets had. It
// leaves out packets that had no delay at all.
type Fidelity struct {
	Requested time.Duration // sum over all packets
	Achieved  time.Duration // sum over all packets
	Lateness  Lateness      // of each packet
}

// LinkStats are the totals of both directions of a link.
type LinkStats struct {
	LinkID
	AB, BA DirectionStats
}

// NodeStats are what a node has dropped itself: packets that its port sent and that could not enter the
// network (no route, malformed, ...), that it could not forward, or that its port did not take.
type NodeStats struct {
	ID    NodeID
	Name  string
	Drops Drops
}

// Totals are sums over the whole network since it was made; unlike the sums over links they never go back.
type Totals struct {
	Drops    Drops
	Lateness Lateness // of every packet at the end of every link
}

// counters are a direction's. Guarded by Fabric.mu.
type counters struct {
	packets, bytes                   uint64
	drops                            Drops
	duplicated, corrupted, reordered uint64
	fidelity                         *Fidelity // nil until the first delayed packet
}

// arrived records a packet that was sent at sent, was to arrive at due and does at now.
func (c *counters) arrived(sent, due, now link.Instant) {
	if c.fidelity == nil {
		c.fidelity = new(Fidelity)
	}
	c.fidelity.Requested += due.Sub(sent)
	c.fidelity.Achieved += now.Sub(sent)
	c.fidelity.Lateness.add(now.Sub(due))
}

// statsLocked fills s in.
func (d *direction) statsLocked(s *DirectionStats, now link.Instant) {
	c := &d.counters
	*s = DirectionStats{
		Packets: c.packets, Bytes: c.bytes, Drops: c.drops,
		Duplicated: c.duplicated, Corrupted: c.corrupted, Reordered: c.reordered,
		QueueBytes: d.shaper.Queued(now), InFlight: d.flights.len(),
	}
	if c.fidelity != nil {
		s.Fidelity = *c.fidelity
	}
}

func (w *wire) statsLocked(s *LinkStats, now link.Instant) {
	s.LinkID = w.id
	w.dirs[link.AB].statsLocked(&s.AB, now)
	w.dirs[link.BA].statsLocked(&s.BA, now)
}

// LinkStats returns the totals of a link, and false where there is no such link.
func (f *Fabric) LinkStats(id LinkID) (LinkStats, bool) {
	var s LinkStats
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.links[id]
	if w == nil {
		return s, false
	}
	w.statsLocked(&s, f.clock.Now())
	return s, true
}

// statsChunk is how many links are read under one lock, so that reading thousands delays no packet.
const statsChunk = 32

// EachLink calls visit with the totals of every link, ordered by id. The value is valid until visit returns.
// A link removed meanwhile may or may not be visited. The fabric is not locked during visit.
func (f *Fabric) EachLink(visit func(*LinkStats)) {
	order := f.listLinks()
	var chunk [statsChunk]LinkStats
	for len(order) > 0 {
		n := min(len(order), statsChunk)
		f.readLinks(order[:n], chunk[:n])
		for i := range chunk[:n] {
			visit(&chunk[i])
		}
		order = order[n:]
	}
}

// listLinks returns all links by id. Sorting them does not hold the lock.
func (f *Fabric) listLinks() []*wire {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.order != nil {
		return f.order
	}
	edits := f.edits
	order := slices.AppendSeq(make([]*wire, 0, len(f.links)), maps.Values(f.links))
	f.mu.Unlock()
	slices.SortFunc(order, func(a, b *wire) int {
		return cmp.Or(cmp.Compare(a.id.A, b.id.A), cmp.Compare(a.id.B, b.id.B))
	})
	f.mu.Lock()
	if edits == f.edits {
		f.order = order
	}
	return order
}

func (f *Fabric) readLinks(wires []*wire, into []LinkStats) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	for i, w := range wires {
		w.statsLocked(&into[i], now)
	}
}

// NodeStats returns the totals of a node, and false where it has neither port nor links.
func (f *Fabric) NodeStats(id NodeID) (NodeStats, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[id]
	if n == nil {
		return NodeStats{}, false
	}
	return NodeStats{ID: id, Name: n.name, Drops: n.drops}, true
}

// Totals returns the sums over the whole network.
func (f *Fabric) Totals() Totals {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.totals
}
