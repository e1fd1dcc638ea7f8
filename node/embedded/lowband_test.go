package embedded_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"meshsim/gateway"
	"meshsim/link"
	"meshsim/lowband/airtest"
	"meshsim/node"
	"meshsim/node/nodetest"
	"meshsim/port/netstack/virtualtime"
	"meshsim/telemetry"
)

// TestMeshHealsOverLowband: ten servers on the low-bandwidth transport through partition and heal.
func TestMeshHealsOverLowband(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		ledger := partAndHeal(t, 10, 3, gateway.NewTransports(gateway.AlwaysLowband))
		if ledger.over[telemetry.HTTPS] != 0 || ledger.over[telemetry.Lowband] == 0 {
			t.Errorf("events travelled over %v", ledger.over)
		}
	})
}

// TestTransportsSideBySide: the same conversation at 1 kbit/s over both transports.
func TestTransportsSideBySide(t *testing.T) {
	took := map[gateway.Choice]time.Duration{}
	for _, choice := range []gateway.Choice{gateway.AlwaysHTTPS, gateway.AlwaysLowband} {
		virtualtime.Test(t, func(t *testing.T) {
			m := startMeshOver(t, 3, link.Params{Rate: 1000, Delay: 200 * time.Millisecond}, 1, gateway.NewTransports(choice))
			start := time.Now()
			room := m.room()
			joined := time.Since(start)
			start = time.Now()
			m.clients[1].Send(t, room, "hello")
			nodetest.Eventually(t, time.Hour, "all have the message", func() bool { return m.agree(room, []string{"hello"}) })
			took[choice] = joined + time.Since(start)
			t.Logf("%s: all joined after %v, a message was everywhere after %v", choice, joined, time.Since(start))
		})
	}
	if took[gateway.AlwaysLowband]*2 > took[gateway.AlwaysHTTPS] {
		t.Errorf("the low-bandwidth transport took %v, HTTPS %v", took[gateway.AlwaysLowband], took[gateway.AlwaysHTTPS])
	}
}

// TestBytesOfAnEvent counts what one message event costs on the link, headers included, its answer and the
// acknowledgements too, once both ends know each other and the room.
func TestBytesOfAnEvent(t *testing.T) {
	table := airtest.ReadFigures(t, "../../lowband/PROTOCOL.md", "| step | HTTPS | coap-proxy (2019) | this |")
	for _, c := range []struct {
		choice gateway.Choice
		most   uint64 // bytes
	}{{gateway.AlwaysHTTPS, 2500}, {gateway.AlwaysLowband, 450}} {
		virtualtime.Test(t, func(t *testing.T) {
			m := startMeshOver(t, 2, link.Params{Rate: 64_000, Delay: 50 * time.Millisecond}, 1, gateway.NewTransports(c.choice))
			room := m.room()
			used := func() (packets, bytes uint64) {
				s, _ := m.Mesh.Fabric.LinkStats(node.FabricLink(0, 1))
				return s.AB.Packets + s.BA.Packets, s.AB.Bytes + s.BA.Bytes
			}
			for i := range 4 {
				time.Sleep(time.Minute)
				packets, bytes := used()
				m.clients[0].Send(t, room, "35 characters of a message, exactly")
				time.Sleep(time.Minute)
				p, b := used()
				t.Logf("%s: event %d took %d packets, %d bytes", c.choice, i, p-packets, b-bytes)
				if i > 1 && b-bytes > c.most {
					t.Errorf("%s: an event took %d bytes, more than %d", c.choice, b-bytes, c.most)
				}
				if i > 1 && c.choice == gateway.AlwaysLowband {
					table.Measured("one message event between servers, and its answer", int(b-bytes))
				}
			}
		})
	}
}

// TestTransportIsSwitchedLive: the same mesh talks over one transport, then over the other; automatically where links
// are slow.
func TestTransportIsSwitchedLive(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		transports := gateway.NewTransports(gateway.Automatic)
		fast := link.Params{Rate: 512_000, Delay: 30 * time.Millisecond}
		m := startMeshOver(t, 2, fast, 1, transports)
		room := m.room()
		say := func(text string, want telemetry.Transport) {
			t.Helper()
			before := m.ledger.over[want]
			event := m.clients[0].Send(t, room, text)
			nodetest.Eventually(t, time.Hour, text, func() bool { return m.ledger.reached(event) == 1 })
			if m.ledger.over[want] != before+1 {
				t.Errorf("%s: events travelled over %v", text, m.ledger.over)
			}
		}
		say("fast", telemetry.HTTPS)
		m.Mesh.Link(0, 1, link.Params{Rate: 5_000, Delay: 30 * time.Millisecond})
		say("slow", telemetry.Lowband)
		m.Mesh.Link(0, 1, link.Params{Rate: 25_000, Delay: 30 * time.Millisecond})
		say("a little faster", telemetry.Lowband)
		m.Mesh.Link(0, 1, fast)
		say("fast again", telemetry.HTTPS)
		transports.Set(gateway.AlwaysLowband)
		say("told so", telemetry.Lowband)
		transports.Set(gateway.AlwaysHTTPS)
		say("told otherwise", telemetry.HTTPS)
	})
}

// TestTypingDoesNotDelayMessages: at 300 bit/s a message of somebody who types arrives about as soon as one of somebody
// who does not, though a transaction with who types takes several seconds there.
func TestTypingDoesNotDelayMessages(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		m := startMeshOver(t, 2, link.Params{Rate: 300, Delay: 200 * time.Millisecond}, 1, gateway.NewTransports(gateway.AlwaysLowband))
		room := m.room()
		types := func(typing bool) {
			path := "/_matrix/client/v3/rooms/" + url.PathEscape(room) + "/typing/" + url.PathEscape("@"+node.AccountUser+":hs0")
			if status, err := m.clients[0].Do(t.Context(), http.MethodPut, path, map[string]any{"typing": typing, "timeout": 25_000}, nil); err != nil || status != http.StatusOK {
				t.Fatalf("typing: %d, %v", status, err)
			}
		}
		send := func(text string) time.Duration {
			start := time.Now()
			event := m.clients[0].Send(t, room, text)
			nodetest.Eventually(t, time.Minute, text, func() bool { return m.ledger.reached(event) == 1 })
			return time.Since(start)
		}
		for i := range 4 {
			time.Sleep(2 * time.Minute)
			still := send(fmt.Sprint("still ", i))
			time.Sleep(2 * time.Minute)
			types(true)
			time.Sleep(2 * time.Second)
			busy := send(fmt.Sprint("typing ", i))
			types(false)
			t.Logf("a message took %v, while its sender typed %v", still, busy)
			if i > 0 && busy > still+still/4 {
				t.Errorf("a message took %v, while its sender typed %v", still, busy)
			}
		}
	})
}
