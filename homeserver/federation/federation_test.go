package federation

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

func publicRoom(t testing.TB, s *homeserver.Server, version string) string {
	t.Helper()
	roomID, err := s.CreateRoom(context.Background(), homeserver.NewRoom{
		Creator: "@u:" + s.Name(), Version: version,
		Initial: []homeserver.Draft{
			{Type: matrix.TypeJoinRules, StateKey: event.StateKey(""), Content: json.RawMessage(`{"join_rule":"public"}`)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return roomID
}

func say(t testing.TB, s *homeserver.Server, roomID, text string) *event.PDU {
	t.Helper()
	body, err := json.Marshal(map[string]string{"msgtype": "m.text", "body": text})
	if err != nil {
		t.Fatal(err)
	}
	pdu, err := s.Send(context.Background(), homeserver.Draft{
		RoomID: roomID, Sender: "@u:" + s.Name(), Type: matrix.TypeMessage, Content: body,
	})
	if err != nil {
		t.Fatalf("%s cannot say %q: %v", s.Name(), text, err)
	}
	return pdu
}

func join(t testing.TB, s *homeserver.Server, roomID string, via ...string) {
	t.Helper()
	if err := s.Join(context.Background(), "@u:"+s.Name(), roomID, via, nil); err != nil {
		t.Fatalf("%s cannot join: %v", s.Name(), err)
	}
}

func room(t testing.TB, s *homeserver.Server, roomID string) *homeserver.Room {
	t.Helper()
	r, ok := s.Room(roomID)
	if !ok {
		t.Fatalf("%s is not in the room", s.Name())
	}
	return r
}

// shows reports whether a server's clients see an event.
func shows(t testing.TB, s *homeserver.Server, roomID string, pdu *event.PDU) bool {
	t.Helper()
	r := room(t, s, roomID)
	for _, e := range r.Forward(-1<<40, r.Newest(), 1<<20) {
		if e.Event != nil && e.Event.ID() == pdu.ID() {
			return true
		}
	}
	return false
}

func TestTwoServersTalk(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t, 1, "a", "b")
				roomID := publicRoom(t, m.server("a"), version)
				join(t, m.server("b"), roomID, "a")
				fromA := say(t, m.server("a"), roomID, "hello from a")
				fromB := say(t, m.server("b"), roomID, "hello from b")
				time.Sleep(10 * time.Second)
				if !shows(t, m.server("b"), roomID, fromA) || !shows(t, m.server("a"), roomID, fromB) {
					t.Error("a message did not arrive")
				}
				if a, b := room(t, m.server("a"), roomID).State(), room(t, m.server("b"), roomID).State(); a != b {
					t.Errorf("states differ: %d and %d events", a.Len(), b.Len())
				}
			})
		})
	}
}
