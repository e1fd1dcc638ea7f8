package link

import (
	"cmp"
	"fmt"
	"time"
)

// Bounds of the parameters. They keep every sum of times within an [Instant]; a real link is far inside.
const (
	MaxDelay      = 24 * time.Hour
	MaxQueueLimit = 1 << 30 // bytes
	MaxOverhead   = 65535   // bytes per packet
	MinMTU        = 68      // bytes, RFC 791; IPv6 needs 1280 (RFC 8200) and says so by ICMP
	MaxMTU        = 65535   // bytes
)

// A ParamError names the parameter that is out of bounds, its value and what is allowed.
type ParamError struct {
	Param   string
	Value   any
	Allowed string
}

func (e *ParamError) Error() string {
	return fmt.Sprintf("link %s is %v; allowed is %s", e.Param, e.Value, e.Allowed)
}

// Validate returns a *[ParamError] for the first parameter that is out of bounds, and nil if there is none.
func (p Params) Validate() error {
	return cmp.Or(
		p.validateRate(),
		validateTime("delay", p.Delay),
		validateTime("jitter", p.Jitter),
		p.validateDistribution(),
		validateShare("jitter correlation", p.JitterCorrelation),
		validateShare("loss", p.Loss),
		p.Burst.validate(),
		validateShare("duplicate", p.Duplicate),
		validateShare("reorder", p.Reorder),
		validateShare("corrupt", p.Corrupt),
		validateSize("queue limit", p.QueueLimit, 1, MaxQueueLimit),
		validateSize("overhead", p.Overhead, 1, MaxOverhead),
		validateSize("MTU", p.MTU, MinMTU, MaxMTU),
	)
}

func (p Params) validateRate() error {
	if p.Rate == Unlimited || p.Rate >= MinRate && p.Rate <= MaxRate {
		return nil
	}
	return &ParamError{"rate", int64(p.Rate), fmt.Sprintf("unlimited, or %v to %v", MinRate, MaxRate)}
}

func (p Params) validateDistribution() error {
	if int(p.JitterDistribution) < len(distributionNames) {
		return nil
	}
	return &ParamError{"jitter distribution", uint8(p.JitterDistribution), "uniform, normal, pareto or paretonormal"}
}

func (g *GilbertElliott) validate() error {
	if g == nil {
		return nil
	}
	return cmp.Or(
		validateShare("burst p", g.P),
		validateShare("burst r", g.R),
		validateShare("burst loss in the good state", g.LossGood),
		validateShare("burst loss in the bad state", g.LossBad),
	)
}

func validateTime(name string, d time.Duration) error {
	if d >= 0 && d <= MaxDelay {
		return nil
	}
	return &ParamError{name, d, fmt.Sprintf("0 to %v", MaxDelay)}
}

// validateShare is written so that NaN fails.
func validateShare(name string, v float64) error {
	if v >= 0 && v <= 1 {
		return nil
	}
	return &ParamError{name, v, "0 to 1"}
}

// validateSize takes 0 for "the default".
func validateSize(name string, v, low, high int) error {
	if v == 0 || v >= low && v <= high {
		return nil
	}
	return &ParamError{name, v, fmt.Sprintf("0 (the default), or %d to %d bytes", low, high)}
}
