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
// down. A pair that is pinned as linked is linked whatever the limits, beside the links that its ends choose.
//
// Settings and pins must be valid and the ids of nodes distinct. The result depends on nothing else, not even
// on the order of nodes.
func Build(s Settings, nodes []Node, pins map[Pair]LinkPins) *Graph {
	b := newBuilder(s, nodes, pins)
	return b.graph(b.choose())
}

// CountLinks is how many links [Build] makes of the same, for a small part of the memory.
func CountLinks(s Settings, nodes []Node, pins map[Pair]LinkPins) int {
	return len(newBuilder(s, nodes, pins).choose())
}

func newBuilder(s Settings, nodes []Node, pins map[Pair]LinkPins) *builder {
	b := &builder{settings: &s, nodes: slices.Clone(nodes), pins: pins}
	slices.SortFunc(b.nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	b.index()
	b.tree = newKDTree(&s, b.placed)
	return b
}

// builder names servers by their place in nodes, which orders them like their ids.
type builder struct {
	settings *Settings
	nodes    []Node // by id
	placed   []Node // the same, with their places for ids
	pins     map[Pair]LinkPins
	pinned   [][]int // by place: the other ends of pairs ranked by their pins, in order; nil where there are none
	linked   []choice
	tree     *kdTree
}

func (b *builder) index() {
	b.placed = slices.Clone(b.nodes)
	for place := range b.placed {
		b.placed[place].ID = place
	}
	b.pinned = make([][]int, len(b.nodes))
	for pair, pins := range b.pins {
		x, okX := b.place(pair.A)
		y, okY := b.place(pair.B)
		if !okX || !okY {
			continue
		}
		if pins.Linked {
			b.linked = append(b.linked, choiceOf(x, y))
		}
		if pins.Linked || pins.ranked() {
			b.pinned[x] = append(b.pinned[x], y)
			b.pinned[y] = append(b.pinned[y], x)
		}
	}
	for _, others := range b.pinned {
		slices.Sort(others)
	}
}

func (b *builder) place(id int) (int, bool) {
	return slices.BinarySearchFunc(b.nodes, id, func(n Node, id int) int { return cmp.Compare(n.ID, id) })
}

// choice is a pair of places, the lower one in the upper half, so that choices sort like pairs.
type choice uint64

func choiceOf(x, y int) choice {
	if x > y {
		x, y = y, x
	}
	return choice(x)<<32 | choice(y)
}

func (c choice) places() (x, y int) { return int(c >> 32), int(c & (1<<32 - 1)) }

// choose returns the pairs that are linked, in order.
func (b *builder) choose() []choice {
	chosen := append(b.nearest(), b.linked...)
	slices.Sort(chosen)
	return slices.Compact(chosen)
}

// nearest returns the pairs that either end chose, those that both chose twice.
func (b *builder) nearest() []choice {
	limit := min(b.settings.Neighbours, max(len(b.nodes)-1, 0))
	chosen := make([]choice, 0, len(b.nodes)*limit)
	if limit == 0 {
		return chosen
	}
	near := nearest{limit: limit, list: make([]rank, 0, limit)}
	best := nearest{limit: limit, list: make([]rank, 0, limit)}
	for place := range b.placed {
		for _, r := range b.chooseFor(place, &near, &best) {
			chosen = append(chosen, choiceOf(place, r.id))
		}
	}
	return chosen
}

// chooseFor returns what one server chooses; near and best are room to work in. Among pairs that no pin
// ranks, nearer on the canvas is better by either cost, so the limit nearest of them are enough.
func (b *builder) chooseFor(place int, near, best *nearest) []rank {
	center, pinned := &b.placed[place], b.pinned[place]
	near.list, best.list = near.list[:0], best.list[:0]
	b.tree.nearest(center, pinned, near)
	for _, n := range near.list {
		if r, ok := b.settings.rank(n.latency, b.settings.bandwidth(n.latency), n.id); ok {
			best.offer(r)
		}
	}
	for _, other := range pinned {
		pins := b.pins[PairOf(b.nodes[place].ID, b.nodes[other].ID)]
		if pins.Linked {
			continue
		}
		geometric := b.settings.latency(distance(center, &b.nodes[other]))
		if r, ok := b.settings.rankPair(geometric, &pins, other); ok {
			best.offer(r)
		}
	}
	return best.list
}

func (b *builder) graph(chosen []choice) *Graph {
	links := make([]Link, len(chosen))
	var unpinned Pin
	for i, c := range chosen {
		x, y := c.places()
		l := &links[i]
		l.Pair = Pair{A: b.nodes[x].ID, B: b.nodes[y].ID}
		geometric := b.settings.latency(distance(&b.nodes[x], &b.nodes[y]))
		pins, ok := b.pins[l.Pair]
		if !ok {
			l.AB = b.settings.direction(geometric, &unpinned, false)
			l.BA = l.AB
			continue
		}
		l.AB = b.settings.direction(geometric, &pins.AB, pins.Cut)
		l.BA = b.settings.direction(geometric, &pins.BA, pins.Cut)
	}
	return &Graph{Links: links}
}
