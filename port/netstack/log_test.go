package netstack_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/log"

	"meshsim/port/netstack"
)

func TestWhatGVisorLogsIsDebug(t *testing.T) {
	before := log.Log()
	t.Cleanup(func() { log.SetTarget(before.Emitter) })
	for _, c := range []struct {
		name  string
		level slog.Level
		want  bool
	}{{"debug", slog.LevelDebug, true}, {"warn", slog.LevelWarn, false}} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			netstack.LogTo(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: c.level})))
			log.Warningf("handshake with %s", "10.0.0.1")
			if got := strings.Contains(out.String(), "handshake with 10.0.0.1"); got != c.want {
				t.Errorf("logged %q", out.String())
			}
		})
	}
}
