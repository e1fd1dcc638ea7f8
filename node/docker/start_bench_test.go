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

// BenchmarkStart is how long it takes until Synapse answers: one server, then ten more at once. Of one start, the engine
// takes what it takes for a container and the homeserver for itself; what meshsim adds is the network and the account.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		m := nodetest.NewMesh(b, fabric.RealClock(), 1)
		steps := make(steps)
		cfg := config(b, m, discard{})
		cfg.Logger = slog.New(steps)
		d := driver(b, cfg)
		one := startSome(b, m, d, 0, 1)
		container, homeserver, added := steps["container"], steps["homeserver"], steps["network"]+steps["account"]
		ten := startSome(b, m, d, 1, 10)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(one.Seconds(), "s/one")
		b.ReportMetric(container.Seconds(), "s/one-engine")
		b.ReportMetric(homeserver.Seconds(), "s/one-homeserver")
		b.ReportMetric(float64(added.Milliseconds()), "ms/one-added")
		b.ReportMetric(ten.Seconds(), "s/ten-at-once")
	}
}

// startSome starts servers side by side and returns how long it takes until all answer.
func startSome(b *testing.B, m *nodetest.Mesh, d *docker.Driver, first, n int) time.Duration {
	b.Helper()
	begun := time.Now()
	var starting sync.WaitGroup
	for i := first; i < first+n; i++ {
		spec := node.Spec{ID: i, Name: fmt.Sprint("timed", i), Kind: d.Kind()}
		m.Name(spec)
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
	return time.Since(begun)
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
