package meshfile

import (
	"reflect"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"meshsim/link"
	"meshsim/mesh"
	"meshsim/topo"
)

// file is the form of a mesh file.
type file struct {
	Seed     uint64   `yaml:"seed"`
	Settings settings `yaml:"settings"`
	Servers  []server `yaml:"servers"`
	Links    []pinned `yaml:"links,omitempty"`
}

type settings struct {
	Bandwidth       rate     `yaml:"bandwidth"`
	DecayBandwidth  bool     `yaml:"decay_bandwidth"`
	MaxLatency      duration `yaml:"max_latency"`
	MinBandwidth    minimum  `yaml:"min_bandwidth"`
	Jitter          percent  `yaml:"jitter"`
	Loss            percent  `yaml:"packet_loss"`
	Cost            string   `yaml:"cost_function"`
	LatencyScale    percent  `yaml:"latency_scale"`
	Neighbours      int      `yaml:"neighbours"`
	ClientLatency   duration `yaml:"client_latency"`
	ClientBandwidth rate     `yaml:"client_bandwidth"`
	ClientJitter    percent  `yaml:"client_jitter"`
	ClientLoss      percent  `yaml:"client_loss"`

	Transport    choice `yaml:"transport,omitempty"`
	LowbandBelow slow   `yaml:"lowband_below,omitempty"`
}

// server is one server; where its id is left out it counts on from the one before.
type server struct {
	ID   *int     `yaml:"id"`
	Name string   `yaml:"name,omitempty"`
	Kind string   `yaml:"kind,omitempty"`
	At   position `yaml:"at"`
}

// position is x and y in pixels of the canvas.
type position [2]float64

func (p *position) UnmarshalYAML(n *yaml.Node) error {
	var values []float64
	if err := n.Decode(&values); err != nil || len(values) != len(p) {
		return &Error{Line: n.Line, Message: "a position is two numbers, in pixels: write e.g. [120, 562]"}
	}
	*p = position(values)
	return nil
}

// pinned is a link with pins: the same in both directions, or each by itself.
type pinned struct {
	A   string `yaml:"a"` // names
	B   string `yaml:"b"`
	Cut bool   `yaml:"cut,omitempty"`
	// Linked makes the link wherever its ends stand.
	Linked bool `yaml:"linked,omitempty"`
	Both   *pin `yaml:"both,omitempty"`
	AtoB   *pin `yaml:"a_to_b,omitempty"`
	BtoA   *pin `yaml:"b_to_a,omitempty"`
}

type pin struct {
	Latency            *duration     `yaml:"latency,omitempty"`
	Bandwidth          *rate         `yaml:"bandwidth,omitempty"`
	Jitter             *percent      `yaml:"jitter,omitempty"`
	Loss               *percent      `yaml:"packet_loss,omitempty"`
	JitterDistribution *distribution `yaml:"jitter_distribution,omitempty"`
	JitterCorrelation  *percent      `yaml:"jitter_correlation,omitempty"`
	Burst              *burst        `yaml:"burst,omitempty"`
	Duplicate          *percent      `yaml:"duplicate,omitempty"`
	Reorder            *percent      `yaml:"reorder,omitempty"`
	Corrupt            *percent      `yaml:"corrupt,omitempty"`
	Queue              *int          `yaml:"queue,omitempty"`    // bytes
	Overhead           *int          `yaml:"overhead,omitempty"` // bytes
	MTU                *int          `yaml:"mtu,omitempty"`      // bytes
}

type burst struct {
	P        percent `yaml:"p"`
	R        percent `yaml:"r"`
	LossGood percent `yaml:"loss_good"`
	LossBad  percent `yaml:"loss_bad"`
}

// MarshalYAML puts a server on one line.
func (s server) MarshalYAML() (any, error) {
	type plain server
	return oneLine(plain(s))
}

// MarshalYAML puts pins on one line.
func (p pin) MarshalYAML() (any, error) {
	type plain pin
	return oneLine(plain(p))
}

func oneLine(v any) (*yaml.Node, error) {
	n := new(yaml.Node)
	if err := n.Encode(v); err != nil {
		return nil, err
	}
	n.Style = yaml.FlowStyle
	return n, nil
}

func fileOf(p Plan) file {
	f := file{Seed: p.Seed, Settings: settingsOf(p.Settings), Servers: []server{}}
	f.Settings.Transport, f.Settings.LowbandBelow = choice(p.Transport.Choice), slow(p.Transport.Below)
	names := make(map[int]string)
	for _, s := range p.Servers {
		name := s.Name
		if name == "" {
			name = mesh.DefaultName(s.ID)
		}
		names[s.ID] = name
		f.Servers = append(f.Servers, server{ID: new(s.ID), Name: name, Kind: s.Kind, At: position{s.X, s.Y}})
	}
	for pair, pins := range p.Pins {
		f.Links = append(f.Links, pinnedOf(names[pair.A], names[pair.B], pins))
	}
	order := make(map[string]int)
	for id, name := range names {
		order[name] = id
	}
	slices.SortFunc(f.Links, func(p, q pinned) int {
		return topo.Pair{A: order[p.A], B: order[p.B]}.Compare(topo.Pair{A: order[q.A], B: order[q.B]})
	})
	return f
}

func pinnedOf(a, b string, pins topo.LinkPins) pinned {
	p := pinned{A: a, B: b, Cut: pins.Cut, Linked: pins.Linked}
	switch ab, ba := pinOf(pins.AB), pinOf(pins.BA); {
	case reflect.DeepEqual(ab, ba):
		p.Both = ab
	default:
		p.AtoB, p.BtoA = ab, ba
	}
	return p
}

// pinOf is nil where nothing is pinned.
func pinOf(p topo.Pin) *pin {
	if p == (topo.Pin{}) {
		return nil
	}
	out := &pin{
		Latency:            (*duration)(p.Latency),
		Bandwidth:          (*rate)(p.Bandwidth),
		Jitter:             (*percent)(p.Jitter),
		Loss:               (*percent)(p.Loss),
		JitterDistribution: (*distribution)(p.JitterDistribution),
		JitterCorrelation:  (*percent)(p.JitterCorrelation),
		Duplicate:          (*percent)(p.Duplicate),
		Reorder:            (*percent)(p.Reorder),
		Corrupt:            (*percent)(p.Corrupt),
		Queue:              p.Queue,
		Overhead:           p.Overhead,
		MTU:                p.MTU,
	}
	if g := p.Burst; g != nil {
		out.Burst = &burst{
			P: percent(topo.PercentOf(g.P)), R: percent(topo.PercentOf(g.R)), LossGood: percent(topo.PercentOf(g.LossGood)), LossBad: percent(topo.PercentOf(g.LossBad)),
		}
	}
	return out
}

// topo is the empty pin for nil.
func (p *pin) topo() topo.Pin {
	if p == nil {
		return topo.Pin{}
	}
	out := topo.Pin{
		Latency:            (*time.Duration)(p.Latency),
		Bandwidth:          (*link.BitRate)(p.Bandwidth),
		Jitter:             (*topo.Percent)(p.Jitter),
		Loss:               (*topo.Percent)(p.Loss),
		JitterDistribution: (*link.Distribution)(p.JitterDistribution),
		JitterCorrelation:  (*topo.Percent)(p.JitterCorrelation),
		Duplicate:          (*topo.Percent)(p.Duplicate),
		Reorder:            (*topo.Percent)(p.Reorder),
		Corrupt:            (*topo.Percent)(p.Corrupt),
		Queue:              p.Queue,
		Overhead:           p.Overhead,
		MTU:                p.MTU,
	}
	if b := p.Burst; b != nil {
		out.Burst = &link.GilbertElliott{
			P: topo.Percent(b.P).Share(), R: topo.Percent(b.R).Share(), LossGood: topo.Percent(b.LossGood).Share(), LossBad: topo.Percent(b.LossBad).Share(),
		}
	}
	return out
}

func settingsOf(s topo.Settings) settings {
	return settings{
		Bandwidth:       rate(s.Bandwidth),
		DecayBandwidth:  s.DecayBandwidth,
		MaxLatency:      duration(s.MaxLatency),
		MinBandwidth:    minimum(s.MinBandwidth),
		Jitter:          percent(s.Jitter),
		Loss:            percent(s.Loss),
		Cost:            string(s.Cost),
		LatencyScale:    percent(s.LatencyScale),
		Neighbours:      s.Neighbours,
		ClientLatency:   duration(s.ClientLatency),
		ClientBandwidth: rate(s.ClientBandwidth),
		ClientJitter:    percent(s.ClientJitter),
		ClientLoss:      percent(s.ClientLoss),
	}
}

func (s settings) topo() topo.Settings {
	return topo.Settings{
		Bandwidth:       link.BitRate(s.Bandwidth),
		DecayBandwidth:  s.DecayBandwidth,
		MaxLatency:      time.Duration(s.MaxLatency),
		MinBandwidth:    link.BitRate(s.MinBandwidth),
		Jitter:          topo.Percent(s.Jitter),
		Loss:            topo.Percent(s.Loss),
		Cost:            topo.Cost(s.Cost),
		LatencyScale:    topo.Percent(s.LatencyScale),
		Neighbours:      s.Neighbours,
		ClientLatency:   time.Duration(s.ClientLatency),
		ClientBandwidth: link.BitRate(s.ClientBandwidth),
		ClientJitter:    topo.Percent(s.ClientJitter),
		ClientLoss:      topo.Percent(s.ClientLoss),
	}
}
