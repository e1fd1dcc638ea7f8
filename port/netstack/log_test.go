package netstack_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/log"

	"meshsim/port/netstack"
)

// early is made before LogTo is called, like gVisor's logger of martian packets.
var early = log.BasicRateLimitedLogger(0)

func TestWhatGVisorLogsIsDebug(t *testing.T) {
	before := log.Log().Emitter
	t.Cleanup(func() { log.Log().Emitter = before })
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
			early.Infof("martian packet")
			if got := strings.Contains(out.String(), "martian packet"); got != c.want {
				t.Errorf("logged %q by a logger that is older", out.String())
			}
		})
	}
}
