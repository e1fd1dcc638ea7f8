package embedded_test

import (
	"testing"
	"time"

	"meshsim/gateway"
	"meshsim/link"
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
