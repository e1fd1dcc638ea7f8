package topo

import (
	"math"
	"time"

	"meshsim/link"
)

// jitterCorrelation is netem's customary 25 %, which is what the original uses.
const jitterCorrelation = 0.25

// minDecayShare is how much of the default bandwidth decay leaves at least.
const minDecayShare = 0.01

// UnlimitedCounts is the rate that an unlimited link counts as where bandwidths are compared.
const UnlimitedCounts link.BitRate = 100_000_000_000

// Counted is what a rate counts as where bandwidths are compared or added up: unlimited, and all that is
// faster, count as 100 Gbit/s. It is never 0.
func Counted(r link.BitRate) link.BitRate {
	if r == link.Unlimited {
		return UnlimitedCounts
	}
	return min(r, UnlimitedCounts)
}

// ClientLink returns the parameters of the link between a server and its clients, the same in both
// directions.
func (s Settings) ClientLink() link.Params {
	return link.Params{
		Rate:              s.ClientBandwidth,
		Delay:             s.ClientLatency,
		Jitter:            share(s.ClientJitter, s.ClientLatency),
		JitterCorrelation: jitterCorrelation,
		Loss:              s.ClientLoss.Share(),
	}
}

// latency is what a distance in pixels means, to the nanosecond, and at most what a link can have. It never
// falls as the distance grows.
func (s *Settings) latency(distance float64) time.Duration {
	latency := math.Round(distance * float64(s.LatencyScale) / 100 * float64(time.Millisecond))
	return time.Duration(min(latency, float64(link.MaxDelay)))
}

// bandwidth is that of a link whose place on the canvas gives it a latency. It never grows with the latency.
func (s *Settings) bandwidth(geometric time.Duration) link.BitRate {
	if !s.DecayBandwidth || s.Bandwidth == link.Unlimited {
		return s.Bandwidth
	}
	left := float64(s.Bandwidth) * (1 - float64(geometric)/float64(s.MaxLatency))
	return link.BitRate(max(left, float64(s.Bandwidth)*minDecayShare, float64(link.MinRate)))
}

// direction derives one direction of a link from its place on the canvas and its pins.
func (s *Settings) direction(geometric time.Duration, pin *Pin, cut bool) link.Params {
	p := link.Params{
		Rate:               or(pin.Bandwidth, s.bandwidth(geometric)),
		Delay:              or(pin.Latency, geometric),
		JitterDistribution: or(pin.JitterDistribution, link.Uniform),
		JitterCorrelation:  jitterCorrelation,
		Loss:               or(pin.Loss, s.Loss).Share(),
		Burst:              pin.Burst,
		Duplicate:          or(pin.Duplicate, 0).Share(),
		Reorder:            or(pin.Reorder, 0).Share(),
		Corrupt:            or(pin.Corrupt, 0).Share(),
		QueueLimit:         or(pin.Queue, 0),
		Overhead:           or(pin.Overhead, 0),
		MTU:                or(pin.MTU, 0),
		Down:               cut,
	}
	p.Jitter = share(or(pin.Jitter, s.Jitter), p.Delay)
	if pin.JitterCorrelation != nil {
		p.JitterCorrelation = pin.JitterCorrelation.Share()
	}
	return p
}

func share(p Percent, of time.Duration) time.Duration {
	return time.Duration(math.Round(float64(of) * p.Share()))
}

func or[T any](pinned *T, derived T) T {
	if pinned != nil {
		return *pinned
	}
	return derived
}
