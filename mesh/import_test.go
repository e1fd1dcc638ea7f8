package mesh

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/topo"
)

func TestImportAddsServersWithTheirPins(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(1, 0)
		alice, err := b.Add(b.t.Context(), AddServer{Name: "alice"})
		b.must(err)
		settings := topo.Defaults()
		settings.Neighbours = 0
		latency := 70 * time.Millisecond
		pins := topo.LinkPins{AB: topo.Pin{Latency: &latency}, Linked: true}
		added, err := b.Import(b.t.Context(), Import{
			Servers:  []AddServer{{Name: "alice", X: 1}, {Name: "hs9", X: 2}, {Name: "carol", X: 90_000}},
			Pins:     map[topo.Pair]topo.LinkPins{{A: 0, B: 2}: pins},
			Settings: &settings,
		})
		b.must(err)
		first := alice.ID + 1
		for i, want := range []string{DefaultName(first), DefaultName(first + 1), "carol"} {
			if added[i].Name != want || added[i].ID != first+i {
				t.Errorf("server %d: %+v, want the name %s", i, added[i], want)
			}
		}
		synctest.Wait()
		s := b.Snapshot()
		pair := topo.Pair{A: first, B: first + 2}
		if s.Pins[pair] != pins || s.Settings.Neighbours != 0 {
			t.Errorf("pins %v, settings %+v", s.Pins, s.Settings)
		}
		if len(s.Graph.Links) != 1 || s.Graph.Links[0].Pair != pair || s.Graph.Links[0].AB.Delay != latency {
			t.Errorf("links: %+v", s.Graph.Links)
		}
	})
}

func TestImportIsAllOrNothing(t *testing.T) {
	good := AddServer{X: 1}
	loss := topo.Percent(101)
	settings := topo.Defaults()
	settings.Neighbours = -1
	for name, in := range map[string]Import{
		"position": {Servers: []AddServer{good, {X: math.Inf(1)}}},
		"kind":     {Servers: []AddServer{good, {Kind: "mainframe"}}},
		"settings": {Servers: []AddServer{good}, Settings: &settings},
		"pins":     {Servers: []AddServer{good, good}, Pins: map[topo.Pair]topo.LinkPins{{A: 0, B: 1}: {AB: topo.Pin{Loss: &loss}}}},
		"pair":     {Servers: []AddServer{good, good}, Pins: map[topo.Pair]topo.LinkPins{{A: 1, B: 2}: {Cut: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bed) {
				b.place(1, 0)
				before := b.Snapshot()
				_, err := b.Import(b.t.Context(), in)
				b.wantKind(err, Invalid)
				if b.Snapshot() != before {
					t.Error("something changed")
				}
			})
		})
	}
}
