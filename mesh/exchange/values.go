package exchange

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"meshsim/link"
	"meshsim/topo"
)

// set takes one property of a link over into a pin, by the names that are in use for it, and says whether it knows
// the name. Plain numbers are milliseconds, bits a second and percent; texts carry units as tc writes them.
func set(pin *topo.Pin, name, value string) (known bool, err error) {
	switch strings.ToLower(name) {
	case "latency", "latency_ms", "delay", "delay_ms":
		return true, read(&pin.Latency, name, value, milliseconds)
	case "bandwidth", "bandwidth_bps", "rate", "capacity", "linkspeedraw":
		return true, read(&pin.Bandwidth, name, value, bitRate)
	case "jitter_pct":
		return true, read(&pin.Jitter, name, value, percent)
	case "jitter", "jitter_ms":
		return true, setJitter(pin, name, value)
	case "loss", "loss_pct", "packet_loss":
		return true, read(&pin.Loss, name, value, percent)
	}
	return false, nil
}

func read[T any](into **T, name, value string, parse func(string) (T, error)) error {
	v, err := parse(strings.TrimSpace(value))
	if err != nil {
		return fmt.Errorf("%s is %q: %w", name, value, err)
	}
	*into = &v
	return nil
}

// setJitter takes jitter that is a time; ours is a share of the latency, which must be known before.
func setJitter(pin *topo.Pin, name, value string) error {
	var jitter *time.Duration
	if err := read(&jitter, name, value, milliseconds); err != nil {
		return err
	}
	if pin.Latency == nil || *pin.Latency == 0 {
		if *jitter == 0 {
			return nil
		}
		return fmt.Errorf("%s is %q: jitter needs a latency to vary, and the link gives none", name, value)
	}
	pin.Jitter = new(topo.PercentOf(min(1, float64(*jitter)/float64(*pin.Latency))))
	return nil
}

func milliseconds(text string) (time.Duration, error) {
	if ms, err := strconv.ParseFloat(text, 64); err == nil {
		if !(ms >= 0 && ms <= float64(link.MaxDelay/time.Millisecond)) {
			return 0, fmt.Errorf("it must be 0 to 24 hours")
		}
		return time.Duration(math.Round(ms * float64(time.Millisecond))), nil
	}
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		return 0, fmt.Errorf("write milliseconds, or a time with its unit, e.g. 20ms")
	}
	return d, nil
}

func bitRate(text string) (link.BitRate, error) {
	if bits, err := strconv.ParseFloat(text, 64); err == nil {
		if !(bits >= float64(link.MinRate) && bits <= float64(link.MaxRate)) {
			return 0, fmt.Errorf("it must be %s to %s, in bits a second where it has no unit", link.MinRate, link.MaxRate)
		}
		return link.BitRate(math.Round(bits)), nil
	}
	return link.ParseBitRate(text)
}

func percent(text string) (topo.Percent, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("write a percentage, e.g. 2.5")
	}
	return topo.Percent(v), nil
}

// property is one of a link as the formats write it.
type property struct{ name, value string }

// properties are those of one direction: milliseconds, bits a second and percent.
func properties(p topo.Pin) []property {
	var out []property
	if p.Latency != nil {
		out = append(out, property{"latency_ms", number(float64(*p.Latency) / float64(time.Millisecond))})
	}
	if p.Bandwidth != nil {
		value := "unlimited"
		if *p.Bandwidth != link.Unlimited {
			value = strconv.FormatInt(int64(*p.Bandwidth), 10)
		}
		out = append(out, property{"bandwidth_bps", value})
	}
	if p.Jitter != nil && *p.Jitter != 0 {
		out = append(out, property{"jitter_pct", number(float64(*p.Jitter))})
	}
	if p.Loss != nil && *p.Loss != 0 {
		out = append(out, property{"loss_pct", number(float64(*p.Loss))})
	}
	return out
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// setAll takes over the known properties of one direction. Latency comes first: jitter may want it.
func setAll(pin *topo.Pin, properties []property) error {
	for _, first := range []bool{true, false} {
		for _, p := range properties {
			name := strings.ToLower(p.name)
			isLatency := strings.HasPrefix(name, "latency") || strings.HasPrefix(name, "delay")
			if isLatency != first {
				continue
			}
			if _, err := set(pin, p.name, p.value); err != nil {
				return err
			}
		}
	}
	return nil
}
