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

// quantile maps a uniform u in [0, 1) to the distribution's deviation from its mean, in units of Jitter. The
// distributions are netem's, cut off so that no packet is delayed for good, and scaled so that what is left
// has exactly mean 0 and, but for Uniform, standard deviation 1 (netem's tables miss both by up to a fifth).
func (d Distribution) quantile(u float64) float64 {
	switch d {
	case Normal:
		return normalQuantile(u)
	case Pareto:
		return paretoQuantile(u)
	case ParetoNormal:
		return (0.25*normalQuantile(u) + 0.75*paretoQuantile(u)) / paretoNormalDeviation
	}
	return 2*u - 1
}

// normalLimit cuts the normal distribution off, in standard deviations, as netem's tables do.
const normalLimit = 4

func normalQuantile(u float64) float64 {
	return max(-normalLimit, min(math.Sqrt2*math.Erfinv(2*u-1), normalLimit))
}

// A Pareto distribution of scale 1 and shape 3, netem's, cut off at c has mean 3/2 - 1/(2c^2) and mean square
// 3 - 2/c. At 5 that makes a mean of 1.48 and a standard deviation of 0.64.
const (
	paretoLimit     = 5
	paretoMean      = 1.48
	paretoDeviation = 0.64
)

func paretoQuantile(u float64) float64 {
	return (min(1/math.Cbrt(1-u), paretoLimit) - paretoMean) / paretoDeviation
}

// paretoNormalDeviation is the standard deviation of a quarter normal and three quarters Pareto at the same
// u, by numerical integration.
const paretoNormalDeviation = 0.96536
