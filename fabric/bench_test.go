package fabric

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"meshsim/link"
)

// sink is a port that frees what it gets and counts it.
type sink struct {
	packets atomic.Int64
	bytes   atomic.Int64
}

func (s *sink) Deliver(batch []Packet) {
	var bytes int64
	for _, p := range batch {
		bytes += int64(len(p.Data))
		Free(p.Data)
	}
	s.bytes.Add(bytes)
	s.packets.Add(int64(len(batch)))
}

// BenchmarkForward sends packets over a line of unimpaired links, as fast as the destination takes them.
func BenchmarkForward(b *testing.B) {
	for _, c := range []struct {
		hops, size int
		segment    uint16
	}{{1, 1500, 0}, {5, 1500, 0}, {1, 64 << 10, 1448}, {5, 64 << 10, 1448}} {
		for _, delay := range []time.Duration{0, time.Millisecond} {
			b.Run(fmt.Sprintf("hops=%d/size=%d/delay=%v", c.hops, c.size, delay), func(b *testing.B) {
				benchmarkForward(b, c.hops, c.size, c.segment, link.Params{Delay: delay})
			})
		}
	}
}

// BenchmarkForwardShaped sends superpackets over a link that judges every packet by itself.
func BenchmarkForwardShaped(b *testing.B) {
	benchmarkForward(b, 1, 64<<10, 1448, link.Params{Rate: 100e9, QueueLimit: 1 << 29})
}

func benchmarkForward(b *testing.B, hops, size int, segment uint16, p link.Params) {
	l := newLine(b, RealClock(), hops+1, p)
	defer l.Close()
	got := new(sink)
	l.ends[hops].Close()
	if _, err := l.Attach(NodeConfig{ID: NodeID(hops), Addrs: l.ends[hops].addrs}, got); err != nil {
		b.Fatal(err)
	}
	template := tcp4(0, hops, size-52)
	const ahead = 4 << 20 // bytes on their way
	batch := make([]Packet, 0, 16)
	b.SetBytes(int64(size))
	for sent := 0; b.Loop(); sent++ {
		data := Alloc(size)
		copy(data, template)
		batch = append(batch, Packet{Data: data, SegmentSize: segment})
		if len(batch) < cap(batch) && size < 9000 {
			continue
		}
		l.ends[0].Send(batch)
		batch = batch[:0]
		for int64(sent)*int64(size)-got.bytes.Load() > ahead {
			runtime.Gosched()
		}
	}
}

// BenchmarkLateness measures by how much packets are late in real time: on an idle machine, and while other
// goroutines keep the processors busy.
func BenchmarkLateness(b *testing.B) {
	for _, busy := range []int{0, 2, 12} {
		b.Run(fmt.Sprintf("busy=%d", busy), func(b *testing.B) {
			benchmarkLateness(b, busy, func(_ *line, stop *atomic.Bool) { spin(stop) })
		})
	}
	b.Run("flooding=2", func(b *testing.B) { benchmarkLateness(b, 2, (*line).flood) })
}

// clocked is a port that notes by how much packets are late. They arrive spacing apart.
type clocked struct {
	clock Clock
	start link.Instant // of the present train
	late  []time.Duration
	n     atomic.Int64
}

// A train of packets is sent at once over a link whose rate spaces them out.
const (
	train      = 100
	trainDelay = 20 * time.Millisecond
	trainGap   = time.Millisecond
	trainRate  = link.BitRate(8 * 100 * int64(time.Second/trainGap)) // for packets of 100 bytes
)

func (c *clocked) Deliver(batch []Packet) {
	now := c.clock.Now()
	for _, p := range batch {
		if id(p) == 0 {
			c.start = p.Ingress
		}
		due := c.start.Add(trainDelay + time.Duration(id(p)+1)*trainGap)
		c.late = append(c.late, now.Sub(due))
		Free(p.Data)
	}
	c.n.Add(int64(len(batch)))
}

func benchmarkLateness(b *testing.B, busy int, work func(*line, *atomic.Bool)) {
	clock := RealClock()
	l := newLine(b, clock, 3, link.Params{Rate: trainRate, Delay: trainDelay, QueueLimit: 1 << 20})
	defer l.Close()
	port := &clocked{clock: clock}
	l.ends[1].Close()
	if _, err := l.Attach(NodeConfig{ID: 1, Addrs: l.ends[1].addrs}, port); err != nil {
		b.Fatal(err)
	}
	var stop atomic.Bool
	for range busy {
		go work(l, &stop)
	}
	var sent int64
	for b.Loop() {
		packets := make([][]byte, train)
		for i := range packets {
			packets[i] = ipv4(0, 1, 100, uint32(i))
		}
		l.send(0, packets...)
		sent += train
		for port.n.Load() < sent {
			time.Sleep(trainGap)
		}
	}
	stop.Store(true)
	slices.Sort(port.late)
	report := func(q float64, unit string) {
		at := min(int(q*float64(len(port.late))), len(port.late)-1)
		b.ReportMetric(float64(port.late[at])/1e6, unit)
	}
	report(0.5, "p50-ms")
	report(0.99, "p99-ms")
	report(1, "max-ms")
	b.Log(l.Privileges())
}

// flood keeps a processor busy with forwarding: packets that no port takes, from one that sends nothing else.
func (l *line) flood(stop *atomic.Bool) {
	packet := ipv4(2, 7, 100, 0)
	batch := make([]Packet, sendChunk)
	for !stop.Load() {
		for i := range batch {
			batch[i].Data = append(Alloc(0), packet...)
		}
		l.ends[2].Send(batch)
	}
}

// spin keeps a processor busy.
func spin(stop *atomic.Bool) {
	for !stop.Load() {
	}
}

// BenchmarkApply changes every link of a mesh of a thousand servers at once: the most that dragging a server
// can do is a few dozen.
func BenchmarkApply(b *testing.B) {
	for _, links := range []int{40, 3000} {
		b.Run(fmt.Sprintf("links=%d", links), func(b *testing.B) {
			f := New(Config{Clock: TimerClock()})
			defer f.Close()
			c := Change{Router: lineRouter{1000}}
			for i := range NodeID(links) {
				c.Set = append(c.Set, LinkConfig{LinkID{i % 1000, i%1000 + 1 + i/1000}, link.Params{}, link.Params{}})
			}
			for b.Loop() {
				for i := range c.Set {
					c.Set[i].AB.Delay += time.Microsecond
				}
				if err := f.Apply(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEachLink reads the counters of 3,000 links.
func BenchmarkEachLink(b *testing.B) {
	l := newLine(b, TimerClock(), 3001, link.Params{})
	defer l.Close()
	for b.Loop() {
		l.EachLink(func(*LinkStats) {})
	}
}
