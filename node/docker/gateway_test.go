//go:build linux && docker

package docker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

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

// oneConnectionForOne: what a homeserver sends over a connection that it keeps open crosses the mesh in one connection, in
// either direction.
func oneConnectionForOne(t *testing.T, p *pair) {
	room := create(t, p.clients[0], "12", nil)
	p.clients[1].Join(t, room, "hs0")
	say := func(text string) {
		t.Helper()
		for i, c := range p.clients {
			message := c.Send(t, room, text+c.User)
			p.told(t, c, room, message)
			shows(t, p.clients[1-i], room, text+c.User)
		}
	}
	say("the connections are there, says ")
	if mode, unseen := p.nodes[0].(node.Gatewayed).Gateway(); mode != node.Observed || unseen != "" {
		t.Errorf("its gateway is %s, and %q", mode, unseen)
	}
	var captured bytes.Buffer
	capture, err := p.mesh.Fabric.Capture(&captured, fabric.OfNode(node.FabricNode(0)))
	if err != nil {
		t.Fatal(err)
	}
	const messages = 10
	for i := range messages {
		say(fmt.Sprint(i, ", says "))
	}
	if err := capture.Stop(); err != nil {
		t.Fatal(err)
	}
	if lost := capture.Lost(); lost > 0 {
		t.Fatalf("%d packets were lost to the capture", lost)
	}
	for from, requests := range requestsByConnection(t, &captured) {
		if len(requests) != 1 {
			t.Errorf("%d messages of hs%d took the connections %v, want one", messages, from, requests)
		}
		for connection, packets := range requests {
			if packets < messages {
				t.Errorf("%d messages of hs%d are in %d packets of %s", messages, from, packets, connection)
			}
		}
	}
}

// requestsByConnection counts the packets with data for a federation port in a capture of a server, by connection: what the
// server sent, and what it was given.
func requestsByConnection(t *testing.T, captured io.Reader) (packets [2]map[string]int) {
	t.Helper()
	packets = [2]map[string]int{{}, {}}
	in, err := pcapgo.NewNgReader(captured, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, info, err := in.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return packets
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LinkTypeRaw, gopacket.Default)
		tcp, ok := p.TransportLayer().(*layers.TCP)
		if ok && tcp.DstPort == node.PortFederation && len(tcp.Payload) > 0 {
			packets[info.InterfaceIndex][fmt.Sprint(p.NetworkLayer().NetworkFlow(), " ", tcp.TransportFlow())]++
		}
	}
}

// A homeserver that does not take the proxy federates all the same. What it sends is seen where it is received, and that this
// is all is said: as soon as it is noticed, though its preset says nothing.
func TestServerThatIgnoresTheProxy(t *testing.T) {
	p := newPairWith(t, func(c *docker.Config) {
		c.Options.Environment = []string{"https_proxy=", "HTTPS_PROXY="}
	})
	if mode, unseen := p.nodes[0].(node.Gatewayed).Gateway(); mode != node.Observed || unseen != "" {
		t.Errorf("its gateway is %s: %q before it has sent anything", mode, unseen)
	}
	for host, c := range p.clients {
		guest := p.clients[1-host]
		room := create(t, c, "12", nil)
		guest.Join(t, room, fmt.Sprint("hs", host))
		shown := p.clients[1].Send(t, room, "from the embedded server")
		shows(t, p.clients[0], room, "from the embedded server")
		p.told(t, p.clients[1], room, shown)
		hidden := p.clients[0].Send(t, room, "past the proxy")
		shows(t, p.clients[1], room, "past the proxy")
		p.agree(t, room)
		eventually(t, "hs1 is said to have received what hs0 sent past the proxy", func() bool {
			received, ok := p.seen.receipt(hidden, 0, 1)
			return ok && received.Basis == telemetry.Processed && received.Outcome == telemetry.OutcomeAccepted
		})
		if sent, ok := p.seen.sending(hidden, 0, 1); ok {
			t.Errorf("it was seen where it was sent: %+v", sent)
		}
		select {
		case <-p.nodes[0].(node.GatewayWatcher).GatewayChanged():
		case <-time.After(patience):
			t.Fatal("it was not noticed")
		}
		const want = "This server does not use the mesh's proxy: the events that it sends are seen only where they are received, "
		if mode, unseen := p.nodes[0].(node.Gatewayed).Gateway(); mode != node.Observed || !strings.HasPrefix(unseen, want) {
			t.Errorf("its gateway is %s: %q, want %q", mode, unseen, want)
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
