package fabric

import (
	"errors"
	"math"
	"testing"
	"time"

	"meshsim/link"
)

func TestChangeKeepsTheScheduleOfWhatIsInFlight(t *testing.T) {
	inLine(t, 2, link.Params{Delay: time.Second}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 1, 100, 0))
		l.sleep(500 * time.Millisecond)
		l.set(0, 1, link.Params{Delay: 2 * time.Second})
		l.send(0, ipv4(0, 1, 100, 1))
		l.sleep(time.Second)
		l.set(0, 1, link.Params{Delay: time.Millisecond})
		l.send(0, ipv4(0, 1, 100, 2)) // not before the one that takes 2 s
		l.sleep(time.Minute)
		want := []time.Duration{time.Second, 2500 * time.Millisecond, 2500 * time.Millisecond}
		when := l.ports[1].times()
		if len(when) != len(want) {
			t.Fatalf("%d packets arrived", len(when))
		}
		for i, p := range l.ports[1].packets() {
			if id(p) != uint32(i) || time.Duration(when[i]) != want[i] {
				t.Errorf("packet %d arrived as number %d after %v, want %v", id(p), i, time.Duration(when[i]), want[i])
			}
		}
	})
}

func TestRemovedLinksDropWhatIsOnThem(t *testing.T) {
	inLine(t, 3, link.Params{Delay: time.Second}, func(t *testing.T, l *line) {
		for range 5 {
			l.send(0, ipv4(0, 2, 100, 0))
		}
		l.sleep(1500 * time.Millisecond) // on the second link
		l.send(0, ipv4(0, 2, 100, 9))    // on the first
		l.apply(Change{Remove: []LinkID{{1, 2}}})
		l.sleep(time.Minute)
		if n := len(l.ports[2].packets()); n != 0 {
			t.Errorf("%d packets arrived over a removed link", n)
		}
		if n := l.Totals().Drops[link.DropRewired]; n != 5 {
			t.Errorf("%d dropped as rewired, want 5", n)
		}
		// The sixth found no link any more, and its sender was told.
		if got := l.ports[0].packets(); len(got) != 1 || readAnswer(t, got[0], 0, nil).kind != 3 {
			t.Errorf("got %d answers", len(got))
		}
		if _, ok := l.LinkStats(LinkID{1, 2}); ok {
			t.Error("the link is still known")
		}
		l.set(1, 2, link.Params{})
		l.send(0, ipv4(0, 2, 100, 1))
		l.sleep(time.Minute)
		if n := len(l.ports[2].packets()); n != 1 {
			t.Errorf("%d packets arrived after the link came back, want 1", n)
		}
	})
}

func TestCutAndRestore(t *testing.T) {
	inLine(t, 2, link.Params{Delay: time.Second}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 1, 100, 0))
		l.set(0, 1, link.Params{Delay: time.Second, Down: true})
		l.send(0, ipv4(0, 1, 100, 1))
		l.sleep(10 * time.Minute)
		l.set(0, 1, link.Params{Delay: time.Second})
		l.send(0, ipv4(0, 1, 100, 2))
		l.sleep(time.Minute)
		got := l.ports[1].packets()
		if len(got) != 2 || id(got[0]) != 0 || id(got[1]) != 2 {
			t.Errorf("got %v", got)
		}
		if s := l.stats(0, 1); s.AB.Drops[link.DropDown] != 1 {
			t.Errorf("dropped %v", s.AB.Drops)
		}
	})
}

// ringRouter leads all packets one way around a ring of three.
type ringRouter struct{ step NodeID }

func (r ringRouter) NextHop(at, _ NodeID) (NodeID, bool) { return (at + r.step) % 3, true }

func TestRerouting(t *testing.T) {
	inLine(t, 3, link.Params{Delay: time.Second}, func(t *testing.T, l *line) {
		p := link.Params{Delay: time.Second}
		l.apply(Change{Set: []LinkConfig{{LinkID{0, 2}, p, p}}, Router: ringRouter{1}})
		l.send(0, ipv4(0, 2, 100, 0)) // over 1
		l.sleep(100 * time.Millisecond)
		l.apply(Change{Router: ringRouter{2}})
		l.send(0, ipv4(0, 2, 100, 1)) // directly
		l.sleep(time.Minute)
		got := l.ports[2].packets()
		// The first, on its way to 1, is led back over 0 from there.
		if len(got) != 2 || id(got[0]) != 1 || got[0].Hops != 1 || got[1].Hops != 3 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestRoutingLoopsEnd(t *testing.T) {
	for name, p := range map[string]link.Params{"delayed": {Delay: time.Millisecond}, "at-once": {}} {
		t.Run(name, func(t *testing.T) {
			inLine(t, 3, p, func(t *testing.T, l *line) {
				attachStray(l)
				l.apply(Change{Set: []LinkConfig{{LinkID{0, 2}, p, p}}, Router: ringRouter{1}})
				l.send(0, ipv4(0, 9, 100, 0))
				l.sleep(time.Minute)
				if n := l.Totals().Drops[link.DropTTL]; n != 1 {
					t.Errorf("%d packets died of age, want 1", n)
				}
			})
		})
	}
}

// slowRouter computes for a while when it is first asked for a destination; virtual time passes meanwhile.
type slowRouter struct {
	lineRouter
	known map[NodeID]bool
}

func (r *slowRouter) NextHop(at, dst NodeID) (NodeID, bool) {
	if !r.known[dst] {
		r.known[dst] = true
		time.Sleep(20 * time.Millisecond)
	}
	return r.lineRouter.NextHop(at, dst)
}

// The network is usable while a route is being computed.
func TestSlowRoutesHoldNobodyUp(t *testing.T) {
	inLine(t, 4, link.Params{Delay: 10 * time.Millisecond}, func(t *testing.T, l *line) {
		l.apply(Change{Router: &slowRouter{lineRouter{4}, map[NodeID]bool{1: true}}})
		go l.send(0, ipv4(0, 3, 100, 0))
		l.sleep(5 * time.Millisecond)
		l.send(2, ipv4(2, 1, 100, 1))
		l.sleep(10 * time.Millisecond)
		if n := len(l.ports[1].packets()); n != 1 {
			t.Errorf("%d packets arrived beside the slow one, want 1", n)
		}
		l.sleep(time.Second)
		if n := len(l.ports[3].packets()); n != 1 {
			t.Errorf("%d packets arrived, want 1", n)
		}
	})
}

// Who sends while another puts packets into the network leaves its own to that one, in order, and does not wait.
func TestSendersDoNotQueueUp(t *testing.T) {
	inLine(t, 2, link.Params{Delay: 10 * time.Millisecond}, func(t *testing.T, l *line) {
		l.sending = true // somebody is at it
		const packets = 2*enoughSent + 1
		for i := range packets {
			l.send(0, ipv4(0, 1, 100, uint32(i)))
		}
		l.sleep(time.Second)
		if n := len(l.ports[1].packets()); n != 0 || len(l.out) != packets {
			t.Errorf("%d packets arrived and %d wait, want 0 and %d", n, len(l.out), packets)
		}
		l.sendOut()
		l.sleep(time.Second)
		got := l.ports[1].packets()
		if len(got) != packets {
			t.Fatalf("%d packets arrived, want %d", len(got), packets)
		}
		for i, p := range got {
			if id(p) != uint32(i) {
				t.Fatalf("packet %d arrived in place %d", id(p), i)
			}
		}
		if l.sending || len(l.out) != 0 {
			t.Error("somebody is still sending")
		}
	})
}

func TestApplyChangesNothingOnError(t *testing.T) {
	fine := link.Params{Delay: time.Hour}
	cases := map[string]Change{
		"bad-parameter":   {Set: []LinkConfig{{LinkID{0, 1}, fine, fine}, {LinkID{1, 2}, fine, link.Params{Loss: math.NaN()}}}},
		"ends-swapped":    {Set: []LinkConfig{{LinkID{0, 1}, fine, fine}, {LinkID{2, 1}, fine, fine}}},
		"same-ends":       {Set: []LinkConfig{{LinkID{0, 1}, fine, fine}, {LinkID{2, 2}, fine, fine}}},
		"named-twice":     {Set: []LinkConfig{{LinkID{0, 1}, fine, fine}, {LinkID{0, 1}, fine, fine}}},
		"removed-twice":   {Remove: []LinkID{{0, 1}, {0, 1}}},
		"set-and-removed": {Remove: []LinkID{{0, 1}}, Set: []LinkConfig{{LinkID{0, 1}, fine, fine}}},
		"unknown-removed": {Remove: []LinkID{{0, 1}, {0, 2}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inLine(t, 3, link.Params{}, func(t *testing.T, l *line) {
				var wrong *ChangeError
				if err := l.Fabric.Apply(c); !errors.As(err, &wrong) {
					t.Fatalf("got %v, want a ChangeError", err)
				}
				l.send(0, ipv4(0, 2, 100, 0))
				l.sleep(0)
				if n := len(l.ports[2].packets()); n != 1 {
					t.Errorf("the network was changed")
				}
			})
		})
	}
}

func TestEachLink(t *testing.T) {
	inLine(t, 100, link.Params{}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 99, 100, 0))
		l.sleep(0)
		next := NodeID(0)
		l.EachLink(func(s *LinkStats) {
			if s.A != next || s.B != next+1 {
				t.Fatalf("got link %d-%d, want %d-%d", s.A, s.B, next, next+1)
			}
			if carried := s.AB.Packets == 1; carried != (next < 64) { // its TTL is 64
				t.Errorf("link %d carried %d packets", next, s.AB.Packets)
			}
			next++
		})
		if next != 99 {
			t.Errorf("%d links, want 99", next)
		}
		l.apply(Change{Remove: []LinkID{{0, 1}}})
		n := 0
		l.EachLink(func(*LinkStats) { n++ })
		if n != 98 {
			t.Errorf("%d links after one was removed, want 98", n)
		}
	})
}
