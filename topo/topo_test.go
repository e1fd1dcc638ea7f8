package topo

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	gocmp "github.com/google/go-cmp/cmp"

	"meshsim/link"
)

// naiveLinks is Build's oracle: it looks at every pair, and follows the words of the contract.
func naiveLinks(s Settings, nodes []Node, pins map[Pair]LinkPins) []Pair {
	chosen := make(map[Pair]bool)
	for _, a := range nodes {
		type candidate struct {
			cost    float64
			latency time.Duration
			id      int
		}
		var candidates []candidate
		for _, b := range nodes {
			if a.ID == b.ID {
				continue
			}
			p := pins[PairOf(a.ID, b.ID)]
			if p.Linked {
				chosen[PairOf(a.ID, b.ID)] = true
				continue
			}
			geometric := s.latency(math.Sqrt((a.X-b.X)*(a.X-b.X) + (a.Y-b.Y)*(a.Y-b.Y)))
			var best *candidate
			for _, pin := range []Pin{p.AB, p.BA} {
				c := candidate{id: b.ID, latency: geometric}
				rate := s.bandwidth(geometric)
				if pin.Latency != nil {
					c.latency = *pin.Latency
				}
				if pin.Bandwidth != nil {
					rate = *pin.Bandwidth
				}
				if rate == link.Unlimited {
					rate = 100e9
				}
				if c.latency >= s.MaxLatency || rate <= s.MinBandwidth {
					continue
				}
				c.cost = float64(c.latency)
				if s.Cost == MaxBandwidth {
					c.cost = 1 / float64(rate)
				}
				if best == nil || c.cost < best.cost || c.cost == best.cost && c.latency < best.latency {
					best = &c
				}
			}
			if best != nil {
				candidates = append(candidates, *best)
			}
		}
		slices.SortFunc(candidates, func(c, d candidate) int {
			return cmp.Or(cmp.Compare(c.cost, d.cost), cmp.Compare(c.latency, d.latency), cmp.Compare(c.id, d.id))
		})
		for _, c := range candidates[:min(len(candidates), s.Neighbours)] {
			chosen[PairOf(a.ID, c.id)] = true
		}
	}
	pairs := make([]Pair, 0, len(chosen))
	for p := range chosen {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, Pair.Compare)
	return pairs
}

func pairsOf(g *Graph) []Pair {
	pairs := make([]Pair, len(g.Links))
	for i, l := range g.Links {
		pairs[i] = l.Pair
	}
	return pairs
}

// randomNodes spreads servers in one of the ways in which people do: evenly, in clusters, on a grid (many
// equal distances), or on one spot; ids are sparse.
func randomNodes(r *rand.Rand, n int) []Node {
	shape, size := r.IntN(4), 20*math.Sqrt(float64(n))*(1+4*r.Float64())
	nodes := make([]Node, n)
	id := 0
	for i := range nodes {
		id += 1 + r.IntN(3)
		x, y := r.Float64()*size, r.Float64()*size
		switch shape {
		case 1:
			x, y = float64(r.IntN(3))*1e5+r.Float64()*100, r.Float64()*100
		case 2:
			x, y = float64(r.IntN(12)*40), float64(r.IntN(12)*40)
		case 3:
			if r.IntN(4) > 0 {
				x, y = 7, 7
			}
		}
		nodes[i] = Node{ID: id, X: x, Y: y}
	}
	r.Shuffle(n, func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes
}

func randomSettings(r *rand.Rand) Settings {
	s := Defaults()
	s.Neighbours = r.IntN(9)
	s.DecayBandwidth = r.IntN(2) == 0
	s.LatencyScale = Percent(50 + r.IntN(100))
	s.MaxLatency = time.Duration(30+r.IntN(300)) * time.Millisecond
	if r.IntN(2) == 0 {
		s.Cost = MaxBandwidth
	}
	if r.IntN(3) == 0 {
		s.MinBandwidth = link.BitRate(r.IntN(500_000))
	}
	if r.IntN(5) == 0 {
		s.Bandwidth = link.Unlimited
	}
	return s
}

func randomPins(r *rand.Rand, nodes []Node) map[Pair]LinkPins {
	pins := make(map[Pair]LinkPins)
	for range r.IntN(2*len(nodes) + 1) {
		a, b := nodes[r.IntN(len(nodes))].ID, nodes[r.IntN(len(nodes))].ID
		if a == b {
			continue
		}
		p := LinkPins{Cut: r.IntN(10) == 0, Linked: r.IntN(6) == 0, AB: randomPin(r), BA: randomPin(r)}
		pins[PairOf(a, b)] = p
	}
	return pins
}

func randomPin(r *rand.Rand) (p Pin) {
	if r.IntN(2) == 0 {
		p.Latency = new(time.Duration(r.IntN(400)) * time.Millisecond)
	}
	if r.IntN(2) == 0 {
		p.Bandwidth = new(link.BitRate(r.IntN(1_000_000)))
	}
	if r.IntN(4) == 0 {
		p.Jitter = new(Percent(r.IntN(100)))
	}
	return p
}

func TestBuildChoosesLikeTheNaiveOne(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		nodes := randomNodes(r, 1+r.IntN(120))
		s, pins := randomSettings(r), randomPins(r, nodes)
		got, want := pairsOf(Build(s, nodes, pins)), naiveLinks(s, nodes, pins)
		if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d, settings %+v: links differ (-naive +built):\n%s", seed, s, diff)
		}
	}
}

func TestBuildDoesNotDependOnTheOrderOfNodes(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		nodes := randomNodes(r, 60)
		s, pins := randomSettings(r), randomPins(r, nodes)
		first := Build(s, nodes, pins)
		slices.Reverse(nodes)
		if diff := gocmp.Diff(first, Build(s, nodes, pins)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// apply is what a fabric does with a diff.
func apply(g *Graph, set []Link, removed []Pair) *Graph {
	links := make(map[Pair]Link)
	for _, l := range g.Links {
		links[l.Pair] = l
	}
	for _, p := range removed {
		delete(links, p)
	}
	for _, l := range set {
		links[l.Pair] = l
	}
	next := &Graph{}
	for _, l := range links {
		next.Links = append(next.Links, l)
	}
	SortLinks(next.Links)
	return next
}

func TestDiffTurnsOneGraphIntoTheOther(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		nodes := randomNodes(r, 50)
		s, pins := randomSettings(r), randomPins(r, nodes)
		before := Build(s, nodes, pins)
		for range r.IntN(4) {
			nodes[r.IntN(len(nodes))].X += 100 * (r.Float64() - 0.5)
		}
		nodes = nodes[r.IntN(3):]
		after := Build(s, nodes, randomPins(r, nodes))
		set, removed := Diff(before, after)
		if diff := gocmp.Diff(after, apply(before, set, removed), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		for _, l := range set {
			if old, ok := before.Link(l.Pair); ok && old.equal(&l) {
				t.Fatalf("seed %d: link %v is set though it stays as it is", seed, l.Pair)
			}
		}
	}
}

func TestDiffComparesBurstsByValue(t *testing.T) {
	graph := func(p float64) *Graph {
		pins := map[Pair]LinkPins{{0, 1}: {AB: Pin{Burst: &link.GilbertElliott{P: p}}}}
		return Build(Defaults(), []Node{{ID: 0}, {ID: 1, X: 10}}, pins)
	}
	if set, removed := Diff(graph(0.1), graph(0.1)); len(set)+len(removed) > 0 {
		t.Errorf("equal graphs differ: %v %v", set, removed)
	}
	if set, _ := Diff(graph(0.1), graph(0.2)); len(set) != 1 {
		t.Errorf("another burst is not set: %v", set)
	}
}

func twoServers(distance float64) []Node { return []Node{{ID: 0}, {ID: 1, X: distance}} }

func only(t *testing.T, g *Graph) Link {
	t.Helper()
	if len(g.Links) != 1 {
		t.Fatalf("want one link, got %v", g.Links)
	}
	return g.Links[0]
}

func TestDerivedParameters(t *testing.T) {
	s := Defaults()
	s.Jitter, s.Loss = 10, 2.5
	l := only(t, Build(s, twoServers(150), nil))
	want := link.Params{
		Rate: 256_000, Delay: 150 * time.Millisecond,
		Jitter: 15 * time.Millisecond, JitterCorrelation: 0.25, Loss: 0.025,
	}
	if l.AB != want || l.BA != want {
		t.Errorf("got %+v and %+v, want %+v", l.AB, l.BA, want)
	}
}

func TestDecay(t *testing.T) {
	for _, c := range []struct {
		name     string
		rate     link.BitRate
		distance float64
		off      bool
		want     link.BitRate
	}{
		{"none-at-length-zero", 512_000, 0, false, 512_000},
		{"half-way", 512_000, 150, false, 256_000},
		{"one-percent-floor", 512_000, 299, false, 5_120},
		{"hundred-bit-floor", 2_000, 299, false, 100},
		{"floor-does-not-raise", 100, 200, false, 100},
		{"off", 512_000, 299, true, 512_000},
		{"unlimited-stays", link.Unlimited, 299, false, link.Unlimited},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Defaults()
			s.Bandwidth, s.DecayBandwidth = c.rate, !c.off
			if got := only(t, Build(s, twoServers(c.distance), nil)).AB.Rate; got != c.want {
				t.Errorf("got %d bit/s, want %d", got, c.want)
			}
		})
	}
}

func TestDecayFollowsThePlaceNotThePin(t *testing.T) {
	pins := map[Pair]LinkPins{{0, 1}: {AB: Pin{Latency: new(10 * time.Millisecond)}}}
	if l := only(t, Build(Defaults(), twoServers(150), pins)); l.AB.Rate != 256_000 {
		t.Errorf("got %d bit/s", l.AB.Rate)
	}
}

func TestScaleDoesNotTouchPins(t *testing.T) {
	s := Defaults()
	s.LatencyScale = 200
	pins := map[Pair]LinkPins{{0, 1}: {AB: Pin{Latency: new(50 * time.Millisecond)}}}
	l := only(t, Build(s, twoServers(100), pins))
	if l.AB.Delay != 50*time.Millisecond || l.BA.Delay != 200*time.Millisecond {
		t.Errorf("delays are %v and %v", l.AB.Delay, l.BA.Delay)
	}
}

func TestLimits(t *testing.T) {
	ms := func(n int) *time.Duration { return new(time.Duration(n) * time.Millisecond) }
	rate := func(n int) *link.BitRate { return new(link.BitRate(n)) }
	both := func(p Pin) LinkPins { return LinkPins{AB: p, BA: p} }
	for _, c := range []struct {
		name     string
		distance float64
		pins     LinkPins
		linked   bool
	}{
		{"below-max-latency", 299, LinkPins{}, true},
		{"at-max-latency", 300, LinkPins{}, false},
		{"pinned-link-outlives-a-move", 5000, both(Pin{Latency: ms(20)}), true},
		{"pinned-beyond-max-latency", 10, both(Pin{Latency: ms(300)}), false},
		{"one-direction-pinned-beyond", 10, LinkPins{AB: Pin{Latency: ms(300)}}, true},
		{"one-direction-pinned-near", 5000, LinkPins{BA: Pin{Latency: ms(20)}}, true},
		{"pinned-at-min-bandwidth", 10, both(Pin{Bandwidth: rate(1000)}), false},
		{"pinned-above-min-bandwidth", 10, both(Pin{Bandwidth: rate(1001)}), true},
		{"pinned-unlimited", 10, both(Pin{Bandwidth: rate(0)}), true},
		{"good-latency-one-way-good-bandwidth-the-other", 5000,
			LinkPins{AB: Pin{Latency: ms(20), Bandwidth: rate(1000)}, BA: Pin{Bandwidth: rate(5000)}}, false},
		{"cut-is-still-a-link", 10, LinkPins{Cut: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Defaults()
			s.MinBandwidth = 1000
			g := Build(s, twoServers(c.distance), map[Pair]LinkPins{{0, 1}: c.pins})
			if linked := len(g.Links) == 1; linked != c.linked {
				t.Errorf("linked: %v, want %v", linked, c.linked)
			}
		})
	}
}

func TestEveryPinReachesItsDirection(t *testing.T) {
	burst := &link.GilbertElliott{P: 0.1, R: 0.2, LossBad: 1}
	pin := Pin{
		Latency: new(40 * time.Millisecond), Bandwidth: new(link.BitRate(9600)), Jitter: new(Percent(50)), Loss: new(Percent(1)),
		JitterDistribution: new(link.Normal), JitterCorrelation: new(Percent(5)), Burst: burst,
		Duplicate: new(Percent(2)), Reorder: new(Percent(3)), Corrupt: new(Percent(4)),
		Queue: new(20_000), Overhead: new(14), MTU: new(1280),
	}
	l := only(t, Build(Defaults(), twoServers(10), map[Pair]LinkPins{{0, 1}: {BA: pin, Cut: true}}))
	want := link.Params{
		Rate: 9600, Delay: 40 * time.Millisecond, Jitter: 20 * time.Millisecond, JitterDistribution: link.Normal,
		JitterCorrelation: 0.05, Loss: 0.01, Burst: burst, Duplicate: 0.02, Reorder: 0.03, Corrupt: 0.04,
		QueueLimit: 20_000, Overhead: 14, MTU: 1280, Down: true,
	}
	if diff := gocmp.Diff(want, l.BA); diff != "" {
		t.Errorf("pinned direction (-want +got):\n%s", diff)
	}
	if l.AB.Delay != 10*time.Millisecond || !l.AB.Down {
		t.Errorf("the other direction: %+v", l.AB)
	}
}

func TestPinMergeAndClear(t *testing.T) {
	p := Pin{Latency: new(time.Second), Jitter: new(Percent(5))}
	p.Merge(Pin{Jitter: new(Percent(7)), MTU: new(1280)})
	if *p.Latency != time.Second || *p.Jitter != 7 || *p.MTU != 1280 {
		t.Errorf("merged: %+v", p)
	}
	p.Clear(Pin{Latency: new(time.Duration(0)), MTU: new(0)})
	if diff := gocmp.Diff(Pin{Jitter: new(Percent(7))}, p); diff != "" {
		t.Error(diff)
	}
}

func TestEqualBandwidthsChooseTheNear(t *testing.T) {
	s := Defaults()
	s.Cost, s.DecayBandwidth, s.Neighbours = MaxBandwidth, false, 1
	nodes := []Node{{ID: 0, X: 0}, {ID: 1, X: 100}, {ID: 2, X: 110}, {ID: 3, X: 10}}
	want := []Pair{{0, 3}, {1, 2}}
	if diff := gocmp.Diff(want, pairsOf(Build(s, nodes, nil))); diff != "" {
		t.Error(diff)
	}
}

func TestClientLink(t *testing.T) {
	s := Defaults()
	s.ClientLatency, s.ClientJitter, s.ClientLoss = 40*time.Millisecond, 10, 1
	want := link.Params{
		Rate: 512_000, Delay: 40 * time.Millisecond, Jitter: 4 * time.Millisecond, JitterCorrelation: 0.25, Loss: 0.01,
	}
	if got := s.ClientLink(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// spread places servers as densely as the original's figures were measured: about two links a server.
func spread(n int) []Node {
	r := rand.New(rand.NewPCG(1, 1))
	size := 60 * math.Sqrt(float64(n))
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{ID: i, X: r.Float64() * size, Y: r.Float64() * size}
	}
	return nodes
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{100, 800, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			nodes := spread(n)
			b.ReportAllocs()
			for b.Loop() {
				Build(Defaults(), nodes, nil)
			}
		})
	}
}

func BenchmarkBuildOnOneSpot(b *testing.B) {
	nodes := make([]Node, 1000)
	for i := range nodes {
		nodes[i].ID = i
	}
	for b.Loop() {
		Build(Defaults(), nodes, nil)
	}
}

func BenchmarkMoveOneOfThousand(b *testing.B) {
	nodes := spread(1000)
	g := Build(Defaults(), nodes, nil)
	for b.Loop() {
		nodes[0].X++
		next := Build(Defaults(), nodes, nil)
		Diff(g, next)
		g = next
	}
}
