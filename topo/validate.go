package topo

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"meshsim/link"
)

// The limits of what can be asked for, besides those of package link.
const (
	MaxCoordinate = 1_000_000 // pixels from the origin, along each axis
	MaxNeighbours = 1000

	MaxLatencyScale Percent = 100_000
)

// RangeError says that a value is not allowed.
type RangeError struct {
	Field   string // as in a mesh file, e.g. "max_latency"
	Value   string
	Allowed string
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%s is %s: it must be %s", e.Field, e.Value, e.Allowed)
}

// Validate returns a [*RangeError] for the first setting that is not allowed.
func (s Settings) Validate() error {
	return cmp.Or(
		checkRate("bandwidth", s.Bandwidth),
		checkMaxLatency(s.MaxLatency),
		check("min_bandwidth", s.MinBandwidth, 0, UnlimitedCounts-1, "0 (no minimum) to less than 100Gbit", formatMinimum),
		checkPercent("jitter", s.Jitter),
		checkPercent("packet_loss", s.Loss),
		checkCost(s.Cost),
		checkScale(s.LatencyScale),
		check("neighbours", s.Neighbours, 0, MaxNeighbours, "0 to 1000", strconv.Itoa),
		checkLatency("client_latency", s.ClientLatency),
		checkRate("client_bandwidth", s.ClientBandwidth),
		checkPercent("client_jitter", s.ClientJitter),
		checkPercent("client_loss", s.ClientLoss),
	)
}

// Validate returns a [*RangeError] for the first value that is not allowed.
func (p Pin) Validate() error {
	return cmp.Or(
		checkPin("latency", p.Latency, checkLatency),
		checkPin("bandwidth", p.Bandwidth, checkRate),
		checkPin("jitter", p.Jitter, checkPercent),
		checkPin("packet_loss", p.Loss, checkPercent),
		checkPin("jitter_distribution", p.JitterDistribution, checkDistribution),
		checkPin("jitter_correlation", p.JitterCorrelation, checkPercent),
		checkPin("burst", p.Burst, checkBurst),
		checkPin("duplicate", p.Duplicate, checkPercent),
		checkPin("reorder", p.Reorder, checkPercent),
		checkPin("corrupt", p.Corrupt, checkPercent),
		checkPin("queue", p.Queue, func(field string, v int) error {
			return check(field, v, 1, link.MaxQueueLimit, "1 byte to 1 GiB", formatBytes)
		}),
		checkPin("overhead", p.Overhead, func(field string, v int) error {
			return check(field, v, 0, link.MaxOverhead, "0 to 65535 bytes", formatBytes)
		}),
		checkPin("mtu", p.MTU, func(field string, v int) error {
			return check(field, v, link.MinMTU, link.MaxMTU, "68 to 65535 bytes", formatBytes)
		}),
	)
}

// Validate returns a [*RangeError] for the first value of either direction that is not allowed.
func (p LinkPins) Validate() error {
	return cmp.Or(p.AB.Validate(), p.BA.Validate())
}

// ValidatePosition returns a [*RangeError] for a position that is not on the canvas.
func ValidatePosition(x, y float64) error {
	return cmp.Or(checkCoordinate("x", x), checkCoordinate("y", y))
}

// check is false for NaN whatever the limits.
func check[T int | int64 | float64 | Percent | link.BitRate | time.Duration](
	field string, v, low, high T, allowed string, format func(T) string,
) error {
	if v >= low && v <= high {
		return nil
	}
	return &RangeError{Field: field, Value: format(v), Allowed: allowed}
}

func checkPin[T any](field string, v *T, f func(string, T) error) error {
	if v == nil {
		return nil
	}
	return f(field, *v)
}

// checkRate lets link.Unlimited pass: whoever reads numbers from outside refuses the number 0 there.
func checkRate(field string, v link.BitRate) error {
	if v == link.Unlimited {
		return nil
	}
	return check(field, v, link.MinRate, link.MaxRate, "100bit (a second) to 1000Gbit, or unlimited", link.BitRate.String)
}

func checkLatency(field string, v time.Duration) error {
	return check(field, v, 0, link.MaxDelay, "0 to 24 hours", time.Duration.String)
}

func checkMaxLatency(v time.Duration) error {
	return check("max_latency", v, 1, link.MaxDelay, "more than 0 and at most 24 hours", time.Duration.String)
}

func checkPercent(field string, v Percent) error {
	return check(field, v, 0, 100, "0 to 100 %", Percent.String)
}

func checkScale(v Percent) error {
	const field, allowed = "latency_scale", "more than 0 and at most 100,000 %"
	if v == 0 {
		return &RangeError{Field: field, Value: v.String(), Allowed: allowed}
	}
	return check(field, v, 0, MaxLatencyScale, allowed, Percent.String)
}

func checkCoordinate(field string, v float64) error {
	return check(field, v, -MaxCoordinate, MaxCoordinate, "-1,000,000 to 1,000,000 pixels", formatFloat)
}

func checkCost(c Cost) error {
	if c == MinLatency || c == MaxBandwidth {
		return nil
	}
	return &RangeError{
		Field: "cost_function", Value: strconv.Quote(string(c)),
		Allowed: fmt.Sprintf("%s or %s", MinLatency, MaxBandwidth),
	}
}

func checkDistribution(field string, d link.Distribution) error {
	if d <= link.ParetoNormal {
		return nil
	}
	return &RangeError{Field: field, Value: strconv.Itoa(int(d)), Allowed: "uniform, normal, pareto or paretonormal"}
}

func checkBurst(field string, b link.GilbertElliott) error {
	return cmp.Or(
		checkPercent(field+" p", PercentOf(b.P)),
		checkPercent(field+" r", PercentOf(b.R)),
		checkPercent(field+" loss_good", PercentOf(b.LossGood)),
		checkPercent(field+" loss_bad", PercentOf(b.LossBad)),
	)
}

// formatMinimum is for a rate whose 0 is not link.Unlimited.
func formatMinimum(r link.BitRate) string { return strconv.FormatInt(int64(r), 10) + " bit/s" }

func formatBytes(n int) string     { return strconv.Itoa(n) + " bytes" }
func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
