package fabric

import (
	"net/netip"

	"meshsim/link"
)

// node is a place of the network: it forwards, and may have a port. Guarded by Fabric.mu.
type node struct {
	id    NodeID
	name  string
	out   map[NodeID]*direction // by neighbour
	port  *Attachment           // nil where nothing is attached
	addr4 netip.Addr            // its own, the source of its ICMP errors; zero where it has none
	addr6 netip.Addr
	// computed is the count of the router (Fabric.routes) that has been asked for the way to this node.
	computed uint64
	drops    Drops
	errors   errorBudget
	taps     []*tap
}

// nodeLocked returns the node called id, making it where it does not exist.
func (f *Fabric) nodeLocked(id NodeID) *node {
	n := f.nodes[id]
	if n == nil {
		n = &node{id: id, out: make(map[NodeID]*direction)}
		f.nodes[id] = n
	}
	return n
}

// releaseLocked forgets a node that has neither port nor links. Packets on their way to it keep it alive for
// as long as they need it.
func (f *Fabric) releaseLocked(n *node) {
	if n.port != nil || len(n.out) > 0 {
		return
	}
	delete(f.nodes, n.id)
	for _, t := range n.taps {
		t.end()
	}
}

// direction is one direction of a link with the packets that are on their way over it. Guarded by Fabric.mu.
type direction struct {
	from, to *node
	wire     *wire
	side     side
	shaper   *link.Shaper
	whole    bool // superpackets may cross whole
	mtu      int
	flights  flightQueue
	place    int // in Fabric.due, -1 when not there
	counters counters
}

// wire is a link: both its directions. The identity never changes.
type wire struct {
	id   LinkID
	dirs [2]*direction // by link.Direction
	taps []*tap
}

// set puts new parameters in force.
func (d *direction) set(p link.Params) {
	d.shaper.Set(p)
	d.whole = p.Unimpaired()
	d.mtu = p.EffectiveMTU()
}

// flight is a packet inside the fabric.
type flight struct {
	Packet
	dst     *node
	sent    link.Instant // when it was admitted to the link that it is on
	arrives link.Instant // at the end of that link
	order   uint64       // of admission, over all links
	damaged bool         // the medium has flipped a bit: its header is not to be trusted
}

func (p *flight) super() bool { return p.SegmentSize > 0 }

// flightQueue holds packets by arrival and, where that is equal, in the order in which they were pushed.
type flightQueue struct {
	items []flight
	head  int
}

func (q *flightQueue) len() int       { return len(q.items) - q.head }
func (q *flightQueue) first() *flight { return &q.items[q.head] }

// push is constant in time for packets that keep their order; one that overtakes k others costs k.
func (q *flightQueue) push(p flight) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, p)
	i := len(q.items) - 1
	for i > q.head && q.items[i-1].arrives > p.arrives {
		q.items[i] = q.items[i-1]
		i--
	}
	q.items[i] = p
}

// keepFlights is the capacity up to which an empty queue keeps its memory.
const keepFlights = 64

func (q *flightQueue) pop() flight {
	p := q.items[q.head]
	q.items[q.head] = flight{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > keepFlights {
			q.items = nil
		}
	}
	return p
}
