package federation

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// TestAnEventThatOvertakesAnotherWaits sends a server an event before the one that it follows. While that may still be
// on its way nobody is asked for it; when it does not come, the sender is.
func TestAnEventThatOvertakesAnotherWaits(t *testing.T) {
	for name, c := range map[string]struct {
		late time.Duration // when the event before comes; 0 for never
		asks int           // requests for it
	}{
		"comes-soon":       {200 * time.Millisecond, 0},
		"comes-too-late":   {3 * time.Second, 1},
		"comes-not-at-all": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t, 1, "hs0", "hs1")
				roomID := publicRoom(t, m.server("hs0"), matrix.DefaultRoomVersion)
				join(t, m.server("hs1"), roomID, "hs0")
				time.Sleep(time.Minute)
				m.isolate("hs1")
				first, second := say(t, m.server("hs0"), roomID, "first"), say(t, m.server("hs0"), roomID, "second")
				m.peers["hs0"].Sender.Close() // what is sent again would bring both
				m.heal()
				if c.late > 0 {
					go func() {
						time.Sleep(c.late)
						receive(t, m, first)
					}()
				}
				receive(t, m, second)
				time.Sleep(time.Minute)
				for _, pdu := range []*event.PDU{first, second} {
					if !shows(t, m.server("hs1"), roomID, pdu) {
						t.Errorf("hs1 does not show %s", pdu.Content())
					}
				}
				if asked := m.asked["get_missing_events"]; asked != c.asks {
					t.Errorf("%d requests for missing events, want %d", asked, c.asks)
				}
			})
		})
	}
}

// receive gives hs1 an event of hs0.
func receive(t *testing.T, m *mesh, pdu *event.PDU) {
	for id, err := range m.server("hs1").Receive(context.Background(), "hs0", []json.RawMessage{pdu.JSON()}) {
		if err != nil {
			t.Errorf("%s was dropped: %v", id, err)
		}
	}
}
