package topo

import (
	"cmp"
	"math"
	"slices"
	"time"

	"meshsim/link"
)

// rank orders the servers that one server may link to: the cost in force, then latency (so that where
// bandwidths are equal the near ones are chosen), then id.
type rank struct {
	cost    int64
	latency time.Duration
	id      int
}

func (r rank) compare(q rank) int {
	return cmp.Or(cmp.Compare(r.cost, q.cost), cmp.Compare(r.latency, q.latency), cmp.Compare(r.id, q.id))
}

// rank ranks one direction of a link, and is false where it is outside the limits.
func (s *Settings) rank(latency time.Duration, rate link.BitRate, id int) (rank, bool) {
	rate = Counted(rate)
	if latency >= s.MaxLatency || rate <= s.MinBandwidth {
		return rank{}, false
	}
	r := rank{cost: int64(latency), latency: latency, id: id}
	if s.Cost == MaxBandwidth {
		r.cost = -int64(rate) // orders like 1/bandwidth, exactly
	}
	return r, true
}

// rankPair ranks a pair by the better of its two directions: somebody who pins one direction to something
// bad wants to see what it does, not to see the link vanish. The pair is a candidate while either direction
// is.
func (s *Settings) rankPair(geometric time.Duration, pins *LinkPins, id int) (rank, bool) {
	derived := s.bandwidth(geometric)
	ab, okAB := s.rank(or(pins.AB.Latency, geometric), or(pins.AB.Bandwidth, derived), id)
	ba, okBA := s.rank(or(pins.BA.Latency, geometric), or(pins.BA.Bandwidth, derived), id)
	if !okAB || okBA && ba.compare(ab) < 0 {
		return ba, okBA
	}
	return ab, true
}

// ranked says whether a pin changes which links are chosen.
func (p *LinkPins) ranked() bool {
	return p.AB.Latency != nil || p.AB.Bandwidth != nil || p.BA.Latency != nil || p.BA.Bandwidth != nil
}

func distance(a, b *Node) float64 {
	dx, dy := a.X-b.X, a.Y-b.Y
	return math.Sqrt(dx*dx + dy*dy)
}

// nearest is a list of at most limit ranks, best first.
type nearest struct {
	limit int
	list  []rank
}

// full says whether only something better than the last still gets in.
func (n *nearest) full() bool { return len(n.list) == n.limit }

func (n *nearest) last() rank { return n.list[len(n.list)-1] }

func (n *nearest) offer(r rank) {
	if n.full() {
		if r.compare(n.last()) >= 0 {
			return
		}
		n.list = n.list[:len(n.list)-1]
	}
	i := len(n.list)
	for i > 0 && r.compare(n.list[i-1]) < 0 {
		i--
	}
	n.list = slices.Insert(n.list, i, r)
}
