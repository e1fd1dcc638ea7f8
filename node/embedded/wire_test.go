package embedded_test

import (
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/link"
	"meshsim/port/netstack/virtualtime"
	"meshsim/telemetry"
)

// tolls adds up what events took on the wire.
type tolls struct {
	mu  sync.Mutex
	sum telemetry.Wire
	of  map[string]telemetry.Transport
}

func (l *tolls) take(c telemetry.Carried) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.There += c.Wire.There
	l.sum.Back += c.Wire.Back
	l.of[c.Event.ID] = c.Transport
}

// What a mesh reports that its messages took on the wire is what its links carried: over the low-bandwidth transport to the
// byte, over HTTPS but for the acknowledgement that follows the last answer.
func TestWireOfMessagesIsWhatTheLinkCarried(t *testing.T) {
	const ack = 52 // an acknowledgement with time stamps: IPv4, TCP
	for _, c := range []struct {
		choice gateway.Choice
		slack  int64
	}{{gateway.AlwaysHTTPS, 2 * ack}, {gateway.AlwaysLowband, 0}} {
		t.Run(string(c.choice), func(t *testing.T) {
			virtualtime.Test(t, func(t *testing.T) {
				m := startMeshOver(t, 2, link.Params{Rate: 64_000, Delay: 50 * time.Millisecond}, 1, gateway.NewTransports(c.choice))
				room := m.room()
				for range 2 { // until connections stand and nothing else is under way
					m.clients[0].Send(t, room, "Are you there?")
					time.Sleep(10 * time.Second) // virtual; less than until an idle connection is closed
				}
				there, back := m.carried()
				counted := &tolls{of: make(map[string]telemetry.Transport)}
				m.ledger.follow(counted.take)
				var sent []string
				for range 5 {
					sent = append(sent, m.clients[0].Send(t, room, "How much is this?"))
					time.Sleep(10 * time.Second)
				}
				thereAfter, backAfter := m.carried()
				there, back = thereAfter-there, backAfter-back
				counted.mu.Lock()
				defer counted.mu.Unlock()
				if sum := counted.sum; there-sum.There < 0 || there-sum.There > c.slack || back-sum.Back < 0 || back-sum.Back > c.slack {
					t.Errorf("messages took %d bytes there and %d back, the link carried %d and %d", sum.There, sum.Back, there, back)
				}
				for _, id := range sent {
					if string(counted.of[id]) != string(c.choice) {
						t.Errorf("%s went by %q", id, counted.of[id])
					}
				}
				t.Logf("a message of five took %d bytes there and %d back", counted.sum.There/5, counted.sum.Back/5)
			})
		})
	}
}

// carried is what the link between the first two servers has carried, from the first and to it.
func (m *mesh) carried() (there, back int64) {
	m.Mesh.Fabric.EachLink(func(s *fabric.LinkStats) {
		there += int64(s.AB.Bytes)
		back += int64(s.BA.Bytes)
	})
	return there, back
}
