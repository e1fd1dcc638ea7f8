//go:build linux && docker

package docker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/embedded"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

// told notes which servers are said to have sent and to have failed to send something.
type told struct {
	mu           sync.Mutex
	sent, failed map[int]bool
}

// Publish implements telemetry.Publisher.
func (s *told) Publish(n telemetry.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := n.(type) {
	case telemetry.Sent:
		s.sent[n.From] = true
	case telemetry.Failed:
		s.failed[n.From] = true
	}
}

func (s *told) read() (sent, failed map[int]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.failed
}

// Servers federate with nothing between them, and through gateways that do not look inside; what is then not seen is said,
// and is not seen. An embedded server (hs0) takes part.
func TestGatewayModes(t *testing.T) {
	for _, mode := range []node.GatewayMode{node.PassThrough, node.NoGateway} {
		t.Run(string(mode), func(t *testing.T) {
			m := nodetest.NewMesh(t, fabric.RealClock(), 1)
			seen := &told{sent: make(map[int]bool), failed: make(map[int]bool)}
			cfg := config(t, m, seen)
			cfg.Options.Gateway = mode
			d := driver(t, cfg)
			t.Cleanup(func() { d.Close() })
			e := embedded.New(embedded.Config{Fabric: m.Fabric, CA: cfg.CA, Rooms: cfg.Rooms, Publisher: seen})
			t.Cleanup(func() { e.Close() })
			nodes, clients := startAll(t, m, e, d, d)
			m.LinkAll(len(nodes), link.Params{})
			got, unseen := nodes[1].(node.Gatewayed).Gateway()
			if got != mode || !strings.Contains(unseen, "none of its events is seen") {
				t.Errorf("its gateway is %s: %s", got, unseen)
			}
			for host := range clients[:2] { // an embedded one, and one in a container
				room := create(t, clients[host], "11", nil)
				for i, c := range clients {
					if i != host {
						c.Join(t, room, fmt.Sprint("hs", host))
					}
				}
				for i, c := range clients {
					c.Send(t, room, fmt.Sprint("from ", i))
				}
				for i := range clients {
					for _, c := range clients {
						shows(t, c, room, fmt.Sprint("from ", i))
					}
				}
			}
			sent, _ := seen.read()
			if !sent[0] || sent[1] || sent[2] {
				t.Errorf("sending was seen of %v, want of 0 alone", sent)
			}
			m.Cut(0, 1)
			m.Cut(2, 1)
			room := create(t, clients[1], "11", nil)
			invite := "/rooms/" + strings.ReplaceAll(room, "!", "%21") + "/invite"
			_, _ = clients[1].Do(t.Context(), "POST", invite, object{"user_id": clients[0].User}, nil)
			if _, failed := seen.read(); failed[1] != (mode == node.PassThrough) {
				t.Errorf("failed connections were seen of %v", failed)
			}
		})
	}
}

// What ordinary federation asks of the proxy leaves no traceback in a Synapse's log: neither the look for a .well-known, nor
// a peer that is not there any more.
func TestLogsAreQuiet(t *testing.T) {
	for _, mode := range []node.GatewayMode{node.Observed, node.PassThrough} {
		t.Run(string(mode), func(t *testing.T) {
			m := nodetest.NewMesh(t, fabric.RealClock(), 1)
			failures := make(attempts, 100)
			cfg := config(t, m, failures)
			cfg.Options.Gateway = mode
			d := driver(t, cfg)
			t.Cleanup(func() { d.Close() })
			nodes, clients := startAll(t, m, d, d)
			m.LinkAll(len(nodes), link.Params{})
			room := create(t, clients[0], "11", nil)
			clients[1].Join(t, room, "hs0")
			clients[1].Send(t, room, "here")
			shows(t, clients[0], room, "here")
			if err := nodes[1].Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.Cut(0, 1)
			clients[0].Send(t, room, "gone?")
			for range 2 { // the second is Synapse's, after it has been told of the first
				select {
				case <-failures:
				case <-time.After(patience):
					t.Fatal("no connection was seen to fail")
				}
			}
			err := nodes[0].(node.LogReader).ReadLog(t.Context(), 10000, false, func(line string) error {
				if strings.Contains(line, "CRITICAL") || strings.Contains(line, "Traceback") || strings.Contains(line, "Error:") {
					t.Error(line)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// attempts takes the connections of server 0 that failed.
type attempts chan telemetry.Failed

// Publish implements telemetry.Publisher.
func (a attempts) Publish(n telemetry.Notification) {
	if f, ok := n.(telemetry.Failed); ok && f.From == 0 && len(f.Events) == 0 {
		select {
		case a <- f:
		default: // more than are waited for
		}
	}
}

// A homeserver that cannot end TLS needs its gateway, and that is said before anything is started.
func TestGatewayIsNeeded(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	preset, err := docker.ReadPreset("../../examples/preset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Preset, cfg.Options.Gateway = preset, node.NoGateway
	d, err := docker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const want = "servers of the kind mine need --gateway observed, as they cannot end TLS themselves: ../../examples/preset.yaml does not say ends_tls"
	if err := d.Check(t.Context()); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
