package fabric

import (
	"bytes"
	"testing"
	"time"

	"meshsim/link"
)

// sendMany sends n packets from node 0 to node 1, one every millisecond, numbered from 0.
func (l *line) sendMany(n int) {
	for i := range n {
		l.send(0, ipv4(0, 1, 100, uint32(i)))
		l.sleep(time.Millisecond)
	}
	l.sleep(time.Minute)
}

func TestRateAndQueue(t *testing.T) {
	// 1,000 bytes take 100 ms; the queue takes ten of them.
	inLine(t, 2, link.Params{Rate: 80_000, Delay: time.Second}, func(t *testing.T, l *line) {
		for i := range 15 {
			l.send(0, ipv4(0, 1, 1000, uint32(i)))
		}
		if s := l.stats(0, 1); s.AB.QueueBytes != 10_000 || s.AB.InFlight != 10 {
			t.Errorf("%d bytes queued, %d packets in flight", s.AB.QueueBytes, s.AB.InFlight)
		}
		l.sleep(time.Minute)
		when := l.ports[1].times()
		if len(when) != 10 {
			t.Fatalf("%d packets arrived, want 10", len(when))
		}
		for i, at := range when {
			if want := time.Second + time.Duration(i+1)*100*time.Millisecond; time.Duration(at) != want {
				t.Errorf("packet %d arrived after %v, want %v", i, time.Duration(at), want)
			}
		}
		s := l.stats(0, 1)
		if s.AB.Packets != 10 || s.AB.Bytes != 10_000 || s.AB.Drops[link.DropQueueFull] != 5 || s.AB.QueueBytes != 0 {
			t.Errorf("got %+v", s.AB)
		}
		if s.BA.Packets != 0 || s.BA.Drops.Total() != 0 {
			t.Errorf("the other direction has %+v", s.BA)
		}
	})
}

func TestSlowestRateForHours(t *testing.T) {
	const packets = 100 // 120 s each
	inLine(t, 2, link.Params{Rate: 100, QueueLimit: 1 << 20}, func(t *testing.T, l *line) {
		for i := range packets {
			l.send(0, ipv4(0, 1, 1500, uint32(i)))
		}
		l.sleep(packets * 120 * time.Second)
		when := l.ports[1].times()
		if len(when) != packets || time.Duration(when[packets-1]) != packets*120*time.Second {
			t.Fatalf("%d packets, the last after %v", len(when), time.Duration(when[len(when)-1]))
		}
	})
}

func TestJitterKeepsOrder(t *testing.T) {
	inLine(t, 2, link.Params{Delay: 50 * time.Millisecond, Jitter: 50 * time.Millisecond}, func(t *testing.T, l *line) {
		l.sendMany(500)
		got := l.ports[1].packets()
		if len(got) != 500 {
			t.Fatalf("%d packets arrived", len(got))
		}
		for i, p := range got {
			if id(p) != uint32(i) {
				t.Fatalf("packet %d arrived as number %d", id(p), i)
			}
		}
	})
}

func TestReorder(t *testing.T) {
	inLine(t, 2, link.Params{Delay: 50 * time.Millisecond, Reorder: 0.1}, func(t *testing.T, l *line) {
		l.sendMany(500)
		got := l.ports[1].packets()
		early := uint64(0)
		highest := -1
		for _, p := range got {
			// A packet that skips the delay comes before some that were sent earlier.
			if int(id(p)) > highest+1 {
				early++
			}
			highest = max(highest, int(id(p)))
		}
		s := l.stats(0, 1)
		if len(got) != 500 || early == 0 || s.AB.Reordered < 30 || s.AB.Reordered > 75 {
			t.Errorf("%d packets, %d seen early, %d counted", len(got), early, s.AB.Reordered)
		}
	})
}

func TestLoss(t *testing.T) {
	inLine(t, 2, link.Params{Loss: 0.3}, func(t *testing.T, l *line) {
		l.sendMany(500)
		s := l.stats(0, 1)
		got := uint64(len(l.ports[1].packets()))
		if got != s.AB.Packets || s.AB.Packets+s.AB.Drops[link.DropLoss] != 500 || got < 300 || got > 400 {
			t.Errorf("%d arrived, counters %+v", got, s.AB)
		}
		if lost := l.Totals().Drops[link.DropLoss]; lost != 500-got {
			t.Errorf("the network counts %d lost, want %d", lost, 500-got)
		}
	})
}

func TestDuplicate(t *testing.T) {
	inLine(t, 2, link.Params{Delay: time.Millisecond, Duplicate: 1}, func(t *testing.T, l *line) {
		l.sendMany(3)
		got := l.ports[1].packets()
		if len(got) != 6 {
			t.Fatalf("%d packets arrived, want 6", len(got))
		}
		for i := 0; i < 6; i += 2 {
			if !bytes.Equal(got[i].Data, got[i+1].Data) || &got[i].Data[0] == &got[i+1].Data[0] {
				t.Errorf("packet %d and its copy differ, or share memory", i/2)
			}
		}
		if s := l.stats(0, 1); s.AB.Duplicated != 3 || s.AB.Packets != 3 {
			t.Errorf("got %+v", s.AB)
		}
	})
}

// One bit of each packet is flipped. Where it is in the IPv4 header the checksum tells and the packet is
// dropped, like in a router: as malformed, or as without a route where the bit makes it IPv6.
func TestCorrupt(t *testing.T) {
	inLine(t, 2, link.Params{Corrupt: 1}, func(t *testing.T, l *line) {
		const packets = 500
		want := ipv4(0, 1, 100, 0)
		for range packets {
			l.send(0, bytes.Clone(want))
		}
		l.sleep(time.Second)
		got := l.ports[1].packets()
		for _, p := range got {
			if bits := differentBits(p.Data, want); bits != 1 || !bytes.Equal(p.Data[:20], want[:20]) {
				t.Fatalf("%d bits differ", bits)
			}
		}
		n, _ := l.NodeStats(1)
		dropped := int(n.Drops[link.DropMalformed] + n.Drops[link.DropNoRoute])
		// A fifth of the packet is header.
		if len(got)+dropped != packets || dropped < 60 || dropped > 140 {
			t.Errorf("%d arrived, dropped %v", len(got), n.Drops)
		}
		if s := l.stats(0, 1); s.AB.Corrupted != packets {
			t.Errorf("%d counted as corrupted", s.AB.Corrupted)
		}
	})
}

func differentBits(a, b []byte) int {
	n := 0
	for i := range a {
		for x := a[i] ^ b[i]; x != 0; x &= x - 1 {
			n++
		}
	}
	return n
}

func TestDirectionsDiffer(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		l.apply(Change{Set: []LinkConfig{{LinkID{0, 1}, link.Params{Delay: time.Second}, link.Params{Delay: 2 * time.Second}}}})
		l.send(0, ipv6(0, 1, 100, 0))
		l.send(1, ipv6(1, 0, 100, 0))
		l.sleep(time.Minute)
		if at := l.ports[1].times()[0]; time.Duration(at) != time.Second {
			t.Errorf("there: %v", time.Duration(at))
		}
		if at := l.ports[0].times()[0]; time.Duration(at) != 2*time.Second {
			t.Errorf("back: %v", time.Duration(at))
		}
	})
}

// A long delay holds any number of packets: nothing counts them.
func TestDelayHasNoQueueLimit(t *testing.T) {
	inLine(t, 2, link.Params{Delay: time.Hour}, func(t *testing.T, l *line) {
		for i := range 20_000 {
			l.send(0, ipv4(0, 1, 100, uint32(i)))
		}
		l.sleep(time.Hour)
		if n := len(l.ports[1].packets()); n != 20_000 {
			t.Errorf("%d packets arrived, want 20000", n)
		}
	})
}

func TestFidelityInVirtualTimeIsPerfect(t *testing.T) {
	inLine(t, 3, link.Params{Delay: 10 * time.Millisecond, Rate: 1_000_000}, func(t *testing.T, l *line) {
		for range 10 {
			l.send(0, ipv4(0, 2, 1250, 0)) // 10 ms each
		}
		l.sleep(time.Second)
		f := l.stats(1, 2).AB.Fidelity
		// The second link gets a packet every 10 ms and is idle each time.
		if f.Requested != 10*20*time.Millisecond || f.Achieved != f.Requested {
			t.Errorf("requested %v, achieved %v", f.Requested, f.Achieved)
		}
		if f.Lateness.Count() != 10 || f.Lateness.Quantile(0.99) > time.Microsecond {
			t.Errorf("%d late by %v", f.Lateness.Count(), f.Lateness.Quantile(0.99))
		}
		totals := l.Totals()
		if n := totals.Lateness.Count(); n != 20 {
			t.Errorf("%d packets in the totals, want 20", n)
		}
	})
}
