package link

import (
	"fmt"
	"strings"
)

// dropNames are the names of the drop reasons in counters and on the wire; they do not change.
var dropNames = [DropReasons]string{
	NotDropped:     "none",
	DropLoss:       "loss",
	DropQueueFull:  "queue_full",
	DropDown:       "down",
	DropTooBig:     "too_big",
	DropTTL:        "ttl",
	DropNoRoute:    "no_route",
	DropMalformed:  "malformed",
	DropPortClosed: "port_closed",
	DropPortFull:   "port_full",
	DropRewired:    "rewired",
	DropOverload:   "overload",
}

// String returns the reason's stable name, e.g. "queue_full".
func (r DropReason) String() string {
	if int(r) >= DropReasons {
		return fmt.Sprintf("drop(%d)", uint8(r))
	}
	return dropNames[r]
}

// distributionNames are tc's names.
var distributionNames = [...]string{
	Uniform:      "uniform",
	Normal:       "normal",
	Pareto:       "pareto",
	ParetoNormal: "paretonormal",
}

// String returns the distribution's name as in netem, e.g. "paretonormal".
func (d Distribution) String() string {
	if int(d) >= len(distributionNames) {
		return fmt.Sprintf("distribution(%d)", uint8(d))
	}
	return distributionNames[d]
}

// ParseDistribution reads a distribution's name.
func ParseDistribution(s string) (Distribution, error) {
	for d, name := range distributionNames {
		if s == name {
			return Distribution(d), nil
		}
	}
	return 0, fmt.Errorf("jitter distribution %q is unknown; it is one of %s", s, strings.Join(distributionNames[:], ", "))
}

// MarshalText implements encoding.TextMarshaler.
func (d Distribution) MarshalText() ([]byte, error) {
	if int(d) >= len(distributionNames) {
		return nil, fmt.Errorf("jitter distribution %d is unknown", uint8(d))
	}
	return []byte(d.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler with [ParseDistribution].
func (d *Distribution) UnmarshalText(text []byte) error {
	parsed, err := ParseDistribution(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
