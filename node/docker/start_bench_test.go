//go:build linux && docker

package docker_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

// BenchmarkStart is of what the start of one Synapse consists: the engine takes what it takes for a container and the
// homeserver for itself; what meshsim adds is the network and the account.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		m := nodetest.NewMesh(b, fabric.RealClock(), 1)
		steps := make(steps)
		cfg := config(b, m, discard{})
		cfg.Logger = slog.New(steps)
		d := driver(b, cfg)
		startSome(b, m, d, 1)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(steps["container"].Seconds(), "s-engine")
		b.ReportMetric(steps["homeserver"].Seconds(), "s-homeserver")
		b.ReportMetric(float64(steps["network"].Milliseconds()), "ms-network")
		b.ReportMetric(float64(steps["account"].Milliseconds()), "ms-account")
		b.ReportMetric(float64((steps["network"] + steps["account"]).Milliseconds()), "ms-added")
	}
}

// startSome starts servers side by side, as many as wanted, and waits until all answer. It returns their names.
func startSome(b *testing.B, m *nodetest.Mesh, d *docker.Driver, n int) (names []string) {
	b.Helper()
	var starting sync.WaitGroup
	for i := range n {
		spec := node.Spec{ID: i, Name: fmt.Sprint("measured", i), Kind: d.Kind()}
		m.Name(spec)
		names = append(names, spec.Name)
		starting.Go(func() {
			if _, err := d.Start(context.Background(), spec, m); err != nil {
				b.Error(err)
			}
		})
	}
	starting.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return names
}

// steps reads from the log how long the steps of the first start took. It implements slog.Handler and is read once a start
// has ended.
type steps map[string]time.Duration

// Enabled implements slog.Handler.
func (steps) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (s steps) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "a server answers" || len(s) > 0 {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindDuration {
			s[a.Key] = a.Value.Duration()
		}
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (s steps) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup implements slog.Handler.
func (s steps) WithGroup(string) slog.Handler { return s }
