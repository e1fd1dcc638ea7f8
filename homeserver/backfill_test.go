package homeserver

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// past is a server that gives a room's history.
type past struct {
	Remote
	events, auth []json.RawMessage
	asked        int // for auth events
}

func (p *past) Backfill(context.Context, string, string, []string, int) ([]json.RawMessage, error) {
	return p.events, nil
}

func (p *past) EventAuth(context.Context, string, string, string) ([]json.RawMessage, error) {
	p.asked++
	return p.auth, nil
}

// An event from backfill is shown where its auth events, which are asked for, allow it; a right signature alone is not
// enough.
func TestHistoryIsAuthorised(t *testing.T) {
	for name, c := range map[string]struct {
		given bool // the other server gives the auth events
		known bool // they are known
		shown int
		asked int
	}{
		"known":     {known: true, shown: 1},
		"given":     {given: true, shown: 1, asked: 1},
		"not-given": {asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			remote := &past{}
			room := newCrowdAt(t, "11", 1, Config{Remote: remote, Keys: keyring{}})
			user := "@u:hs1"
			room.add(user, matrix.TypeMember, &user, `{"membership":"join"}`, 1)
			build := func(sender, kind string, stateKey *string, content string, auth ...matrix.EventID) *event.PDU {
				b := event.Builder{
					RoomID: room.r.id, Type: kind, StateKey: stateKey, Sender: matrix.UserID(sender), Content: json.RawMessage(content),
					PrevEvents: auth[:1], AuthEvents: auth, Depth: 3,
				}
				server := b.Sender.Server()
				pdu, err := b.Build(room.r.version, server, "ed25519:1", keyOf(string(server)), time.Now())
				if err != nil {
					t.Fatal(err)
				}
				return pdu
			}
			in := func(kind, stateKey string) matrix.EventID { return room.r.current.Get(kind, stateKey).ID() }
			create, levels := in(matrix.TypeCreate, ""), in(matrix.TypePowerLevels, "")
			if !c.known {
				older := build("@u:hs0", matrix.TypePowerLevels, event.StateKey(""), `{"users":{"@u:hs0":100}}`, create, in(matrix.TypeMember, "@u:hs0"))
				levels = older.ID()
				if c.given {
					remote.auth = []json.RawMessage{older.JSON()}
				}
			}
			message := build(user, matrix.TypeMessage, nil, `{"body":"long ago"}`, create, levels, in(matrix.TypeMember, user))
			remote.events = []json.RawMessage{message.JSON()}
			room.r.setEdgeLocked([]matrix.EventID{message.ID()}, room.r.current)
			view, _ := room.s.Room(string(room.r.id))
			if added, err := view.Backfill(t.Context(), 10); err != nil || added != c.shown || remote.asked != c.asked {
				t.Errorf("%d events are shown (%v) after %d requests for auth events, want %d after %d", added, err, remote.asked, c.shown, c.asked)
			}
		})
	}
}
