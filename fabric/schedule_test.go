package fabric

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"meshsim/link"
)

// The schedule gives packets back by arrival and, where that is equal on one link, in the order of their
// admission, like a sorted list would.
func TestScheduleAgainstSortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		directions := make([]*direction, 5)
		for i := range directions {
			directions[i] = &direction{place: -1}
		}
		var s schedule
		var want []flight
		for order := range uint64(rapid.IntRange(1, 300).Draw(t, "steps")) {
			if len(want) > 0 && rapid.IntRange(0, 2).Draw(t, "take") == 0 {
				takeNext(t, &s, &want)
				continue
			}
			p := flight{arrives: link.Instant(rapid.IntRange(0, 20).Draw(t, "arrives")), order: order}
			s.add(rapid.SampledFrom(directions).Draw(t, "direction"), p)
			want = append(want, p)
		}
		for len(want) > 0 {
			takeNext(t, &s, &want)
		}
		if s.next() != forever {
			t.Fatal("something is left")
		}
	})
}

func takeNext(t *rapid.T, s *schedule, want *[]flight) {
	slices.SortFunc(*want, func(a, b flight) int {
		return cmp.Or(cmp.Compare(a.arrives, b.arrives), cmp.Compare(a.order, b.order))
	})
	if _, p := s.take(); p.arrives != (*want)[0].arrives || p.order != (*want)[0].order {
		t.Fatalf("got %d (arrives %d), want %d (%d)", p.order, p.arrives, (*want)[0].order, (*want)[0].arrives)
	}
	*want = (*want)[1:]
}

func TestMemoryOnLinksIsBounded(t *testing.T) {
	inLine(t, 2, link.Params{Delay: time.Hour}, func(t *testing.T, l *line) {
		l.maxInFlight = 10 * (buffer2K + flightSize)
		for range 12 {
			l.send(0, ipv4(0, 1, 1000, 0))
		}
		if s := l.stats(0, 1); s.AB.Drops[link.DropOverload] != 2 || s.AB.InFlight != 10 {
			t.Errorf("dropped %v, %d on their way", s.AB.Drops, s.AB.InFlight)
		}
		l.apply(Change{Remove: []LinkID{{0, 1}}})
		l.set(0, 1, link.Params{Delay: time.Second})
		for range 2 {
			for range 10 {
				l.send(0, ipv4(0, 1, 1000, 0))
			}
			l.sleep(time.Minute)
		}
		if n := len(l.ports[1].packets()); n != 20 {
			t.Errorf("%d packets arrived, want 20", n)
		}
	})
}

func TestAddressesAreUnmapped(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		port := &recorder{clock: l.clock}
		if _, err := l.Attach(NodeConfig{ID: 1 << 31, Addrs: []netip.Addr{netip.AddrFrom16(v4(9).As16())}}, port); err != nil {
			t.Fatal(err)
		}
		if l.addrs[v4(9)] == nil {
			t.Error("an IPv4 address written as IPv6 is not known")
		}
	})
}
