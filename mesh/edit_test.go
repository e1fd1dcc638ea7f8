package mesh

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/topo"
)

func TestAddRefusesWhatIsNotAllowed(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(1, 0)
		_, err := b.Add(b.t.Context(), AddServer{Name: "alice"})
		b.must(err)
		before := b.Snapshot()
		for _, c := range []struct {
			name string
			add  AddServer
			kind ErrorKind
		}{
			{"position", AddServer{X: math.NaN()}, Invalid},
			{"far-off", AddServer{Y: 1e9}, Invalid},
			{"kind", AddServer{Kind: "synapse"}, Invalid},
			{"upper-case", AddServer{Name: "Bob"}, Invalid},
			{"dot", AddServer{Name: "a.b"}, Invalid},
			{"leading-dash", AddServer{Name: "-a"}, Invalid},
			{"trailing-dash", AddServer{Name: "a-"}, Invalid},
			{"too-long", AddServer{Name: strings.Repeat("a", 64)}, Invalid},
			{"name-of-another-id", AddServer{Name: "hs5"}, Invalid},
			{"taken", AddServer{Name: "alice"}, Conflict},
		} {
			if _, err := b.Add(b.t.Context(), c.add); err == nil {
				t.Errorf("%s: added", c.name)
			} else {
				b.wantKind(err, c.kind)
			}
		}
		synctest.Wait()
		if got := b.Snapshot(); len(got.Servers) != len(before.Servers) {
			t.Errorf("servers: %v", got.Servers)
		}
		for _, name := range []string{"hs2", "hs", "a", "0", strings.Repeat("a", 63)} {
			_, err := b.Add(b.t.Context(), AddServer{Name: name})
			b.must(err)
		}
	})
}

func TestNamesOfRemovedServersStayTheirs(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		_, err := b.Add(b.t.Context(), AddServer{Name: "alice"})
		b.must(err)
		b.must(b.Remove(b.t.Context(), 0))
		b.must(b.WaitGone(b.t.Context(), 0))
		_, err = b.Add(b.t.Context(), AddServer{Name: "alice"})
		b.wantKind(err, Conflict)
		b.must(b.Restore(b.t.Context(), 0))
		_, err = b.WaitRunning(b.t.Context(), 0)
		b.must(err)
		if id, ok := b.Lookup("alice"); !ok || id != 0 {
			t.Errorf("looked up %d %v", id, ok)
		}
	})
}

func TestMoveRewires(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(3, 100)
		b.must(b.Move(b.t.Context(), 1, 30, 40))
		if l, _ := b.fabric.link(0, 1); l.AB.Delay != pixels(50) {
			t.Errorf("delay after the move: %v", l.AB.Delay)
		}
		b.fabric.check(b.Snapshot())
		b.must(b.Move(b.t.Context(), 1, 5000, 0))
		if _, ok := b.fabric.link(0, 1); ok {
			t.Error("servers that are too far apart are linked")
		}
		_, changes := b.fabric.counts()
		version := b.Snapshot().Version
		b.must(b.Move(b.t.Context(), 1, 5000, 0))
		if _, now := b.fabric.counts(); now != changes || b.Snapshot().Version != version {
			t.Error("a move to the same place changes something")
		}
		b.wantKind(b.Move(b.t.Context(), 9, 0, 0), NotFound)
		b.wantKind(b.Move(b.t.Context(), -1, 0, 0), NotFound)
		b.wantKind(b.Move(b.t.Context(), 0, math.Inf(1), 0), Invalid)
	})
}

func TestPins(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 100)
		ctx, p := b.t.Context(), topo.Pair{A: 0, B: 1}
		delays := func() [2]time.Duration {
			l, _ := b.fabric.link(0, 1)
			return [2]time.Duration{l.AB.Delay, l.BA.Delay}
		}
		b.must(b.PinParams(ctx, p, topo.Pin{Latency: new(pixels(7)), Jitter: new(topo.Percent(50))}))
		if got := delays(); got != [2]time.Duration{pixels(7), pixels(7)} {
			t.Errorf("pinned in both directions: %v", got)
		}
		b.must(b.Move(ctx, 1, 9000, 0))
		if _, ok := b.fabric.link(0, 1); !ok {
			t.Error("the pinned link did not outlive the move")
		}
		b.must(b.Move(ctx, 1, 100, 0))
		b.must(b.UnpinParams(ctx, p, topo.Pin{Latency: new(time.Duration(0))}))
		if l, _ := b.fabric.link(0, 1); l.AB.Delay != pixels(100) || l.AB.Jitter != pixels(50) {
			t.Errorf("latency unpinned, jitter not: %+v", l.AB)
		}
		b.must(b.PinLink(ctx, p, topo.LinkPins{BA: topo.Pin{Latency: new(pixels(9))}}))
		if got := delays(); got != [2]time.Duration{pixels(100), pixels(9)} {
			t.Errorf("pinned in one direction: %v", got)
		}
		b.must(b.PinLink(ctx, p, topo.LinkPins{}))
		if len(b.Snapshot().Pins) > 0 || delays()[1] != pixels(100) {
			t.Errorf("pins are left: %v", b.Snapshot().Pins)
		}
		b.fabric.check(b.Snapshot())
	})
}

func TestPinsThatAreRefused(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 100)
		b.place(1, 0)
		ctx := b.t.Context()
		b.must(b.Move(ctx, 2, 9000, 0))
		pin := topo.Pin{Latency: new(pixels(5))}
		before := b.Snapshot()
		b.wantKind(b.PinParams(ctx, topo.Pair{A: 0, B: 2}, pin), NotFound)
		b.wantKind(b.PinParams(ctx, topo.Pair{A: 0, B: 9}, pin), NotFound)
		b.wantKind(b.PinParams(ctx, topo.Pair{A: 0, B: 0}, pin), Invalid)
		b.wantKind(b.PinParams(ctx, topo.Pair{A: 1, B: 0}, pin), Invalid)
		b.wantKind(b.PinParams(ctx, topo.Pair{A: 0, B: 1}, topo.Pin{Latency: new(-pixels(1))}), Invalid)
		b.wantKind(b.PinLink(ctx, topo.Pair{A: 1, B: 2}, topo.LinkPins{Cut: true}), NotFound)
		if b.Snapshot() != before {
			t.Error("a refused pin changed something")
		}
	})
}

func TestPinsOutliveTheLink(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 100)
		ctx, p := b.t.Context(), topo.Pair{A: 0, B: 1}
		b.must(b.PinParams(ctx, p, topo.Pin{Latency: new(pixels(7))}))
		b.must(b.Stop(ctx, 1))
		b.must(b.PinParams(ctx, p, topo.Pin{Latency: new(pixels(8))}))
		synctest.Wait()
		b.must(b.Start(ctx, 1))
		_, err := b.WaitRunning(ctx, 1)
		b.must(err)
		if l, _ := b.fabric.link(0, 1); l.AB.Delay != pixels(8) {
			t.Errorf("delay: %v", l.AB.Delay)
		}
	})
}

func TestCutLinkIsAvoided(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(3, 100)
		ctx, p := b.t.Context(), topo.Pair{A: 0, B: 2}
		direct, ok := b.Path(0, 2)
		if !ok || direct.Hops != 1 && direct.Hops != 2 {
			t.Fatalf("path: %+v", direct)
		}
		b.must(b.Move(ctx, 2, 110, 0))
		b.must(b.PinLink(ctx, p, topo.LinkPins{Cut: true}))
		if l, _ := b.fabric.link(0, 2); !l.AB.Down || !l.BA.Down {
			t.Error("the link is not down")
		}
		if nodes, _ := b.PathNodes(b.Snapshot().Routes, 0, 2); !slices.Equal(nodes, []int{0, 1, 2}) {
			t.Errorf("path round the cut: %v", nodes)
		}
		b.must(b.UnpinParams(ctx, p, topo.Pin{Latency: new(pixels(1))}))
		if !b.Snapshot().Pins[p].Cut {
			t.Error("unpinning restored the link")
		}
		b.must(b.PinLink(ctx, p, topo.LinkPins{}))
		if nodes, _ := b.PathNodes(b.Snapshot().Routes, 0, 2); !slices.Equal(nodes, []int{0, 2}) {
			t.Errorf("path over the restored link: %v", nodes)
		}
	})
}

func TestSettings(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(3, 50)
		ctx := b.t.Context()
		s := topo.Defaults()
		s.LatencyScale, s.ClientLatency, s.Cost = 200, pixels(30), topo.MaxBandwidth
		b.must(b.SetSettings(ctx, s))
		if l, _ := b.fabric.link(0, node.ClientFabricNode(0)); l.AB.Delay != pixels(30) || l.BA.Delay != pixels(30) {
			t.Errorf("client link: %+v", l)
		}
		b.fabric.check(b.Snapshot())
		before := b.Snapshot()
		s.MaxLatency = -1
		b.wantKind(b.SetSettings(ctx, s), Invalid)
		if b.Snapshot() != before {
			t.Error("refused settings changed something")
		}
	})
}

func TestCostFunctionAloneReroutes(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(3, 50)
		ctx := b.t.Context()
		b.must(b.PinParams(ctx, topo.Pair{A: 0, B: 2}, topo.Pin{Bandwidth: new(link.BitRate(100))}))
		before := b.Snapshot().Routes
		s := b.Snapshot().Settings
		s.Cost = topo.MaxBandwidth
		b.must(b.SetSettings(ctx, s))
		now := b.Snapshot().Routes
		was, _ := b.PathNodes(before, 0, 2)
		is, _ := b.PathNodes(now, 0, 2)
		if len(was) != 2 || len(is) != 3 {
			t.Errorf("path was %v and is %v", was, is)
		}
	})
}

func TestPathSumsUpBothDirections(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 100)
		b.must(b.PinLink(b.t.Context(), topo.Pair{A: 0, B: 1}, topo.LinkPins{
			AB: topo.Pin{Bandwidth: new(link.Unlimited)}, BA: topo.Pin{Latency: new(pixels(30)), Bandwidth: new(link.BitRate(9600))},
		}))
		got, ok := b.Path(0, 1)
		want := node.Path{Routes: b.Snapshot().Routes, Hops: 1, RTT: pixels(130), Rate: 9600, Slowest: [2]int{0, 1}}
		if !ok || got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if _, ok := b.Path(0, 7); ok {
			t.Error("there is a path to nobody")
		}
	})
}

func TestOldPathsAreRememberedForAWhile(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(3, 100)
		ctx := b.t.Context()
		b.must(b.Move(ctx, 2, 200, 0))
		b.must(b.PinLink(ctx, topo.Pair{A: 0, B: 2}, topo.LinkPins{Cut: true}))
		old := b.Snapshot().Routes
		b.must(b.PinLink(ctx, topo.Pair{A: 0, B: 2}, topo.LinkPins{}))
		if nodes, _ := b.PathNodes(old, 0, 2); !slices.Equal(nodes, []int{0, 1, 2}) {
			t.Errorf("the path as it was: %v", nodes)
		}
		for i := range keptRoutings {
			b.must(b.Move(ctx, 1, 100, float64(1+i)))
		}
		if nodes, _ := b.PathNodes(old, 0, 2); !slices.Equal(nodes, []int{0, 2}) {
			t.Errorf("a forgotten version is answered by %v", nodes)
		}
	})
}

func TestFabricThatRefuses(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 100)
		b.fabric.look(func() { b.fabric.refuse = errors.New("no more links") })
		b.wantKind(b.Move(b.t.Context(), 0, 50, 0), Internal)
		b.fabric.look(func() { b.fabric.refuse = nil })
		time.Sleep(2 * retryAfter)
		b.fabric.check(b.Snapshot())
	})
}

func TestRouterLeadsToClientsByTheirServerAlone(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(3, 200)
		var r fabric.Router
		b.fabric.look(func() { r = b.fabric.router })
		client := node.ClientFabricNode
		for _, c := range []struct{ at, dst, want uint32 }{
			{uint32(client(0)), 2, 0},
			{uint32(client(0)), uint32(client(2)), 0},
			{0, uint32(client(0)), uint32(client(0))},
			{0, uint32(client(2)), 1},
			{2, uint32(client(2)), uint32(client(2))},
			{0, 2, 1},
		} {
			next, ok := r.NextHop(fabric.NodeID(c.at), fabric.NodeID(c.dst))
			if !ok || uint32(next) != c.want {
				t.Errorf("from %d to %d: %d %v, want %d", c.at, c.dst, next, ok, c.want)
			}
		}
		if _, ok := r.NextHop(0, 99); ok {
			t.Error("there is a way to nobody")
		}
	})
}

func TestPlan(t *testing.T) {
	pins := map[topo.Pair]topo.LinkPins{{A: 1, B: 4}: {AB: topo.Pin{Latency: new(pixels(3))}}}
	inBubble(t, func(c *Config, _ *fakeDriver) {
		c.Servers = []Planned{{ID: 4, X: 50}, {ID: 1, Name: "alice"}}
		c.Pins = pins
	}, func(b *bed) {
		for _, id := range []int{1, 4} {
			_, err := b.WaitRunning(b.t.Context(), id)
			b.must(err)
		}
		if l, _ := b.fabric.link(1, 4); l.AB.Delay != pixels(3) || l.BA.Delay != pixels(50) {
			t.Errorf("link: %+v", l)
		}
		for _, id := range []int{0, 2, 3} {
			b.wantKind(b.Start(b.t.Context(), id), NotFound)
			b.wantKind(b.Restore(b.t.Context(), id), NotFound)
		}
		s, err := b.Add(b.t.Context(), AddServer{})
		if err != nil || s.ID != 5 {
			t.Errorf("added %+v %v", s, err)
		}
	})
}

func TestPlansThatAreRefused(t *testing.T) {
	bad := topo.Defaults()
	bad.Jitter = -1
	for _, c := range []struct {
		name string
		edit func(*Config)
	}{
		{"settings", func(c *Config) { c.Settings = bad }},
		{"default-kind", func(c *Config) { c.DefaultKind = "synapse" }},
		{"no-driver", func(c *Config) { c.Drivers = nil }},
		{"same-id", func(c *Config) { c.Servers = []Planned{{ID: 1}, {ID: 1}} }},
		{"negative-id", func(c *Config) { c.Servers = []Planned{{ID: -1}} }},
		{"huge-id", func(c *Config) { c.Servers = []Planned{{ID: node.MaxID + 1}} }},
		{"kind", func(c *Config) { c.Servers = []Planned{{Kind: "synapse"}} }},
		{"same-name", func(c *Config) { c.Servers = []Planned{{Name: "a"}, {ID: 1, Name: "a"}} }},
		{"pins-of-nobody", func(c *Config) { c.Pins = map[topo.Pair]topo.LinkPins{{A: 0, B: 1}: {}} }},
		{"pins-in-order", func(c *Config) { c.Pins = map[topo.Pair]topo.LinkPins{{A: 1, B: 0}: {}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{Drivers: []node.Driver{newFakeDriver(t, "fake")}, Fabric: newFakeFabric(t), Clients: newFakeClients(t)}
			c.edit(&config)
			_, err := New(config)
			if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Invalid {
				t.Errorf("got %v", err)
			}
		})
	}
}
