package api

import (
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
	utilisation    float64
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
		totals := c.told[s.LinkID]
		frame.Links = totals.ab.appendMoved(frame.Links, a, b, &s.AB, utilisation{link.AB.Rate, elapsed})
		frame.Links = totals.ba.appendMoved(frame.Links, b, a, &s.BA, utilisation{link.BA.Rate, elapsed})
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
func (t *directionTotals) appendMoved(
	list []LinkCounters, from, to int, s *fabric.DirectionStats, share utilisation,
) []LinkCounters {
	next := directionTotals{s.Packets, s.Bytes, s.QueueBytes, s.Drops.Total(), share.of(s.Bytes - min(t.bytes, s.Bytes))}
	if next == *t {
		return list
	}
	*t = next
	counters := countersOf(from, to, s)
	counters.UtilisationPct = next.utilisation
	return append(list, counters)
}

// utilisation is a link's rate and the time over which its use is measured.
type utilisation struct {
	rate    link.BitRate
	elapsed time.Duration
}

// of is the share of the rate that bytes took, in percent. The counters count bytes when the link takes them,
// so that a queue that fills looks like more than all of it.
func (u utilisation) of(bytes uint64) float64 {
	if u.rate == link.Unlimited || u.elapsed <= 0 {
		return 0
	}
	return min(100, 100*float64(bytes)*8/(float64(u.rate)*u.elapsed.Seconds()))
}

func countersOf(from, to int, s *fabric.DirectionStats) LinkCounters {
	counters := LinkCounters{From: from, To: to, Packets: s.Packets, Bytes: s.Bytes, QueueBytes: s.QueueBytes}
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
