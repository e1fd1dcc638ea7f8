// Package measure runs one workload over each transport on a chosen link, and counts what it costs there: bytes,
// packets, round trips and time.
//
// The workload is that of a client (login, sync, sending) on a link to its homeserver, and that of a homeserver (a join
// over federation, messages) on the one link that joins it to a mesh whose other links are perfect. Servers, networks
// and connections are those of the mesh itself; each transport gets a world of its own. Times are those of the clock, which in tests is virtual.
package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/telemetry"
)

// Bounds of the rooms that can be measured, in members.
const (
	MinMembers = 2
	MaxMembers = 500
)

// Config says what to measure. All fields but the marked ones are needed.
type Config struct {
	Link  link.Params // of both directions
	Seed  uint64
	Rooms []int         // how many servers the rooms have, the measured one included
	Limit time.Duration // for each step; one that takes longer is given up
	Clock fabric.Clock  // nil is real time

	// Step is told what is measured next; optional.
	Step func(transport telemetry.Transport, step string)
}

// Cost is what a step took on the link, both directions together.
type Cost struct {
	Bytes      uint64        `json:"bytes"` // IP headers included
	Packets    uint64        `json:"packets"`
	RoundTrips float64       `json:"round_trips,omitempty"` // changes of direction on the link, halved; 0 where several conversations overlap
	Time       time.Duration `json:"time_ns"`
	// Failure says why the step was given up; what it cost until then is in the other fields.
	Failure string `json:"failure,omitempty"`
}

// Row is one step over each transport.
type Row struct {
	Step string                       `json:"step"`
	Cost map[telemetry.Transport]Cost `json:"cost"`
}

// Report is what was measured.
type Report struct {
	Link link.Params `json:"link"`
	Rows []Row       `json:"rows"`
}

// Transports are those that are compared, in the order in which they are shown.
func Transports() []telemetry.Transport {
	return []telemetry.Transport{telemetry.HTTPS, telemetry.Lowband}
}

// Validate refuses what cannot be measured.
func (c *Config) Validate() error {
	if err := c.Link.Validate(); err != nil {
		return err
	}
	if c.Limit <= 0 {
		return fmt.Errorf("the time limit is %v: it must be more than 0", c.Limit)
	}
	for _, n := range c.Rooms {
		if n < MinMembers || n > MaxMembers {
			return fmt.Errorf("a room of %d servers: it must be %d to %d", n, MinMembers, MaxMembers)
		}
	}
	return nil
}

// Run measures; it returns when all is done or ctx ends. A step that fails or takes too long is in the report as such;
// an error means that there is no report.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Rooms = slices.Compact(slices.Sorted(slices.Values(c.Rooms)))
	if c.Step == nil {
		c.Step = func(telemetry.Transport, string) {}
	}
	report := &Report{Link: c.Link}
	for _, transport := range Transports() {
		t := &trial{config: &c, transport: transport, report: report}
		if err := errors.Join(t.client(ctx), t.federation(ctx)); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return report, nil
}

// trial is the workload over one transport.
type trial struct {
	config    *Config
	transport telemetry.Transport
	report    *Report
}

// step does something and reports what it cost on the wire.
func (t *trial) step(ctx context.Context, w *wire, name string, alone bool, do func(context.Context) error) {
	if ctx.Err() != nil {
		return
	}
	t.config.Step(t.transport, name)
	limited, cancel := context.WithTimeout(ctx, t.config.Limit)
	defer cancel()
	w.begin()
	began := time.Now()
	err := do(limited)
	took := time.Since(began)
	if err == nil {
		err = w.quiet(limited, t.config.Link)
	}
	cost := w.cost()
	cost.Time = took
	if !alone {
		cost.RoundTrips = 0
	}
	if err != nil {
		cost.Failure = err.Error()
		if limited.Err() != nil {
			cost.Failure = fmt.Sprintf("not within %v", t.config.Limit)
		}
	}
	t.report.add(name, t.transport, cost)
}

func (r *Report) add(step string, transport telemetry.Transport, cost Cost) {
	i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Step == step })
	if i < 0 {
		i = len(r.Rows)
		r.Rows = append(r.Rows, Row{Step: step, Cost: make(map[telemetry.Transport]Cost)})
	}
	r.Rows[i].Cost[transport] = cost
}
