package topo

import "meshsim/link"

// Link is one link of a graph with the parameters in force.
type Link struct {
	Pair
	AB, BA link.Params
}

// Graph is the set of links between servers. It is immutable and safe for concurrent use.
type Graph struct {
	Links []Link // ordered by A, then B
}
