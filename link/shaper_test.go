package link_test

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"meshsim/link"
)

func newShaper(p link.Params) *link.Shaper { return link.NewShaper(1, "0-1", link.AB, p) }

func TestRateIsExact(t *testing.T) {
	cases := map[string]struct {
		rate     link.BitRate
		size     int
		overhead int
		want     time.Duration
	}{
		"slowest":       {100, 1500, 0, 120 * time.Second},
		"with-overhead": {1e6, 1000, 250, 10 * time.Millisecond},
		"fastest":       {1e12, 1500, 0, 12 * time.Nanosecond},
		"default":       {512_000, 64, 0, time.Millisecond},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v := newShaper(link.Params{Rate: c.rate, Overhead: c.overhead}).Admit(0, c.size)
			if v.Departs != link.Instant(c.want) || v.Arrives != v.Departs {
				t.Errorf("departs after %v, arrives after %v; want %v", time.Duration(v.Departs), time.Duration(v.Arrives), c.want)
			}
		})
	}
}

// A rate whose packets take a fraction of a nanosecond more than a whole number has no error over a million
// of them.
func TestRateCarriesFractions(t *testing.T) {
	const packets = 1_000_000
	s := newShaper(link.Params{Rate: 700_000_000_001, QueueLimit: link.MaxQueueLimit})
	var last link.Instant
	for range packets {
		last = s.Admit(0, 100).Departs
	}
	want := new(big.Int).Div(big.NewInt(packets*100*8*1e9), big.NewInt(700_000_000_001)).Int64()
	if int64(last) != want {
		t.Errorf("a million packets take %d ns, want %d", last, want)
	}
}

// packet is one step of a random history: time passes, then a packet is sent or the parameters change.
type packet struct {
	after time.Duration
	size  int
	set   *link.Params
}

func genParams(t *rapid.T) link.Params {
	share := rapid.SampledFrom([]float64{0, 0, 0.1, 0.5, 1})
	return link.Params{
		Rate:               link.BitRate(rapid.SampledFrom([]int64{0, 100, 9_600, 512_000, 1e7, 1e12}).Draw(t, "rate")),
		Delay:              time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "delay")),
		Jitter:             time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "jitter")),
		JitterDistribution: link.Distribution(rapid.IntRange(0, 3).Draw(t, "distribution")),
		JitterCorrelation:  share.Draw(t, "correlation"),
		Loss:               share.Draw(t, "loss"),
		Duplicate:          share.Draw(t, "duplicate"),
		Reorder:            share.Draw(t, "reorder"),
		Corrupt:            share.Draw(t, "corrupt"),
		QueueLimit:         rapid.IntRange(0, 100_000).Draw(t, "queue limit"),
		Overhead:           rapid.IntRange(0, 100).Draw(t, "overhead"),
		Down:               rapid.IntRange(0, 9).Draw(t, "down") == 0,
	}
}

func genHistory(t *rapid.T) []packet {
	n := rapid.IntRange(1, 200).Draw(t, "packets")
	history := make([]packet, n)
	for i := range history {
		history[i] = packet{
			after: time.Duration(rapid.SampledFrom([]int64{0, 0, 1, 1e3, 1e6, 1e9}).Draw(t, "after")),
			size:  rapid.IntRange(20, 1500).Draw(t, "size"),
		}
		if rapid.IntRange(0, 19).Draw(t, "edit") == 0 {
			p := genParams(t)
			history[i].set = &p
		}
	}
	return history
}

// Whatever the parameters and however they change, packets stay in order, never arrive before they left and
// never leave before they came; the queue never holds more than its limit and one packet.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genParams(t)
		s := newShaper(p)
		var now, lastDeparts, lastArrives link.Instant
		for _, step := range genHistory(t) {
			now = now.Add(step.after)
			if step.set != nil {
				p = *step.set
				s.Set(p)
			}
			before := s.Queued(now)
			v := s.Admit(now, step.size)
			switch v.Drop {
			case link.DropDown:
				if !p.Down {
					t.Fatal("dropped as down on a link that is up")
				}
				continue
			case link.DropQueueFull:
				if before == 0 || before+step.size+p.Overhead <= p.EffectiveQueueLimit() || s.Queued(now) != before {
					t.Fatalf("refused with %d bytes queued", before)
				}
				continue
			}
			if v.Departs < now || v.Departs < lastDeparts {
				t.Fatalf("departs at %d, now %d, the one before at %d", v.Departs, now, lastDeparts)
			}
			lastDeparts = v.Departs
			if v.Drop != link.NotDropped {
				continue
			}
			checkArrival(t, v, lastArrives, step.size)
			lastArrives = max(lastArrives, v.Arrives)
			if v.Duplicated {
				lastArrives = max(lastArrives, v.CopyArrives)
			}
		}
	})
}

func checkArrival(t *rapid.T, v link.Verdict, lastArrives link.Instant, size int) {
	if v.Arrives < v.Departs {
		t.Fatalf("arrives at %d, before it departs at %d", v.Arrives, v.Departs)
	}
	if v.Reordered != (v.Arrives < lastArrives) {
		t.Fatalf("arrives at %d after one at %d, reordered is %v", v.Arrives, lastArrives, v.Reordered)
	}
	if v.Duplicated && v.CopyArrives < v.Arrives {
		t.Fatalf("the copy arrives at %d, before the packet at %d", v.CopyArrives, v.Arrives)
	}
	if v.Corrupted && (v.CorruptBit < 0 || v.CorruptBit >= size*8) {
		t.Fatalf("bit %d of a packet of %d bytes", v.CorruptBit, size)
	}
}

// oracle is a link with rate, delay and a queue in exact fractions, remembering every packet.
type oracle struct {
	p    link.Params
	free *big.Rat // ns
	sent []departure
}

type departure struct {
	at   link.Instant
	size int
}

func (o *oracle) queued(now link.Instant) (bytes int) {
	for _, d := range o.sent {
		if d.at > now {
			bytes += d.size
		}
	}
	return bytes
}

func (o *oracle) admit(now link.Instant, size int) (departs, arrives link.Instant, ok bool) {
	size += o.p.Overhead
	if o.p.Rate == link.Unlimited {
		return now, now.Add(o.p.Delay), true
	}
	if q := o.queued(now); q > 0 && q+size > o.p.EffectiveQueueLimit() {
		return 0, 0, false
	}
	if whole := new(big.Int).Div(o.free.Num(), o.free.Denom()); whole.Int64() < int64(now) {
		o.free.SetInt64(int64(now))
	}
	o.free.Add(o.free, big.NewRat(int64(size)*8*1e9, int64(o.p.Rate)))
	departs = link.Instant(new(big.Int).Div(o.free.Num(), o.free.Denom()).Int64())
	o.sent = append(o.sent, departure{departs, size})
	return departs, departs.Add(o.p.Delay), true
}

func TestAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genParams(t)
		p = link.Params{Rate: p.Rate, Delay: p.Delay, QueueLimit: p.QueueLimit, Overhead: p.Overhead}
		s, o := newShaper(p), &oracle{p: p, free: new(big.Rat)}
		var now link.Instant
		for _, step := range genHistory(t) {
			now = now.Add(step.after)
			departs, arrives, ok := o.admit(now, step.size)
			v := s.Admit(now, step.size)
			if ok != (v.Drop == link.NotDropped) || ok && (v.Departs != departs || v.Arrives != arrives) {
				t.Fatalf("at %d: %+v; want %d, %d, %v", now, v, departs, arrives, ok)
			}
			if got, want := s.Queued(now), o.queued(now); got != want {
				t.Fatalf("at %d: %d bytes queued, want %d", now, got, want)
			}
		}
	})
}

func TestSetKeepsTheScheduleOfWhatWasSent(t *testing.T) {
	s := newShaper(link.Params{Rate: 8_000, Delay: time.Second})
	for range 5 { // a second each
		s.Admit(0, 1000)
	}
	s.Set(link.Params{Rate: 8_000_000, Delay: time.Millisecond})
	if q := s.Queued(0); q != 5000 {
		t.Errorf("%d bytes queued after the change, want 5000", q)
	}
	v := s.Admit(0, 1000)
	if want := link.Instant(5*time.Second + time.Millisecond); v.Departs != want {
		t.Errorf("departs at %v, want %v: after those queued, at the new rate", v.Departs, want)
	}
	if want := link.Instant(6 * time.Second); v.Arrives != want {
		t.Errorf("arrives at %v, want %v: not before those in flight", v.Arrives, want)
	}
}

func TestQueueLimit(t *testing.T) {
	cases := map[string]struct {
		p    link.Params
		want int // packets of 1,000 bytes taken at once
	}{
		"least":              {link.Params{Rate: 8_000}, 10},
		"200ms-at-rate":      {link.Params{Rate: 8_000_000}, 200},
		"set":                {link.Params{Rate: 8_000_000, QueueLimit: 3_999}, 3},
		"below-one-packet":   {link.Params{Rate: 8_000, QueueLimit: 10}, 1},
		"delay-needs-none":   {link.Params{Delay: time.Hour}, 1000},
		"overhead-is-queued": {link.Params{Rate: 8_000, Overhead: 1000}, 5},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newShaper(c.p)
			got := 0
			for range 1000 {
				if s.Admit(0, 1000).Drop == link.NotDropped {
					got++
				}
			}
			if got != c.want {
				t.Errorf("took %d packets, want %d", got, c.want)
			}
		})
	}
}

func TestDownTakesNothingAndComesBack(t *testing.T) {
	s := newShaper(link.Params{Down: true})
	if v := s.Admit(0, 100); v.Drop != link.DropDown {
		t.Errorf("got %+v", v)
	}
	s.Set(link.Params{})
	if v := s.Admit(0, 100); v.Drop != link.NotDropped {
		t.Errorf("got %+v", v)
	}
}

// The same seed, name and direction draw the same sequence; any other draws another.
func TestDeterminism(t *testing.T) {
	trace := func(seed uint64, name string, dir link.Direction) string {
		s := link.NewShaper(seed, name, dir, link.Params{Delay: time.Second, Jitter: time.Second, Loss: 0.2, Duplicate: 0.1, Corrupt: 0.1, Reorder: 0.1})
		var out string
		for i := range 50 {
			out += fmt.Sprintln(s.Admit(link.Instant(i)*1e9, 100))
		}
		return out
	}
	first := trace(1, "0-1", link.AB)
	if trace(1, "0-1", link.AB) != first {
		t.Error("the same seed draws another sequence")
	}
	for name, other := range map[string]string{
		"seed": trace(2, "0-1", link.AB), "name": trace(1, "0-2", link.AB), "direction": trace(1, "0-1", link.BA),
	} {
		if other == first {
			t.Errorf("another %s draws the same sequence", name)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	cases := map[string]link.Params{
		"perfect": {},
		"rate":    {Rate: 1e9, Delay: 20 * time.Millisecond},
		"jitter":  {Rate: 1e9, Delay: 20 * time.Millisecond, Jitter: time.Millisecond, JitterCorrelation: 0.25},
		"all": {Rate: 1e9, Delay: 20 * time.Millisecond, Jitter: time.Millisecond, JitterDistribution: link.ParetoNormal,
			Loss: 0.01, Duplicate: 0.01, Corrupt: 0.01, Reorder: 0.01},
	}
	for name, p := range cases {
		b.Run(name, func(b *testing.B) {
			s := newShaper(p)
			b.ReportAllocs()
			var now link.Instant
			for b.Loop() {
				s.Admit(now, 1500)
				now = now.Add(12 * time.Microsecond)
			}
		})
	}
}
