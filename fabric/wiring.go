package fabric

import (
	"net/netip"

	"meshsim/link"
)

// NodeConfig describes a node that has a port. Links may name nodes that have none: packets for such a node
// are dropped as [link.DropPortClosed], and it forwards like any other.
type NodeConfig struct {
	ID    NodeID
	Name  string       // for captures and counters
	Addrs []netip.Addr // no other node may have any of them
}

// LinkID names a link by its two ends; A < B.
type LinkID struct{ A, B NodeID }

// LinkConfig is a link with the parameters of both directions.
type LinkConfig struct {
	LinkID
	AB, BA link.Params
}

// Change is an edit of the network, applied as one: no packet sees half of it.
//
// A link that stays keeps its queues, counters and random sequence, and what is in flight keeps its
// schedule. What is in flight on a removed link is dropped and counted as [link.DropRewired].
type Change struct {
	Set    []LinkConfig // added, or changed where they exist
	Remove []LinkID
	Router Router // nil keeps the router in force
}
