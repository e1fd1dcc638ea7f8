package route

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshsim/link"
	"meshsim/topo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// oracle is Floyd-Warshall over exact costs and numbers of links.
type oracle struct {
	graph *topo.Graph
	cost  topo.Cost
	best  map[[2]int]label
}

func newOracle(g *topo.Graph, cost topo.Cost) *oracle {
	o := &oracle{graph: g, cost: cost, best: make(map[[2]int]label)}
	ids := endsOf(g.Links)
	for _, l := range g.Links {
		o.offer(l.A, l.B, o.direct(l.A, l.B))
		o.offer(l.B, l.A, o.direct(l.B, l.A))
	}
	for _, via := range ids {
		for _, from := range ids {
			for _, to := range ids {
				o.offer(from, to, join(o.between(from, via), o.between(via, to)))
			}
		}
	}
	return o
}

func (o *oracle) direct(from, to int) label {
	l, ok := o.graph.Link(topo.PairOf(from, to))
	if !ok || l.From(from).Down {
		return unreached
	}
	p := l.From(from)
	if o.cost == topo.MinLatency {
		return label{cost: uint64(p.Delay), hops: 1}
	}
	rate := uint64(p.Rate)
	if p.Rate == link.Unlimited {
		rate = 100e9
	}
	return label{cost: 1e14 / rate, hops: 1}
}

func join(a, b label) label {
	if a == unreached || b == unreached {
		return unreached
	}
	return label{cost: a.cost + b.cost, hops: a.hops + b.hops}
}

func (o *oracle) offer(from, to int, l label) {
	if from != to && l.less(o.between(from, to)) {
		o.best[[2]int{from, to}] = l
	}
}

func (o *oracle) between(from, to int) label {
	if from == to {
		return label{}
	}
	if l, ok := o.best[[2]int{from, to}]; ok {
		return l
	}
	return unreached
}

// nextHop is the lowest neighbour over which the best path leads.
func (o *oracle) nextHop(from, to int) (int, bool) {
	if from == to || o.between(from, to) == unreached {
		return 0, false
	}
	for _, via := range endsOf(o.graph.Links) {
		if via != from && join(o.direct(from, via), o.between(via, to)) == o.between(from, to) {
			return via, true
		}
	}
	panic("a path without a next hop")
}

// randomGraph has sparse ids, links with different directions, zero latencies, ties and cut links.
func randomGraph(r *rand.Rand, servers int) *topo.Graph {
	stride := 1 + r.IntN(200)
	links := make(map[topo.Pair]topo.Link)
	for range servers * 2 {
		a, b := r.IntN(servers)*stride, r.IntN(servers)*stride
		if a == b {
			continue
		}
		p := topo.PairOf(a, b)
		links[p] = topo.Link{Pair: p, AB: randomParams(r), BA: randomParams(r)}
	}
	g := &topo.Graph{}
	for _, l := range links {
		g.Links = append(g.Links, l)
	}
	topo.SortLinks(g.Links)
	return g
}

func randomParams(r *rand.Rand) link.Params {
	return link.Params{
		Delay: time.Duration(r.IntN(6)) * time.Millisecond,
		Rate:  link.BitRate(r.IntN(4)) * 100_000,
		Down:  r.IntN(10) == 0,
	}
}

func TestRoutesAgreeWithFloydWarshall(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		cost := topo.MinLatency
		if seed%2 == 1 {
			cost = topo.MaxBandwidth
		}
		g := randomGraph(r, 2+r.IntN(30))
		table, want := New(g, cost), newOracle(g, cost)
		if seed%3 == 0 {
			table.All()
		}
		for _, from := range endsOf(g.Links) {
			for _, to := range endsOf(g.Links) {
				comparePair(t, seed, table, want, from, to)
			}
		}
		if t.Failed() {
			return
		}
	}
}

func comparePair(t *testing.T, seed uint64, table *Table, want *oracle, from, to int) {
	t.Helper()
	next, ok := table.NextHop(from, to)
	if wantNext, wantOK := want.nextHop(from, to); next != wantNext || ok != wantOK {
		t.Errorf("seed %d: next hop from %d to %d is %d %v, want %d %v", seed, from, to, next, ok, wantNext, wantOK)
	}
	best := want.between(from, to)
	cost, ok := table.Cost(from, to)
	if ok != (best != unreached) {
		t.Errorf("seed %d: cost from %d to %d: %v", seed, from, to, ok)
	}
	unit := nanosPerMilli
	if want.cost == topo.MaxBandwidth {
		unit = bandwidthUnit
	}
	if ok && math.Abs(cost-float64(best.cost)/unit) > 1e-12*cost {
		t.Errorf("seed %d: cost from %d to %d is %g, want %g", seed, from, to, cost, float64(best.cost)/unit)
	}
	path, ok := table.Path(from, to)
	if ok != (best != unreached) || ok && len(path) != int(best.hops)+1 {
		t.Errorf("seed %d: path from %d to %d is %v, want %d links", seed, from, to, path, best.hops)
	}
	for i := range len(path) - 1 {
		if next, _ := table.NextHop(path[i], to); next != path[i+1] {
			t.Errorf("seed %d: path %v to %d does not follow the next hops", seed, path, to)
		}
	}
}

func TestServersWithoutLinks(t *testing.T) {
	table := New(&topo.Graph{}, topo.MinLatency)
	if path, ok := table.Path(4, 4); !ok || !slices.Equal(path, []int{4}) {
		t.Errorf("path to itself: %v %v", path, ok)
	}
	if cost, ok := table.Cost(4, 4); !ok || cost != 0 {
		t.Errorf("cost to itself: %v %v", cost, ok)
	}
	if _, ok := table.NextHop(4, 4); ok {
		t.Error("there is a next hop to itself")
	}
	for _, pair := range [][2]int{{4, 5}, {-1, 0}, {0, math.MaxInt}} {
		if _, ok := table.NextHop(pair[0], pair[1]); ok {
			t.Errorf("there is a next hop from %d to %d", pair[0], pair[1])
		}
	}
}

func TestUnlimitedCountsAsAHundredGigabit(t *testing.T) {
	// 0-1 direct at 60 Gbit/s is better than two unlimited links over 2, and worse than one.
	params := func(r link.BitRate) link.Params { return link.Params{Rate: r} }
	g := &topo.Graph{Links: []topo.Link{
		{Pair: topo.Pair{A: 0, B: 1}, AB: params(60e9), BA: params(40e9)},
		{Pair: topo.Pair{A: 0, B: 2}},
		{Pair: topo.Pair{A: 1, B: 2}},
	}}
	table := New(g, topo.MaxBandwidth)
	if next, _ := table.NextHop(0, 1); next != 1 {
		t.Errorf("0 reaches 1 by %d", next)
	}
	if next, _ := table.NextHop(1, 0); next != 2 {
		t.Errorf("1 reaches 0 by %d", next)
	}
}

func TestManyAskAtOnce(t *testing.T) {
	g := topo.Build(topo.Defaults(), spread(200), nil)
	table, quiet := New(g, topo.MinLatency), New(g, topo.MinLatency)
	var workers sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for to := range 200 {
				table.NextHop((to*7+1)%200, to)
			}
		})
	}
	workers.Wait()
	for from := range 200 {
		for to := range 200 {
			got, _ := table.NextHop(from, to)
			if want, _ := quiet.NextHop(from, to); got != want {
				t.Fatalf("from %d to %d: %d, want %d", from, to, got, want)
			}
		}
	}
}

func spread(n int) []topo.Node {
	r := rand.New(rand.NewPCG(1, 1))
	size := 60 * math.Sqrt(float64(n))
	nodes := make([]topo.Node, n)
	for i := range nodes {
		nodes[i] = topo.Node{ID: i, X: r.Float64() * size, Y: r.Float64() * size}
	}
	return nodes
}

// BenchmarkAllPairs is the figure to hold against the original's 5.28 s for 800 servers.
func BenchmarkAllPairs(b *testing.B) {
	for _, n := range []int{100, 400, 800} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := topo.Build(topo.Defaults(), spread(n), nil)
			b.ReportMetric(float64(len(g.Links)), "links")
			for b.Loop() {
				New(g, topo.MinLatency).All()
			}
		})
	}
}

func BenchmarkOneDestination(b *testing.B) {
	for _, n := range []int{800, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := New(topo.Build(topo.Defaults(), spread(n), nil), topo.MinLatency)
			space := newWorkspace(len(table.ids))
			for b.Loop() {
				table.compute(0, space)
			}
		})
	}
}

// BenchmarkRewire is what an edit costs before packets flow again: links, and the routes to ten destinations.
func BenchmarkRewire(b *testing.B) {
	for _, n := range []int{800, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			nodes := spread(n)
			for b.Loop() {
				nodes[0].X++
				table := New(topo.Build(topo.Defaults(), nodes, nil), topo.MinLatency)
				for to := range 10 {
					table.NextHop(n/2, to)
				}
			}
		})
	}
}

func BenchmarkNextHop(b *testing.B) {
	table := New(topo.Build(topo.Defaults(), spread(1000), nil), topo.MinLatency)
	table.All()
	i := 0
	for b.Loop() {
		table.NextHop(i%1000, (i*7+3)%1000)
		i++
	}
}
