package meshfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"meshsim/gateway"
	"meshsim/link"
	"meshsim/topo"
)

// The types of values that carry a unit in a file.
type (
	rate         link.BitRate
	minimum      link.BitRate // a rate of which 0 is written none
	duration     time.Duration
	percent      topo.Percent
	distribution link.Distribution
	choice       gateway.Choice
	slow         link.BitRate // below which a path is slow
)

// noMinimum is how no minimum bandwidth is written.
const noMinimum = "none"

// read hands the text of a scalar to parse and says where it failed.
func read[T any](n *yaml.Node, into *T, parse func(string) (T, error)) error {
	if n.Kind != yaml.ScalarNode {
		return &Error{Line: n.Line, Message: "a single value belongs here, not a list or a mapping"}
	}
	v, err := parse(n.Value)
	if err != nil {
		return &Error{Line: n.Line, Message: err.Error()}
	}
	*into = v
	return nil
}

func (r *rate) UnmarshalYAML(n *yaml.Node) error {
	return read(n, (*link.BitRate)(r), link.ParseBitRate)
}

func (r rate) MarshalYAML() (any, error) { return link.BitRate(r).String(), nil }

func (m *minimum) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Value == noMinimum {
		*m = 0
		return nil
	}
	err := read(n, (*link.BitRate)(m), link.ParseBitRate)
	if err == nil && link.BitRate(*m) == link.Unlimited {
		return &Error{Line: n.Line, Message: "a minimum cannot be unlimited: write none, or a rate such as 10kbit"}
	}
	return err
}

func (m minimum) MarshalYAML() (any, error) {
	if m == 0 {
		return noMinimum, nil
	}
	return link.BitRate(m).String(), nil
}

func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	return read(n, (*time.Duration)(d), parseDuration)
}

func (d duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

func (p *percent) UnmarshalYAML(n *yaml.Node) error {
	return read(n, (*topo.Percent)(p), parsePercent)
}

func (p percent) MarshalYAML() (any, error) {
	return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%", nil
}

func (d *distribution) UnmarshalYAML(n *yaml.Node) error {
	return read(n, (*link.Distribution)(d), link.ParseDistribution)
}

func (d distribution) MarshalYAML() (any, error) { return link.Distribution(d).String(), nil }

func (c *choice) UnmarshalYAML(n *yaml.Node) error {
	return read(n, (*gateway.Choice)(c), gateway.ParseChoice)
}

func (s *slow) UnmarshalYAML(n *yaml.Node) error {
	return read(n, (*link.BitRate)(s), func(text string) (link.BitRate, error) {
		rate, err := link.ParseBitRate(text)
		if err != nil {
			return 0, err
		}
		return rate, gateway.CheckBelow(rate)
	})
}

func (s slow) MarshalYAML() (any, error) { return link.BitRate(s).String(), nil }

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write e.g. 20ms or 1.5s", text)
	}
	return d, nil
}

func parsePercent(text string) (topo.Percent, error) {
	number := strings.TrimSpace(strings.TrimSuffix(text, "%"))
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a percentage: write e.g. 2.5%%", text)
	}
	return topo.Percent(v), nil
}
