package link_test

import (
	"math"
	"testing"
	"time"

	"meshsim/link"
)

// Enough packets for the tolerances below to be four standard errors or more. The seeds are fixed, so a test
// that passes once always does.
const samples = 400_000

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %.4f, want %.4f +- %.4f", what, got, want, tolerance)
	}
}

func TestShares(t *testing.T) {
	s := newShaper(link.Params{Loss: 0.1, Duplicate: 0.02, Corrupt: 0.05, Reorder: 0.03, Delay: time.Second})
	var lost, passed, duplicated, corrupted, reordered float64
	bits := make([]float64, 8)
	for i := range samples {
		v := s.Admit(link.Instant(i)*1e6, 1)
		if v.Drop == link.DropLoss {
			lost++
			continue
		}
		passed++
		if v.Duplicated {
			duplicated++
		}
		if v.Reordered {
			reordered++
		}
		if v.Corrupted {
			corrupted++
			bits[v.CorruptBit]++
		}
	}
	near(t, "loss", lost/samples, 0.1, 0.002)
	near(t, "duplicate", duplicated/passed, 0.02, 0.001)
	near(t, "reorder", reordered/passed, 0.03, 0.0015)
	near(t, "corrupt", corrupted/passed, 0.05, 0.0015)
	for _, n := range bits {
		near(t, "share of one of eight bits", n/corrupted, 0.125, 0.01)
	}
}

func TestCertaintiesDrawNothing(t *testing.T) {
	s := newShaper(link.Params{Loss: 1})
	for range 100 {
		if s.Admit(0, 100).Drop != link.DropLoss {
			t.Fatal("a loss of 1 let a packet pass")
		}
	}
}

// The share of lost packets is that of the stationary state, and bursts last 1/R packets.
func TestBurstLoss(t *testing.T) {
	const p, r = 0.02, 0.25
	s := newShaper(link.Params{Loss: 1, Burst: &link.GilbertElliott{P: p, R: r, LossBad: 1}})
	var lost, bursts float64
	before := false
	for range samples {
		now := s.Admit(0, 100).Drop == link.DropLoss
		if now {
			lost++
		}
		if now && !before {
			bursts++
		}
		before = now
	}
	near(t, "loss", lost/samples, p/(p+r), 0.003)
	near(t, "length of a burst", lost/bursts, 1/r, 0.15)
}

// jitterSample returns the deviations from the delay, in units of the jitter. Packets are too far apart to
// be held back by those before.
func jitterSample(d link.Distribution, correlation float64) []float64 {
	const jitter = time.Millisecond
	s := newShaper(link.Params{Delay: time.Second, Jitter: jitter, JitterDistribution: d, JitterCorrelation: correlation})
	sample := make([]float64, samples)
	for i := range sample {
		now := link.Instant(i) * 1e9
		sample[i] = float64(s.Admit(now, 100).Arrives.Sub(now)-time.Second) / float64(jitter)
	}
	return sample
}

func moments(sample []float64) (mean, deviation, correlation float64) {
	for _, x := range sample {
		mean += x
	}
	mean /= float64(len(sample))
	var variance, covariance float64
	for i, x := range sample {
		variance += (x - mean) * (x - mean)
		if i > 0 {
			covariance += (x - mean) * (sample[i-1] - mean)
		}
	}
	return mean, math.Sqrt(variance / float64(len(sample))), covariance / variance
}

func TestJitterDistributions(t *testing.T) {
	cases := map[string]struct {
		d               link.Distribution
		mean, deviation float64
		low, high       float64
	}{
		"uniform":      {link.Uniform, 0, 1 / math.Sqrt(3), -1, 1},
		"normal":       {link.Normal, 0, 1, -4, 4},
		"pareto":       {link.Pareto, 0, 1, -0.75, 5.5},
		"paretonormal": {link.ParetoNormal, 0, 1, -1.65, 5.4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			sample := jitterSample(c.d, 0)
			mean, deviation, correlation := moments(sample)
			near(t, "mean", mean, c.mean, 0.01)
			near(t, "deviation", deviation, c.deviation, 0.02)
			near(t, "correlation", correlation, 0, 0.01)
			for _, x := range sample {
				if x < c.low-1e-6 || x > c.high+1e-6 {
					t.Fatalf("deviation %.3f is outside %.3f to %.3f", x, c.low, c.high)
				}
			}
		})
	}
}

// As in netem: the correlation is the parameter, and the deviation shrinks by sqrt((1-rho)/(1+rho)).
func TestJitterCorrelation(t *testing.T) {
	for _, rho := range []float64{0.25, 0.8} {
		mean, deviation, correlation := moments(jitterSample(link.Uniform, rho))
		near(t, "mean", mean, 0, 0.01)
		near(t, "deviation", deviation, math.Sqrt((1-rho)/(1+rho)/3), 0.01)
		near(t, "correlation", correlation, rho, 0.01)
	}
}

func TestJitterNeverMakesTheDelayNegative(t *testing.T) {
	s := newShaper(link.Params{Delay: time.Millisecond, Jitter: time.Second, JitterDistribution: link.Normal})
	for i := range 1000 {
		now := link.Instant(i) * 1e10
		if v := s.Admit(now, 100); v.Arrives < now {
			t.Fatalf("sent at %d, arrives at %d", now, v.Arrives)
		}
	}
}
