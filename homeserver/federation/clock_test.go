package federation

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// A server whose clock is wrong, by however much, is understood: its events are taken, and so are its requests, which
// name no time. Its key counts as valid at times that have not come yet.
func TestWrongClocks(t *testing.T) {
	for _, wrong := range []time.Duration{-365 * 24 * time.Hour, -time.Hour, time.Hour, 365 * 24 * time.Hour} {
		withEvil(t, "12", func(m *mesh, _ *liar, roomID string) {
			identity := m.peers["evil"].Sender.client.identity
			pdu := forge(t, m, roomID, func(*event.Builder) {})
			var b event.Builder
			if err := json.Unmarshal(pdu.JSON(), &b); err != nil {
				t.Fatal(err)
			}
			b.Content = json.RawMessage(`{"body":"at another time"}`)
			shifted, err := b.Build(pdu.Version(), "evil", matrix.KeyID(identity.KeyID), identity.Key, time.Now().Add(wrong))
			if err != nil {
				t.Fatal(err)
			}
			if reason := deliver(m, shifted.ID(), shifted.JSON()); reason != "" {
				t.Errorf("wrong by %v: dropped: %s", wrong, reason)
			}
			if !shows(t, m.server("victim"), roomID, shifted) {
				t.Errorf("wrong by %v: not shown", wrong)
			}
			works(t, m, roomID)
		})
	}
}

// The same in a room whose servers share nothing, so that keys are asked for.
func TestWrongClockOfStranger(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.add("own", homeserver.NewCommons())
		roomID := publicRoom(t, m.server("own"), "11")
		join(t, m.server("a"), roomID, "own")
		identity := m.peers["a"].Sender.client.identity
		said := say(t, m.server("a"), roomID, "now")
		settle()
		var b event.Builder
		if err := json.Unmarshal(said.JSON(), &b); err != nil {
			t.Fatal(err)
		}
		b.PrevEvents, b.Depth = []matrix.EventID{said.ID()}, said.Depth()+1
		future, err := b.Build(said.Version(), "a", matrix.KeyID(identity.KeyID), identity.Key, time.Now().Add(1000*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for id, err := range m.server("own").Receive(context.Background(), "a", []json.RawMessage{future.JSON()}) {
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		if !shows(t, m.server("own"), roomID, future) {
			t.Error("an event of the future is not taken")
		}
	}, "a")
}
