// Package topo turns the canvas into a network: positions, settings and pins go in, a graph of links comes
// out.
//
// The meanings are those of CONTRACTS.md, "What the canvas means". A [Graph] is immutable; an edit makes a
// new one, and [Diff] says what changed. Candidate pairs are found with a k-d tree, so that the time to build
// the graph of n servers grows like n log n however they crowd together.
package topo

import (
	"time"

	"meshsim/link"
)

// Cost is what routes minimise.
type Cost string

// The cost functions, by their names in the original's interface.
const (
	MinLatency   Cost = "cost_min_latency"   // the sum of latencies
	MaxBandwidth Cost = "cost_max_bandwidth" // the sum of 1/bandwidth
)

// Settings are what holds for the whole mesh.
type Settings struct {
	Bandwidth      link.BitRate  // of a link of length 0, or of every link without decay
	DecayBandwidth bool          // bandwidth falls linearly with distance
	MaxLatency     time.Duration // a pair at or above it is not linked
	MinBandwidth   link.BitRate  // a pair at or below it is not linked; 0 is no minimum
	Jitter         Percent       // of each link's latency, 0 to 100
	Loss           Percent       // 0 to 100
	Cost           Cost
	LatencyScale   Percent // 100: one pixel is one millisecond
	Neighbours     int     // how many nearest servers each one links to; 0: only pairs pinned as linked

	ClientLatency   time.Duration // of the link between a server and its clients
	ClientBandwidth link.BitRate
	ClientJitter    Percent
	ClientLoss      Percent
}

// Defaults are the settings of a new mesh (ORIGINAL.md, globals).
func Defaults() Settings {
	return Settings{
		Bandwidth:       512_000,
		DecayBandwidth:  true,
		MaxLatency:      300 * time.Millisecond,
		Cost:            MinLatency,
		LatencyScale:    100,
		Neighbours:      5,
		ClientBandwidth: 512_000,
	}
}
