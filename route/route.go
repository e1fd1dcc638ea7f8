// Package route finds least-cost paths over a graph of links and answers with next hops.
//
// A [Table] is immutable as far as anyone can see and safe for concurrent use. For each destination it holds
// a tree of next hops, computed when it is first asked for and kept: the mesh is rewired far more often than
// every pair of servers talks. [Table.All] computes them all.
//
// Costs are per direction and exact: latencies are summed in nanoseconds, 1/bandwidth in a small enough unit.
// Among paths of equal cost the one with the fewest links wins, then the one whose next hop has the lowest
// id, at every server on the way; paths therefore never loop and depend on the graph alone. Directions that
// are down are not used.
package route

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"meshsim/link"
	"meshsim/topo"
)

// bandwidthUnit is the cost of a link of 1 bit/s when bandwidth is maximised: large enough for the fastest to
// be told apart, small enough for the costs of 10,000 such links to be summed.
const bandwidthUnit = 100_000_000_000_000

// nanosPerMilli converts costs in nanoseconds to the milliseconds in which they are told.
const nanosPerMilli = 1e6

// Table answers which way packets go. Servers are named by their ids; a server without links is known only
// to itself.
type Table struct {
	cost   topo.Cost
	ids    []int // in order; everything below names servers by their index here
	index  index
	first  []int32 // the links into server i are into[first[i]:first[i+1]]
	into   []inbound
	trees  []lazyTree // by destination
	spaces sync.Pool  // of *workspace
}

// inbound is one direction of a link, kept with the server it leads to.
type inbound struct {
	from int32
	cost uint64
}

// lazyTree is computed once, by whoever asks first.
type lazyTree struct {
	once sync.Once
	tree atomic.Pointer[tree]
}

// New prepares the table of a graph. It computes no paths.
func New(g *topo.Graph, cost topo.Cost) *Table {
	t := &Table{cost: cost, ids: endsOf(g.Links)}
	t.index = newIndex(t.ids)
	t.trees = make([]lazyTree, len(t.ids))
	t.spaces.New = func() any { return newWorkspace(len(t.ids)) }
	t.connect(g.Links)
	return t
}

func endsOf(links []topo.Link) []int {
	ids := make([]int, 0, 2*len(links))
	for i := range links {
		ids = append(ids, links[i].A, links[i].B)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// connect sorts the directions of all links by where they lead.
func (t *Table) connect(links []topo.Link) {
	t.first = make([]int32, len(t.ids)+1)
	t.each(links, func(_, to int32, _ *link.Params) { t.first[to+1]++ })
	for i := range t.ids {
		t.first[i+1] += t.first[i]
	}
	t.into = make([]inbound, t.first[len(t.ids)])
	next := slices.Clone(t.first)
	t.each(links, func(from, to int32, p *link.Params) {
		t.into[next[to]] = inbound{from: from, cost: t.costOf(p)}
		next[to]++
	})
}

// each calls f for every direction that carries packets.
func (t *Table) each(links []topo.Link, f func(from, to int32, p *link.Params)) {
	for i := range links {
		l := &links[i]
		a, _ := t.index.of(l.A)
		b, _ := t.index.of(l.B)
		if !l.AB.Down {
			f(a, b, &l.AB)
		}
		if !l.BA.Down {
			f(b, a, &l.BA)
		}
	}
}

func (t *Table) costOf(p *link.Params) uint64 {
	if t.cost != topo.MaxBandwidth {
		return uint64(p.Delay)
	}
	return bandwidthUnit / uint64(topo.Counted(p.Rate))
}

// NextHop returns the neighbour to which from hands packets for to, and false where there is no path or the
// two are the same.
func (t *Table) NextHop(from, to int) (int, bool) {
	f, dst, ok := t.both(from, to)
	if !ok {
		return 0, false
	}
	next := t.toward(dst).next[f]
	if next < 0 {
		return 0, false
	}
	return t.ids[next], true
}

// Path returns the servers from one end to the other, both included, and false where there is no path. The
// slice is the caller's.
func (t *Table) Path(from, to int) ([]int, bool) {
	if from == to {
		return []int{from}, true
	}
	f, dst, ok := t.both(from, to)
	if !ok {
		return nil, false
	}
	tree := t.toward(dst)
	if tree.next[f] < 0 {
		return nil, false
	}
	path := []int{from}
	for at := f; at != dst; {
		at = tree.next[at]
		path = append(path, t.ids[at])
	}
	return path, true
}

// Cost returns the cost of the path from one server to another: the sum of the latencies in milliseconds, or
// the sum of 1/bandwidth in seconds per bit. It is false where there is no path.
func (t *Table) Cost(from, to int) (float64, bool) {
	if from == to {
		return 0, true
	}
	f, dst, ok := t.both(from, to)
	if !ok {
		return 0, false
	}
	tree := t.toward(dst)
	if tree.next[f] < 0 {
		return 0, false
	}
	var sum uint64
	for at := f; at != dst; at = tree.next[at] {
		sum += t.costBetween(at, tree.next[at])
	}
	if t.cost == topo.MaxBandwidth {
		return float64(sum) / bandwidthUnit, true
	}
	return float64(sum) / nanosPerMilli, true
}

// All computes the paths between all pairs, on all processors.
func (t *Table) All() {
	var next atomic.Int32
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				dst := next.Add(1) - 1
				if int(dst) >= len(t.ids) {
					return
				}
				t.toward(dst)
			}
		})
	}
	workers.Wait()
}

// both returns the indices of two different servers that have links.
func (t *Table) both(from, to int) (int32, int32, bool) {
	f, okFrom := t.index.of(from)
	dst, okTo := t.index.of(to)
	return f, dst, okFrom && okTo && f != dst
}

// costBetween returns the cost of the direction from one server to its neighbour.
func (t *Table) costBetween(from, to int32) uint64 {
	for _, in := range t.into[t.first[to]:t.first[to+1]] {
		if in.from == from {
			return in.cost
		}
	}
	panic("route: a tree uses a link that the graph does not have")
}

// toward returns the tree of a destination.
func (t *Table) toward(dst int32) *tree {
	lazy := &t.trees[dst]
	if tree := lazy.tree.Load(); tree != nil {
		return tree
	}
	lazy.once.Do(func() {
		space := t.spaces.Get().(*workspace)
		lazy.tree.Store(t.compute(dst, space))
		t.spaces.Put(space)
	})
	return lazy.tree.Load()
}
