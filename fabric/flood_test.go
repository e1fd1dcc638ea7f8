package fabric

import (
	"runtime"
	"testing"
	"time"

	"meshsim/link"
)

// judged are the parameters of a link that cuts superpackets up and loses nothing.
func judged(delay time.Duration) link.Params {
	return link.Params{Rate: 100e9, QueueLimit: 1 << 29, Delay: delay}
}

// tinySegments is a superpacket of 64 KB whose segments have size bytes of payload.
func tinySegments(from, to int, size uint16) Packet {
	template := tcp4(from, to, 65_000)
	data := Alloc(len(template))
	copy(data, template)
	return Packet{Data: data, SegmentSize: size}
}

// A flood of segments with one byte of payload, over a link that holds them for an hour, takes no more memory than the
// bound says: short packets are charged what they take.
func TestMemoryOfAFlood(t *testing.T) {
	const bound = 64 << 20
	inLine(t, 2, judged(time.Hour), func(t *testing.T, l *line) {
		l.maxInFlight = bound
		before := heapInUse()
		for range 2 {
			l.ends[0].Send([]Packet{tinySegments(0, 1, 1)})
		}
		s := l.stats(0, 1)
		if got, want := s.AB.InFlight, bound/(buffer2K+flightSize); got != want {
			t.Errorf("%d packets on their way, want %d", got, want)
		}
		if got, want := s.AB.Drops[link.DropOverload], uint64(2*65_000-s.AB.InFlight); got != want {
			t.Errorf("%d dropped, want %d", got, want)
		}
		took := heapInUse() - before
		t.Logf("%d bytes of memory for each packet on its way", took/s.AB.InFlight)
		if took > bound {
			t.Errorf("%d bytes of memory taken, want at most %d", took, bound)
		}
	})
}

// heapInUse is how many bytes of memory are in use. What pools hold is not.
func heapInUse() int {
	var m runtime.MemStats
	for range 2 { // a pool gives its buffers up at the second collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// hold keeps others' packets out of the network, as if somebody were putting them in, until the function that it returns
// is called.
func (l *line) hold() (release func()) {
	l.outMu.Lock()
	defer l.outMu.Unlock()
	l.sending = true
	return l.sendOut
}

// What a port sends faster than the network takes it is bounded, and only its own packets are dropped.
func TestWhatAPortHasSentIsBounded(t *testing.T) {
	const room, more = sendLimit / (buffer2K + flightSize), 10
	inLine(t, 3, link.Params{Delay: time.Second}, func(t *testing.T, l *line) {
		for range 2 { // room comes back
			release := l.hold()
			for range room + more {
				l.send(0, ipv4(0, 1, 41, 0))
			}
			l.send(2, ipv4(2, 1, 41, 7))
			release()
			l.sleep(time.Minute)
		}
		n, _ := l.NodeStats(0)
		if n.Drops[link.DropOverload] != 2*more || n.Drops.Total() != 2*more || l.Totals().Drops[link.DropOverload] != 2*more {
			t.Errorf("the flooding port lost %v, want %d in each round", n.Drops, more)
		}
		if n, _ := l.NodeStats(2); n.Drops.Total() != 0 {
			t.Errorf("another port lost %v", n.Drops)
		}
		if got := len(l.ports[1].packets()); got != 2*(room+1) {
			t.Errorf("%d packets arrived, want %d", got, 2*(room+1))
		}
		if waiting := l.ends[0].waiting; waiting != 0 {
			t.Errorf("%d bytes are still waiting", waiting)
		}
	})
}

// A superpacket that waits is charged its segments, which is what it costs those behind it.
func TestSuperpacketsWaitAsTheirSegments(t *testing.T) {
	inLine(t, 2, judged(time.Second), func(t *testing.T, l *line) {
		release := l.hold()
		for range 100 {
			l.ends[0].Send([]Packet{tinySegments(0, 1, 48)})
		}
		release()
		l.sleep(0)
		s := l.stats(0, 1)
		if most := sendLimit / (buffer2K + flightSize); s.AB.InFlight > most || s.AB.InFlight < most/2 {
			t.Errorf("%d segments at once, want up to %d", s.AB.InFlight, most)
		}
		n, _ := l.NodeStats(0)
		if taken := (s.AB.InFlight + 1354) / 1355; n.Drops[link.DropOverload] != uint64(100-taken) {
			t.Errorf("%d superpackets taken and %v dropped, of 100", taken, n.Drops)
		}
	})
}

// A packet heavier than all the room there is passes by itself, rather than never.
func TestAHeavyPacketIsTakenWhereNothingWaits(t *testing.T) {
	inLine(t, 2, judged(time.Second), func(t *testing.T, l *line) {
		release := l.hold()
		for range 3 {
			l.ends[0].Send([]Packet{tinySegments(0, 1, 1)})
		}
		release()
		l.sleep(time.Minute)
		if got := len(l.ports[1].packets()); got != 65_000 {
			t.Errorf("%d segments arrived, want those of one superpacket", got)
		}
		if n, _ := l.NodeStats(0); n.Drops[link.DropOverload] != 2 {
			t.Errorf("dropped %v, want two superpackets", n.Drops)
		}
	})
}

// The network is not locked for long at a time: what goes in at once is bounded by count and by weight.
func TestChunksAreBounded(t *testing.T) {
	batch := func(n, weight int) []outgoing {
		b := make([]outgoing, n)
		for i := range b {
			b[i].weight = weight
		}
		return b
	}
	for _, c := range []struct {
		slug      string
		n, weight int
		want      int
	}{
		{"few", 3, buffer2K, 3},
		{"many", 100, buffer2K, sendChunk},
		{"full-superpackets", 100, chunkWeight / sendChunk, sendChunk},
		{"finely-cut", 100, chunkWeight/2 - 1, 2},
		{"heavier-than-a-chunk", 100, 2 * chunkWeight, 1},
	} {
		t.Run(c.slug, func(t *testing.T) {
			if got := chunkLength(batch(c.n, c.weight)); got != c.want {
				t.Errorf("%d packets, want %d", got, c.want)
			}
		})
	}
}

// The scheduler gives the lock back after few superpackets that it cuts finely, and goes on at once.
func TestTurnsAreBoundedByWeight(t *testing.T) {
	inLine(t, 3, link.Params{}, func(t *testing.T, l *line) {
		l.set(0, 1, link.Params{Delay: time.Second}) // crossed whole
		l.set(1, 2, judged(time.Hour))
		for range 10 {
			l.ends[0].Send([]Packet{tinySegments(0, 2, 48)})
		}
		l.mu.Lock()
		l.wakeAt = awake // the scheduler has nothing to do and is not woken
		for i := range l.due[0].flights.items {
			l.due[0].flights.items[i].arrives = 0
		}
		moved := l.moveLocked()
		left := l.due[0].flights.len()
		cut := l.nodes[1].out[2].flights.len()
		l.mu.Unlock()
		if moved != turnLimit || cut < 1355 || cut > turnWeight/(buffer2K+flightSize)+1366 {
			t.Errorf("%d segments in one turn, %d superpackets left, %d moved", cut, left, moved)
		}
		l.sleep(time.Minute)
		if s := l.stats(1, 2); s.AB.InFlight != 10*1355 {
			t.Errorf("%d segments on their way, want those of all superpackets", s.AB.InFlight)
		}
	})
}

// BenchmarkBacklog is how long everybody else waits for the most that one port can have sent, finely cut, over a link
// that judges every packet.
func BenchmarkBacklog(b *testing.B) {
	l := newLine(b, RealClock(), 2, judged(0))
	defer l.Close()
	l.ends[1].Close()
	if _, err := l.Attach(NodeConfig{ID: 1, Addrs: l.ends[1].addrs}, new(sink)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		release := l.hold()
		for range 10 {
			l.ends[0].Send([]Packet{tinySegments(0, 1, 48)})
		}
		b.StartTimer()
		release()
	}
}
