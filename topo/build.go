package topo

import (
	"cmp"
	"slices"
)

// Build returns the graph of the given servers. Every server chooses the nearest [Settings.Neighbours] of
// its candidates, and a link exists when either end chose it.
//
// A pair is a candidate when, pins included, its latency is below the maximum and its bandwidth above the
// minimum in at least one direction. "Nearest" is by the cost in force, for a pair whose directions differ by
// the better one; equal costs are told apart by latency, then by id. A pin changes only what it pins, and
// pins of servers that are not among nodes mean nothing. A cut link is chosen as if it were whole, and is
// down.
//
// Settings and pins must be valid and the ids of nodes distinct. The result depends on nothing else, not even
// on the order of nodes.
func Build(s Settings, nodes []Node, pins map[Pair]LinkPins) *Graph {
	b := &builder{settings: &s, nodes: slices.Clone(nodes), pins: pins}
	slices.SortFunc(b.nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	b.index()
	b.tree = newKDTree(&s, b.nodes)
	return b.graph(b.choose())
}

type builder struct {
	settings *Settings
	nodes    []Node // by id
	byID     map[int]int
	pins     map[Pair]LinkPins
	pinned   map[int][]int // by id: the other ends of pairs ranked by their pins, in order
	tree     *kdTree
}

func (b *builder) index() {
	b.byID = make(map[int]int, len(b.nodes))
	for i := range b.nodes {
		b.byID[b.nodes[i].ID] = i
	}
	b.pinned = make(map[int][]int)
	for pair, pins := range b.pins {
		if pins.ranked() && b.has(pair) {
			b.pinned[pair.A] = append(b.pinned[pair.A], pair.B)
			b.pinned[pair.B] = append(b.pinned[pair.B], pair.A)
		}
	}
	for _, others := range b.pinned {
		slices.Sort(others)
	}
}

func (b *builder) has(p Pair) bool {
	_, a := b.byID[p.A]
	_, z := b.byID[p.B]
	return a && z
}

// choose returns the pairs that either end chose, in order.
func (b *builder) choose() []Pair {
	limit := min(b.settings.Neighbours, max(len(b.nodes)-1, 0))
	chosen := make([]Pair, 0, len(b.nodes)*limit)
	if limit == 0 {
		return chosen
	}
	near := nearest{limit: limit, list: make([]rank, 0, limit)}
	best := nearest{limit: limit, list: make([]rank, 0, limit)}
	for i := range b.nodes {
		center := &b.nodes[i]
		for _, r := range b.chooseFor(center, &near, &best) {
			chosen = append(chosen, PairOf(center.ID, r.id))
		}
	}
	slices.SortFunc(chosen, Pair.Compare)
	return slices.Compact(chosen)
}

// chooseFor returns what one server chooses; near and best are room to work in. Among pairs that no pin
// ranks, nearer on the canvas is better by either cost, so the limit nearest of them are enough.
func (b *builder) chooseFor(center *Node, near, best *nearest) []rank {
	pinned := b.pinned[center.ID]
	near.list, best.list = near.list[:0], best.list[:0]
	b.tree.nearest(center, pinned, near)
	for _, n := range near.list {
		if r, ok := b.settings.rank(n.latency, b.settings.bandwidth(n.latency), n.id); ok {
			best.offer(r)
		}
	}
	for _, id := range pinned {
		pins := b.pins[PairOf(center.ID, id)]
		geometric := b.settings.latency(distance(center, &b.nodes[b.byID[id]]))
		if r, ok := b.settings.rankPair(geometric, &pins, id); ok {
			best.offer(r)
		}
	}
	return best.list
}

func (b *builder) graph(pairs []Pair) *Graph {
	links := make([]Link, len(pairs))
	for i, p := range pairs {
		geometric := b.settings.latency(distance(&b.nodes[b.byID[p.A]], &b.nodes[b.byID[p.B]]))
		pins := b.pins[p]
		links[i] = Link{
			Pair: p,
			AB:   b.settings.direction(geometric, &pins.AB, pins.Cut),
			BA:   b.settings.direction(geometric, &pins.BA, pins.Cut),
		}
	}
	return &Graph{Links: links}
}
