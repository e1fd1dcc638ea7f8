package api

import (
	"math"
	"time"

	"meshsim/link"
	"meshsim/topo"
)

// milliseconds and duration convert between the wire's unit and the program's.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func duration(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

func settingsOf(s topo.Settings) Settings {
	return Settings{
		Bandwidth:       Bandwidth(s.Bandwidth),
		DecayBandwidth:  s.DecayBandwidth,
		MaxLatencyMS:    milliseconds(s.MaxLatency),
		MinBandwidth:    int64(s.MinBandwidth),
		JitterPct:       float64(s.Jitter),
		LossPct:         float64(s.Loss),
		CostFunction:    string(s.Cost),
		LatencyScalePct: float64(s.LatencyScale),
		Neighbours:      s.Neighbours,
		ClientLatencyMS: milliseconds(s.ClientLatency),
		ClientBandwidth: Bandwidth(s.ClientBandwidth),
		ClientJitterPct: float64(s.ClientJitter),
		ClientLossPct:   float64(s.ClientLoss),
	}
}

func (s Settings) topo() topo.Settings {
	return topo.Settings{
		Bandwidth:       link.BitRate(s.Bandwidth),
		DecayBandwidth:  s.DecayBandwidth,
		MaxLatency:      duration(s.MaxLatencyMS),
		MinBandwidth:    link.BitRate(s.MinBandwidth),
		Jitter:          topo.Percent(s.JitterPct),
		Loss:            topo.Percent(s.LossPct),
		Cost:            topo.Cost(s.CostFunction),
		LatencyScale:    topo.Percent(s.LatencyScalePct),
		Neighbours:      s.Neighbours,
		ClientLatency:   duration(s.ClientLatencyMS),
		ClientBandwidth: link.BitRate(s.ClientBandwidth),
		ClientJitter:    topo.Percent(s.ClientJitterPct),
		ClientLoss:      topo.Percent(s.ClientLossPct),
	}
}

// distribution reads a name that the schema has already checked.
func distribution(name string) link.Distribution {
	d, err := link.ParseDistribution(name)
	if err != nil {
		return link.Uniform
	}
	return d
}

// percentage is a share of 1 in percent.
func percentage(share float64) float64 { return float64(topo.PercentOf(share)) }

// share is a percentage as a share of 1.
func share(percentage float64) float64 { return topo.Percent(percentage).Share() }

// mapped converts an optional value.
func mapped[A, B any](from *A, convert func(A) B) *B {
	if from == nil {
		return nil
	}
	to := convert(*from)
	return &to
}

// number converts between numeric types of the same unit.
func number[B, A ~int | ~int64 | ~float64](a A) B { return B(a) }

func pinOf(p topo.Pin) Pin {
	return Pin{
		LatencyMS:            mapped(p.Latency, milliseconds),
		Bandwidth:            mapped(p.Bandwidth, number[Bandwidth]),
		JitterPct:            mapped(p.Jitter, number[float64]),
		LossPct:              mapped(p.Loss, number[float64]),
		JitterDistribution:   mapped(p.JitterDistribution, link.Distribution.String),
		JitterCorrelationPct: mapped(p.JitterCorrelation, number[float64]),
		Burst:                mapped(p.Burst, burstOf),
		DuplicatePct:         mapped(p.Duplicate, number[float64]),
		ReorderPct:           mapped(p.Reorder, number[float64]),
		CorruptPct:           mapped(p.Corrupt, number[float64]),
		QueueBytes:           p.Queue,
		OverheadBytes:        p.Overhead,
		MTU:                  p.MTU,
	}
}

func (p Pin) topo() topo.Pin {
	return topo.Pin{
		Latency:            mapped(p.LatencyMS, duration),
		Bandwidth:          mapped(p.Bandwidth, number[link.BitRate]),
		Jitter:             mapped(p.JitterPct, number[topo.Percent]),
		Loss:               mapped(p.LossPct, number[topo.Percent]),
		JitterDistribution: mapped(p.JitterDistribution, distribution),
		JitterCorrelation:  mapped(p.JitterCorrelationPct, number[topo.Percent]),
		Burst:              mapped(p.Burst, GilbertElliott.link),
		Duplicate:          mapped(p.DuplicatePct, number[topo.Percent]),
		Reorder:            mapped(p.ReorderPct, number[topo.Percent]),
		Corrupt:            mapped(p.CorruptPct, number[topo.Percent]),
		Queue:              p.QueueBytes,
		Overhead:           p.OverheadBytes,
		MTU:                p.MTU,
	}
}

func burstOf(g link.GilbertElliott) GilbertElliott {
	return GilbertElliott{
		PPct:        percentage(g.P),
		RPct:        percentage(g.R),
		LossGoodPct: percentage(g.LossGood),
		LossBadPct:  percentage(g.LossBad),
	}
}

func (g GilbertElliott) link() link.GilbertElliott {
	return link.GilbertElliott{P: share(g.PPct), R: share(g.RPct), LossGood: share(g.LossGoodPct), LossBad: share(g.LossBadPct)}
}

func paramsOf(p link.Params) LinkParams {
	return LinkParams{
		LatencyMS:  milliseconds(p.Delay),
		Bandwidth:  Bandwidth(p.Rate),
		JitterPct:  jitterPct(p),
		LossPct:    percentage(p.Loss),
		QueueBytes: p.EffectiveQueueLimit(),
		MTU:        p.EffectiveMTU(),
	}
}

// jitterPct gives a link's jitter as the share of its latency that it was made from.
func jitterPct(p link.Params) float64 {
	if p.Delay == 0 {
		return 0
	}
	return percentage(float64(p.Jitter) / float64(p.Delay))
}

func linkOf(l topo.Link, pins topo.LinkPins) Link {
	return Link{
		A:      l.A,
		B:      l.B,
		AB:     paramsOf(l.AB),
		BA:     paramsOf(l.BA),
		PinsAB: pinOf(pins.AB),
		PinsBA: pinOf(pins.BA),
		Cut:    pins.Cut,
		Linked: pins.Linked,
	}
}
