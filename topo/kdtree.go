package topo

import (
	"cmp"
	"math"
	"slices"
)

// leafSize is how many servers a leaf holds at most: below it, looking at all beats descending further.
const leafSize = 8

// kdTree finds the nearest servers. The servers of every subtree stand side by side in nodes, the lower half
// along the axis first.
type kdTree struct {
	settings *Settings
	nodes    []Node
	splits   []split // by the middle of the subtree's range of nodes
}

// split is where a subtree is divided.
type split struct {
	vertical bool // along y
	at       float64
	low      [2]int // the lowest ids of both halves
}

func newKDTree(s *Settings, nodes []Node) *kdTree {
	t := &kdTree{settings: s, nodes: slices.Clone(nodes), splits: make([]split, len(nodes))}
	t.divide(0, len(nodes))
	return t
}

// divide builds a subtree and returns the lowest id in it.
func (t *kdTree) divide(lo, hi int) int {
	if hi-lo <= leafSize {
		return lowestID(t.nodes[lo:hi])
	}
	part, mid := t.nodes[lo:hi], (lo+hi)/2
	vertical := height(part) > width(part)
	if vertical {
		slices.SortFunc(part, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Y, b.Y), cmp.Compare(a.ID, b.ID)) })
	} else {
		slices.SortFunc(part, func(a, b Node) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.ID, b.ID)) })
	}
	at := along(&t.nodes[mid], vertical)
	low := [2]int{t.divide(lo, mid), t.divide(mid, hi)}
	t.splits[mid] = split{vertical: vertical, at: at, low: low}
	return min(low[0], low[1])
}

func lowestID(nodes []Node) int {
	low := math.MaxInt
	for i := range nodes {
		low = min(low, nodes[i].ID)
	}
	return low
}

func along(n *Node, vertical bool) float64 {
	if vertical {
		return n.Y
	}
	return n.X
}

func width(nodes []Node) float64  { return extent(nodes, false) }
func height(nodes []Node) float64 { return extent(nodes, true) }

func extent(nodes []Node, vertical bool) float64 {
	low := along(&nodes[0], vertical)
	high := low
	for i := range nodes[1:] {
		v := along(&nodes[i+1], vertical)
		low, high = min(low, v), max(high, v)
	}
	return high - low
}

// nearest offers to found every server that is near enough to center and not in skip (ordered ids), ranked
// by latency alone.
func (t *kdTree) nearest(center *Node, skip []int, found *nearest) {
	t.visit(0, len(t.nodes), center, skip, found)
}

func (t *kdTree) visit(lo, hi int, center *Node, skip []int, found *nearest) {
	if hi-lo <= leafSize {
		t.offerAll(lo, hi, center, skip, found)
		return
	}
	mid := (lo + hi) / 2
	split := t.splits[mid]
	offset := along(center, split.vertical) - split.at
	if offset <= 0 { // among equal places, the lower ids stand in the lower half
		t.visit(lo, mid, center, skip, found)
		if t.mayHold(-offset, split.low[1], found) {
			t.visit(mid, hi, center, skip, found)
		}
		return
	}
	t.visit(mid, hi, center, skip, found)
	if t.mayHold(offset, split.low[0], found) {
		t.visit(lo, mid, center, skip, found)
	}
}

// mayHold says whether servers at a distance or farther, with an id or a higher one, can still be among the
// nearest.
func (t *kdTree) mayHold(distance float64, id int, found *nearest) bool {
	latency := t.settings.latency(distance)
	if latency >= t.settings.MaxLatency {
		return false
	}
	last := rank{cost: int64(latency), latency: latency, id: id}
	return !found.full() || last.compare(found.last()) < 0
}

func (t *kdTree) offerAll(lo, hi int, center *Node, skip []int, found *nearest) {
	for i := lo; i < hi; i++ {
		n := &t.nodes[i]
		if n.ID == center.ID {
			continue
		}
		latency := t.settings.latency(distance(center, n))
		if latency >= t.settings.MaxLatency || found.full() && latency > found.last().latency {
			continue
		}
		if _, skipped := slices.BinarySearch(skip, n.ID); skipped {
			continue
		}
		found.offer(rank{cost: int64(latency), latency: latency, id: n.ID})
	}
}
