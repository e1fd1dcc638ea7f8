package topo

import (
	"cmp"
	"slices"

	"meshsim/link"
)

// Node is a server to be wired.
type Node struct {
	ID   int
	X, Y float64 // pixels of the canvas at zoom 1
}

// Pair names a link by its ends; A < B.
type Pair struct{ A, B int }

// Link is one link of a graph with the parameters in force.
type Link struct {
	Pair
	AB, BA link.Params
}

// Graph is the set of links between servers. It is immutable and safe for concurrent use.
type Graph struct {
	Links []Link // ordered by A, then B
}

// PairOf names the link between two servers given in either order.
func PairOf(a, b int) Pair {
	if a > b {
		a, b = b, a
	}
	return Pair{A: a, B: b}
}

// Compare orders pairs by A, then B.
func (p Pair) Compare(q Pair) int {
	return cmp.Or(cmp.Compare(p.A, q.A), cmp.Compare(p.B, q.B))
}

// SortLinks puts links in the order in which a [Graph] holds them.
func SortLinks(links []Link) {
	slices.SortFunc(links, func(l, m Link) int { return l.Compare(m.Pair) })
}

// Link returns the link of a pair, and false where there is none.
func (g *Graph) Link(p Pair) (Link, bool) {
	i, found := slices.BinarySearchFunc(g.Links, p, func(l Link, p Pair) int { return l.Compare(p) })
	if !found {
		return Link{}, false
	}
	return g.Links[i], true
}

// From returns the parameters of the direction that leaves server id, which is one of the link's ends.
func (l Link) From(id int) link.Params {
	if id == l.A {
		return l.AB
	}
	return l.BA
}

// Diff says what turns one graph into another: the links to set (added, or with other parameters) and the
// links to remove, both in order.
func Diff(from, to *Graph) (set []Link, removed []Pair) {
	old, links := from.Links, to.Links
	for len(old) > 0 && len(links) > 0 {
		switch order := old[0].Compare(links[0].Pair); {
		case order < 0:
			removed = append(removed, old[0].Pair)
			old = old[1:]
		case order > 0:
			set = append(set, links[0])
			links = links[1:]
		default:
			if !links[0].equal(&old[0]) {
				set = append(set, links[0])
			}
			old, links = old[1:], links[1:]
		}
	}
	for _, l := range old {
		removed = append(removed, l.Pair)
	}
	return append(set, links...), removed
}

func (l *Link) equal(m *Link) bool {
	return sameParams(l.AB, m.AB) && sameParams(l.BA, m.BA)
}

// sameParams compares what the bursts say, not where they are kept.
func sameParams(p, q link.Params) bool {
	if p.Burst != nil && q.Burst != nil && *p.Burst == *q.Burst {
		p.Burst = q.Burst
	}
	return p == q
}
