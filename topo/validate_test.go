package topo

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"meshsim/link"
)

func TestSettingsThatAreNotAllowed(t *testing.T) {
	nan, inf := Percent(math.NaN()), Percent(math.Inf(1))
	for _, c := range []struct {
		name  string
		field string
		edit  func(*Settings)
	}{
		{"negative-bandwidth", "bandwidth", func(s *Settings) { s.Bandwidth = -1 }},
		{"bandwidth-too-low", "bandwidth", func(s *Settings) { s.Bandwidth = 99 }},
		{"absurd-bandwidth", "bandwidth", func(s *Settings) { s.Bandwidth = 1e15 }},
		{"no-max-latency", "max_latency", func(s *Settings) { s.MaxLatency = 0 }},
		{"negative-max-latency", "max_latency", func(s *Settings) { s.MaxLatency = -1 }},
		{"absurd-max-latency", "max_latency", func(s *Settings) { s.MaxLatency = 25 * time.Hour }},
		{"negative-min-bandwidth", "min_bandwidth", func(s *Settings) { s.MinBandwidth = -1 }},
		{"min-bandwidth-above-unlimited", "min_bandwidth", func(s *Settings) { s.MinBandwidth = 1e11 }},
		{"jitter-above-all", "jitter", func(s *Settings) { s.Jitter = 100.1 }},
		{"jitter-nan", "jitter", func(s *Settings) { s.Jitter = nan }},
		{"loss-infinite", "packet_loss", func(s *Settings) { s.Loss = inf }},
		{"cost-unknown", "cost_function", func(s *Settings) { s.Cost = "cheapest" }},
		{"scale-zero", "latency_scale", func(s *Settings) { s.LatencyScale = 0 }},
		{"scale-nan", "latency_scale", func(s *Settings) { s.LatencyScale = nan }},
		{"negative-neighbours", "neighbours", func(s *Settings) { s.Neighbours = -1 }},
		{"negative-client-latency", "client_latency", func(s *Settings) { s.ClientLatency = -1 }},
		{"negative-client-bandwidth", "client_bandwidth", func(s *Settings) { s.ClientBandwidth = -1 }},
		{"client-jitter", "client_jitter", func(s *Settings) { s.ClientJitter = -1 }},
		{"client-loss", "client_loss", func(s *Settings) { s.ClientLoss = 101 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Defaults()
			c.edit(&s)
			checkRefused(t, s.Validate(), c.field)
		})
	}
}

func checkRefused(t *testing.T, err error, field string) {
	t.Helper()
	refused, ok := errors.AsType[*RangeError](err)
	if !ok {
		t.Fatalf("got %v, want a RangeError", err)
	}
	if refused.Field != field || refused.Value == "" || !strings.Contains(err.Error(), "must be "+refused.Allowed) {
		t.Errorf("got %+v (%v)", refused, err)
	}
}

func TestPinsThatAreNotAllowed(t *testing.T) {
	for _, c := range []struct {
		name  string
		field string
		pin   Pin
	}{
		{"negative-latency", "latency", Pin{Latency: new(time.Duration(-1))}},
		{"absurd-latency", "latency", Pin{Latency: new(25 * time.Hour)}},
		{"low-bandwidth", "bandwidth", Pin{Bandwidth: new(link.BitRate(1))}},
		{"jitter", "jitter", Pin{Jitter: new(Percent(-1))}},
		{"loss", "packet_loss", Pin{Loss: new(Percent(100.5))}},
		{"distribution", "jitter_distribution", Pin{JitterDistribution: new(link.Distribution(99))}},
		{"correlation", "jitter_correlation", Pin{JitterCorrelation: new(Percent(101))}},
		{"burst", "burst loss_bad", Pin{Burst: &link.GilbertElliott{LossBad: math.NaN()}}},
		{"duplicate", "duplicate", Pin{Duplicate: new(Percent(-1))}},
		{"reorder", "reorder", Pin{Reorder: new(Percent(-1))}},
		{"corrupt", "corrupt", Pin{Corrupt: new(Percent(-1))}},
		{"queue", "queue", Pin{Queue: new(0)}},
		{"overhead", "overhead", Pin{Overhead: new(-1)}},
		{"mtu", "mtu", Pin{MTU: new(20)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkRefused(t, LinkPins{BA: c.pin}.Validate(), c.field)
		})
	}
}

func TestWhatIsAllowed(t *testing.T) {
	s := Defaults()
	s.Bandwidth, s.ClientBandwidth = link.Unlimited, link.MaxRate
	s.Jitter, s.Loss = 100, 0
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	pin := Pin{Latency: new(time.Duration(0)), Bandwidth: new(link.Unlimited), MTU: new(68), Overhead: new(0)}
	if err := (LinkPins{AB: pin, BA: pin}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestPositions(t *testing.T) {
	if err := ValidatePosition(-1e6, 1e6); err != nil {
		t.Error(err)
	}
	checkRefused(t, ValidatePosition(math.NaN(), 0), "x")
	checkRefused(t, ValidatePosition(0, math.Inf(-1)), "y")
	checkRefused(t, ValidatePosition(0, 1e7), "y")
}

// What topo accepts, the fabric must not refuse: derived parameters stay within link's bounds.
func TestDerivedParametersAreValid(t *testing.T) {
	s := Defaults()
	s.LatencyScale, s.Bandwidth, s.Jitter = MaxLatencyScale, link.MinRate, 100
	nodes := []Node{{ID: 0, X: -MaxCoordinate, Y: -MaxCoordinate}, {ID: 1, X: MaxCoordinate, Y: MaxCoordinate}}
	pins := map[Pair]LinkPins{{0, 1}: {AB: Pin{Latency: new(time.Millisecond)}}}
	l := only(t, Build(s, nodes, pins))
	if err := l.AB.Validate(); err != nil {
		t.Error(err)
	}
	if err := l.BA.Validate(); err != nil {
		t.Error(err)
	}
}
