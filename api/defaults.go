package api

import (
	"net/http"
	"time"

	"meshsim/link"
	"meshsim/topo"
)

// originalDefaults are the settings as the original names them.
type originalDefaults struct {
	Bandwidth       int64   `json:"bandwidth"`
	DecayBandwidth  bool    `json:"decay_bandwidth"`
	MaxLatency      float64 `json:"max_latency"`
	MinBandwidth    int64   `json:"min_bandwidth"`
	Jitter          float64 `json:"jitter"`
	PacketLoss      float64 `json:"packet_loss"`
	CostFunction    string  `json:"cost_function"`
	LatencyScale    float64 `json:"latency_scale"`
	ClientLatency   float64 `json:"client_latency"`
	ClientBandwidth int64   `json:"client_bandwidth"`
	ClientJitter    float64 `json:"client_jitter"`
	ClientLoss      float64 `json:"client_loss"`
}

func (o *original) defaults(*http.Request) (any, error) {
	s := o.mesh.Snapshot().Settings
	return originalDefaults{
		Bandwidth:       originalRate(s.Bandwidth),
		DecayBandwidth:  s.DecayBandwidth,
		MaxLatency:      milliseconds(s.MaxLatency),
		MinBandwidth:    int64(s.MinBandwidth),
		Jitter:          float64(s.Jitter),
		PacketLoss:      float64(s.Loss),
		CostFunction:    string(s.Cost),
		LatencyScale:    float64(s.LatencyScale),
		ClientLatency:   milliseconds(s.ClientLatency),
		ClientBandwidth: originalRate(s.ClientBandwidth),
		ClientJitter:    float64(s.ClientJitter),
		ClientLoss:      float64(s.ClientLoss),
	}, nil
}

// setting reads one field into the settings.
type setting struct {
	name string
	set  func(fields, string, *topo.Settings) error
}

// settings are the fields of /defaults. What a request leaves out stays as it is.
func settings() []setting {
	return []setting{
		{"bandwidth", into(fields.bandwidth, func(s *topo.Settings) *link.BitRate { return &s.Bandwidth })},
		{"decay_bandwidth", into(fields.boolean, func(s *topo.Settings) *bool { return &s.DecayBandwidth })},
		{"max_latency", into(fields.latency, func(s *topo.Settings) *time.Duration { return &s.MaxLatency })},
		{"min_bandwidth", into(fields.minBandwidth, func(s *topo.Settings) *link.BitRate { return &s.MinBandwidth })},
		{"jitter", into(fields.percent, func(s *topo.Settings) *topo.Percent { return &s.Jitter })},
		{"packet_loss", into(fields.percent, func(s *topo.Settings) *topo.Percent { return &s.Loss })},
		{"cost_function", into(fields.cost, func(s *topo.Settings) *topo.Cost { return &s.Cost })},
		{"latency_scale", into(fields.scale, func(s *topo.Settings) *topo.Percent { return &s.LatencyScale })},
		{"client_latency", into(fields.latency, func(s *topo.Settings) *time.Duration { return &s.ClientLatency })},
		{"client_bandwidth", into(fields.bandwidth, func(s *topo.Settings) *link.BitRate { return &s.ClientBandwidth })},
		{"client_jitter", into(fields.percent, func(s *topo.Settings) *topo.Percent { return &s.ClientJitter })},
		{"client_loss", into(fields.percent, func(s *topo.Settings) *topo.Percent { return &s.ClientLoss })},
	}
}

func into[T any](read func(fields, string) (T, error), field func(*topo.Settings) *T) func(fields, string, *topo.Settings) error {
	return func(f fields, name string, s *topo.Settings) error {
		value, err := read(f, name)
		if err != nil {
			return err
		}
		*field(s) = value
		return nil
	}
}

func (o *original) setDefaults(r *http.Request) (any, error) {
	known := settings()
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.name
	}
	body, err := readFields(r, names...)
	if err != nil {
		return nil, err
	}
	wanted := o.mesh.Snapshot().Settings
	for _, k := range known {
		if _, given := body[k.name]; !given {
			continue
		}
		if err := k.set(body, k.name, &wanted); err != nil {
			return nil, err
		}
	}
	return nil, o.mesh.SetSettings(r.Context(), wanted)
}
