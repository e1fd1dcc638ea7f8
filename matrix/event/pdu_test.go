package event_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

const alice matrix.UserID = "@alice:hs1"

func TestBuiltEventsParseVerifyAndRedact(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		t.Run("v"+version, func(t *testing.T) {
			room := eventtest.New(t, version, alice, nil)
			message := room.Event(matrix.TypeMessage, alice, map[string]any{"body": "<hello> & \u2028", "msgtype": "m.text"})
			for _, p := range []*event.PDU{room.Create, message} {
				checkRoundTrip(t, p)
			}
			if got := message.Redact(); string(got.Content()) != "{}" || got.CheckContentHash() {
				t.Errorf("redacted content is %s, hash matches: %v", got.Content(), got.CheckContentHash())
			}
		})
	}
}

func checkRoundTrip(t *testing.T, p *event.PDU) {
	t.Helper()
	raw := append(json.RawMessage(`{"unsigned":{"age":3},`), p.JSON()[1:]...)
	q, err := event.Parse(raw, p.Version())
	if err != nil {
		t.Fatal(err)
	}
	if q.ID() != p.ID() || q.RoomID() != p.RoomID() || string(q.JSON()) != string(p.JSON()) {
		t.Errorf("parsing gives %s in %s, want %s in %s", q.ID(), q.RoomID(), p.ID(), p.RoomID())
	}
	if !q.CheckContentHash() {
		t.Error("the content hash does not match")
	}
	if err := event.VerifySignatures(q, eventtest.Keys); err != nil {
		t.Error(err)
	}
	redacted := q.Redact()
	if redacted.ID() != p.ID() {
		t.Error("redaction changes the id")
	}
	if err := event.VerifySignatures(redacted, eventtest.Keys); err != nil {
		t.Error("after redaction:", err)
	}
	again, err := event.Parse(redacted.JSON(), p.Version())
	if err != nil || again.ID() != p.ID() {
		t.Errorf("the redacted form parses as %v (%v), want %s", again, err, p.ID())
	}
}

func TestParsesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eventtest.New(t, "12", alice, nil)
	})
}
