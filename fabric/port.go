// Package fabric is the user-space IP network of a mesh: nodes, links, forwarding, queues and one clock.
//
// A node has addresses and a [Port], through which packets enter and leave. Every packet is forwarded hop
// by hop as in a real network: each node on its way looks up the next hop, decrements the TTL and charges
// the packet to the shaper of that direction of the link. Time exceeded, unreachable and packet too big
// are answered as a router answers them. The clock is either real (an OS thread that wakes on time) or made
// of Go timers, which under testing/synctest is virtual time.
//
// The fabric knows nothing of Matrix, and a port may be on another machine: what crosses the boundary is
// bytes.
package fabric

import "meshsim/link"

// NodeID names a node of a fabric.
type NodeID uint32

// Packet is one IP packet, or one superpacket: a TCP segment larger than the MTU that stands for many.
type Packet struct {
	// Data starts with the IP header. Its length is the packet's length.
	Data []byte
	// SegmentSize is 0 for an ordinary packet. For a superpacket it is the TCP payload, in bytes, of each
	// segment that it stands for (the last may be shorter). Where every link of the path is unimpaired
	// it crosses whole and is counted as its segments; where one is not, the fabric cuts it up before that
	// link and every segment is judged by itself. Checksums of a superpacket are computed when it is cut.
	SegmentSize uint16
	// Ingress is when the packet entered the fabric. Set by the fabric; ports read it on delivery.
	Ingress link.Instant
	// Hops is how many links the packet has crossed. Set by the fabric.
	Hops uint8
}

// Port is what a node is attached by: a TCP/IP stack in this process, a TUN device, a tunnel to another
// shard.
type Port interface {
	// Deliver hands over packets that have arrived at the node, in order. It must not block and must not
	// call back into the fabric before it returns, except through Attachment.Send. The fabric gives up every
	// packet's Data (the port may return it with [Free]); the slice itself stays the fabric's. Calls for one
	// port never overlap.
	Deliver(batch []Packet)
}

// Sender is the other half of a port's attachment, implemented by [Attachment].
type Sender interface {
	// Send puts packets into the network at this node, in order. It takes ownership of every packet's Data,
	// also when the packet is dropped; the slice itself stays the caller's. It never blocks and is safe for
	// concurrent use. What becomes of a packet is counted, not returned, as on a wire.
	Send(batch []Packet)
}

// Router answers where packets go next. Implementations are immutable and safe for concurrent use;
// package route's tables are such.
type Router interface {
	// NextHop returns the neighbour of at that packets for dst go to, and false where there is no path.
	// at != dst.
	NextHop(at, dst NodeID) (NodeID, bool)
}
