package api

import (
	"math"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/topo"
)

// counterReader turns the fabric's totals into frames for one reader, with only the links that moved.
type counterReader struct {
	fabric *fabric.Fabric
	start  time.Time
	last   time.Time
	told   map[fabric.LinkID]linkTotals

	// lateness holds the totals of the frames of the last second, the oldest first.
	lateness []fabric.Lateness
}

// linkTotals are the totals that a reader has been told of both directions of a link.
type linkTotals struct{ ab, ba directionTotals }

type directionTotals struct {
	packets, bytes uint64
	queue          int
	drops          uint64
	rate           float64 // bit/s
	delays         delays
}

// delays are sums over the packets that have arrived.
type delays struct {
	arrived             uint64
	requested, achieved time.Duration
}

func delaysOf(f *fabric.Fidelity) delays {
	return delays{arrived: f.Lateness.Count(), requested: f.Requested, achieved: f.Achieved}
}

// means are the mean delays in ms since the sums were as before; zero where nothing arrived.
func (d delays) means(before delays) (requested, achieved float64) {
	n := d.arrived - before.arrived
	if n == 0 || n > d.arrived { // nothing arrived, or the link is a new one by the same name
		return 0, 0
	}
	mean := func(now, then time.Duration) float64 { return milliseconds(now-then) / float64(n) }
	return mean(d.requested, before.requested), mean(d.achieved, before.achieved)
}

// latenessFrames is how many frames make the second over which lateness is told.
const latenessFrames = int(time.Second / counterInterval)

func newCounterReader(f *fabric.Fabric, start time.Time) counterReader {
	return counterReader{fabric: f, start: start, last: start, told: make(map[fabric.LinkID]linkTotals)}
}

// frame tells what moved. The graph says what the links' rates are.
func (c *counterReader) frame(graph *topo.Graph, now time.Time) *CountersFrame {
	frame := &CountersFrame{AtMS: milliseconds(now.Sub(c.start)), LatenessP99MS: c.lateness99()}
	elapsed := now.Sub(c.last)
	c.last = now
	told := make(map[fabric.LinkID]linkTotals, len(c.told))
	c.fabric.EachLink(func(s *fabric.LinkStats) {
		if isClientLink(s.LinkID) {
			return
		}
		a, b := int(s.A), int(s.B)
		link, _ := graph.Link(topo.Pair{A: a, B: b}) // a link that was just removed counts as unlimited
		totals, known := c.told[s.LinkID]
		over := elapsed
		if !known { // what it took so far, it did not take since the frame before
			over = 0
		}
		frame.Links = totals.ab.appendMoved(frame.Links, a, b, &s.AB, use{link.AB.Rate, over})
		frame.Links = totals.ba.appendMoved(frame.Links, b, a, &s.BA, use{link.BA.Rate, over})
		told[s.LinkID] = totals
	})
	c.told = told
	return frame
}

// isClientLink tells the links between servers and their client sides, which the canvas does not show.
func isClientLink(id fabric.LinkID) bool {
	_, client := node.ServerOf(id.B)
	return client
}

// appendMoved adds one direction's counters where they differ from what the reader was told, and notes them.
func (t *directionTotals) appendMoved(list []LinkCounters, from, to int, s *fabric.DirectionStats, in use) []LinkCounters {
	next := directionTotals{
		packets: s.Packets, bytes: s.Bytes, queue: s.QueueBytes, drops: s.Drops.Total(),
		rate: in.of(s.Bytes - min(t.bytes, s.Bytes)), delays: delaysOf(&s.Fidelity),
	}
	before := *t
	if next == before {
		return list
	}
	*t = next
	counters := countersOf(from, to, s)
	counters.RateBPS = next.rate
	counters.UtilisationPct = in.share(next.rate)
	counters.RequestedDelayMS, counters.AchievedDelayMS = next.delays.means(before.delays)
	return append(list, counters)
}

// use is a link's rate and the time over which its use is measured; none where that is not known.
type use struct {
	limit   link.BitRate
	elapsed time.Duration
}

// of is what taking bytes over the time amounts to, in bit/s.
func (u use) of(bytes uint64) float64 {
	if u.elapsed <= 0 {
		return 0
	}
	return math.Round(float64(bytes) * 8 / u.elapsed.Seconds())
}

// share is the share of the link's rate that a rate takes, in percent. The counters count bytes when the link takes
// them, so that a queue that fills looks like more than all of it.
func (u use) share(rate float64) float64 {
	if u.limit == link.Unlimited {
		return 0
	}
	return min(100, 100*rate/float64(u.limit))
}

func countersOf(from, to int, s *fabric.DirectionStats) LinkCounters {
	counters := LinkCounters{From: from, To: to, Packets: s.Packets, Bytes: s.Bytes, QueueBytes: s.QueueBytes}
	counters.RequestedDelayMS, counters.AchievedDelayMS = delaysOf(&s.Fidelity).means(delays{})
	for reason, count := range s.Drops {
		if count == 0 {
			continue
		}
		if counters.Drops == nil {
			counters.Drops = make(map[string]uint64)
		}
		counters.Drops[link.DropReason(reason).String()] = count
	}
	return counters
}

// lateness99 is the 99th percentile of lateness over the last second.
func (c *counterReader) lateness99() float64 {
	now := c.fabric.Totals().Lateness
	c.lateness = append(c.lateness, now)
	if len(c.lateness) > latenessFrames+1 {
		c.lateness = c.lateness[1:]
	}
	recent := now.Sub(c.lateness[0])
	return milliseconds(recent.Quantile(0.99))
}
