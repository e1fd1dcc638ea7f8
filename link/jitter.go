package link

import (
	"math"
	"time"
)

// correlated is netem's random source with memory: each value is a weighted mean of a fresh draw and the
// value before.
type correlated struct {
	last    float64
	started bool
}

// next mixes a fresh draw u with the value before, which has the weight rho. As in netem, values stay in
// [0, 1) and crowd towards the middle as rho grows: their deviation shrinks by sqrt((1-rho)/(1+rho)).
func (c *correlated) next(u, rho float64) float64 {
	if rho > 0 && c.started {
		u = u*(1-rho) + c.last*rho
	}
	c.last, c.started = u, true
	return u
}

// delay draws the propagation delay of one packet. It is never negative.
func (s *Shaper) delay() time.Duration {
	p := &s.params
	if p.Jitter == 0 {
		return p.Delay
	}
	u := s.jitter.next(s.uniform(), p.JitterCorrelation)
	return max(0, p.Delay+time.Duration(float64(p.Jitter)*p.JitterDistribution.quantile(u)))
}

// quantileLimit bounds the tails: netem's tables end at four standard deviations.
const quantileLimit = 4

// quantile maps a uniform u in [0, 1) to the distribution's deviation from its mean, in units of Jitter.
func (d Distribution) quantile(u float64) float64 {
	switch d {
	case Normal:
		return bound(normalQuantile(u))
	case Pareto:
		return bound(paretoQuantile(u))
	case ParetoNormal:
		// iproute2's table: a quarter normal and three quarters Pareto.
		return bound(0.25*bound(normalQuantile(u)) + 0.75*bound(paretoQuantile(u)))
	}
	return 2*u - 1
}

func bound(x float64) float64 { return max(-quantileLimit, min(x, quantileLimit)) }

func normalQuantile(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }

// paretoQuantile is that of a Pareto distribution of shape 3 (as netem's) and scale 1, moved and scaled to
// mean 0 and standard deviation 1: its own are 3/2 and sqrt(3)/2.
func paretoQuantile(u float64) float64 {
	return (1/math.Cbrt(1-u) - 1.5) * 2 / math.Sqrt(3)
}
