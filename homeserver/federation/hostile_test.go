package federation

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// liar answers in place of a server: with what it has for an endpoint, and as the server would for the others. It
// counts requests by endpoint.
type liar struct {
	honest  http.Handler
	answers map[string]func() any // by the endpoint's name
	asked   map[string]int
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, answer := range l.answers {
		if strings.Contains(r.URL.Path, "/"+name) {
			l.asked[name]++
			_ = json.NewEncoder(w).Encode(answer()) // to memory
			return
		}
	}
	l.honest.ServeHTTP(w, r)
}

// withEvil runs a test in a room of the servers "victim" and "evil".
func withEvil(t *testing.T, version string, test func(m *mesh, evil *liar, roomID string)) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t, 1, "victim", "evil")
		evil := &liar{honest: m.peers["evil"].Handler, answers: map[string]func() any{}, asked: map[string]int{}}
		m.instead["evil"] = evil
		roomID := publicRoom(t, m.server("victim"), version)
		join(t, m.server("evil"), roomID, "victim")
		test(m, evil, roomID)
	})
}

// forge makes an event that the server "evil" has signed, on top of what it knows unless change says otherwise.
func forge(t *testing.T, m *mesh, roomID string, change func(*event.Builder)) *event.PDU {
	t.Helper()
	r := room(t, m.server("evil"), roomID)
	b := event.Builder{
		RoomID: matrix.RoomID(roomID), Type: matrix.TypeMessage, Sender: "@u:evil", Content: json.RawMessage(`{"body":"x"}`), Depth: 10,
	}
	for _, id := range r.Extremities() {
		b.PrevEvents = append(b.PrevEvents, matrix.EventID(id))
	}
	keys := []event.Key{{Type: matrix.TypePowerLevels}, {Type: matrix.TypeMember, StateKey: "@u:evil"}}
	if strings.Contains(roomID, ":") { // before room version 12
		keys = append(keys, event.Key{Type: matrix.TypeCreate})
	}
	for _, k := range keys {
		b.AuthEvents = append(b.AuthEvents, r.State().Event(k).ID())
	}
	change(&b)
	version, err := matrix.LookupRoomVersion(r.Version())
	if err != nil {
		t.Fatal(err)
	}
	identity := m.peers["evil"].Sender.client.identity
	pdu, err := b.Build(version, "evil", matrix.KeyID(identity.KeyID), identity.Key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return pdu
}

// deliver sends a transaction from evil to victim and returns the reason why a PDU was dropped.
func deliver(m *mesh, id matrix.EventID, pdu json.RawMessage) string {
	for got, err := range m.server("victim").Receive(context.Background(), "evil", []json.RawMessage{pdu}) {
		if got == string(id) && err != nil {
			return err.Error()
		}
	}
	return ""
}

// works says that the room of the victim goes on.
func works(t *testing.T, m *mesh, roomID string) {
	t.Helper()
	pdu := say(t, m.server("victim"), roomID, "still here")
	if !shows(t, m.server("victim"), roomID, pdu) {
		t.Error("the victim cannot speak any more")
	}
}

func TestPDUOfTwoRooms(t *testing.T) {
	withEvil(t, "11", func(m *mesh, _ *liar, roomID string) {
		other := publicRoom(t, m.server("victim"), "11")
		pdu := forge(t, m, roomID, func(*event.Builder) {})
		raw := strings.TrimSuffix(string(pdu.JSON()), "}") + `,"Room_id":"` + other + `"}`
		if reason := deliver(m, pdu.ID(), json.RawMessage(raw)); !strings.Contains(reason, "two room ids") {
			t.Errorf("the victim says %q", reason)
		}
		if _, known := room(t, m.server("victim"), other).StateBefore(string(pdu.ID())); known {
			t.Error("an event of one room is in the graph of another")
		}
	})
}

func TestAbsurdDepth(t *testing.T) {
	for _, version := range matrix.RoomVersions() {
		withEvil(t, version, func(m *mesh, _ *liar, roomID string) {
			pdu := forge(t, m, roomID, func(b *event.Builder) { b.Depth = matrix.MaxSafeInteger })
			if reason := deliver(m, pdu.ID(), pdu.JSON()); reason != "" {
				t.Errorf("dropped: %s", reason)
			}
			works(t, m, roomID)
			time.Sleep(time.Minute)
			if a, b := room(t, m.server("victim"), roomID).State(), room(t, m.server("evil"), roomID).State(); a != b {
				t.Error("states differ")
			}
		})
	}
}

// unknownIDs makes up ids of events.
func unknownIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = "$" + matrix.EncodeBase64(fmt.Appendf(nil, "%032d", i))
	}
	return ids
}

// What a stranger says about a state of 200,000 events, none of which exists, must not cost the square of that.
func TestStateOfEventsThatDoNotExist(t *testing.T) {
	withEvil(t, "12", func(m *mesh, evil *liar, roomID string) {
		evil.answers["get_missing_events"] = func() any { return missingEvents{Events: []json.RawMessage{}} }
		evil.answers["state_ids"] = func() any { return homeserver.StateIDs{PDUs: unknownIDs(200_000)} }
		evil.answers["state/"] = func() any { return homeserver.StateAnswer{} }
		pdu := forge(t, m, roomID, func(b *event.Builder) { b.PrevEvents = toIDs(unknownIDs(20)) })
		deliver(m, pdu.ID(), pdu.JSON())
		if evil.asked["state_ids"] != 1 {
			t.Errorf("asked for the state %d times", evil.asked["state_ids"])
		}
		works(t, m, roomID)
	})
}

func toIDs(names []string) []matrix.EventID {
	ids := make([]matrix.EventID, len(names))
	for i, name := range names {
		ids[i] = matrix.EventID(name)
	}
	return ids
}

// Of a server that answers more missing events than it was asked for, as many are taken as were asked for.
func TestHistoryWithoutEnd(t *testing.T) {
	withEvil(t, "12", func(m *mesh, evil *liar, roomID string) {
		var chain []json.RawMessage
		last := toIDs(unknownIDs(1))
		for range 500 {
			pdu := forge(t, m, roomID, func(b *event.Builder) { b.PrevEvents = last })
			chain = append([]json.RawMessage{pdu.JSON()}, chain...) // those nearest to the end first
			last = []matrix.EventID{pdu.ID()}
		}
		evil.answers["get_missing_events"] = func() any {
			before := min(evil.asked["get_missing_events"]-1, 4)
			return missingEvents{Events: chain[before*100:]}
		}
		evil.answers["state_ids"] = func() any { return homeserver.StateIDs{} }
		pdu := forge(t, m, roomID, func(b *event.Builder) { b.PrevEvents = last })
		deliver(m, pdu.ID(), pdu.JSON())
		if n := evil.asked["get_missing_events"]; n != 6 {
			t.Errorf("asked %d times: each answer holds 100 events at most, and the sixth nothing new", n)
		}
		if shows(t, m.server("victim"), roomID, pdu) {
			t.Error("an event without history was taken")
		}
		works(t, m, roomID)
	})
}

// Keys that a server does not have are asked for once in a while, however many are named.
func TestKeysThatDoNotExist(t *testing.T) {
	withEvil(t, "12", func(m *mesh, evil *liar, roomID string) {
		evil.answers["key/v2/server"] = func() any {
			doc, err := m.peers["evil"].Sender.client.identity.keyDocument(time.Now())
			if err != nil {
				t.Error(err)
			}
			return doc
		}
		for i := range 50 {
			req, err := http.NewRequest(http.MethodGet, "https://victim/_matrix/federation/v1/make_join/"+roomID+"/@u:evil", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", fmt.Sprintf(`X-Matrix origin="evil",key="ed25519:%d",sig="AAAA"`, i))
			res, err := (&wire{m, "evil"}).RoundTrip(req)
			if err != nil || res.StatusCode != http.StatusUnauthorized {
				t.Fatalf("answered %v, %v", res, err)
			}
		}
		if n := evil.asked["key/v2/server"]; n > 1 {
			t.Errorf("the keys were asked for %d times", n)
		}
	})
}

func TestTooManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t, 1, "victim")
		ring := NewKeyRing(m.peers["victim"].Sender.client, homeserver.NewCommons())
		public, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		for n, accepted := range map[int]bool{maxKeys: true, maxKeys + 1: false} {
			doc := serverKeys{ServerName: "evil", VerifyKeys: map[string]publicKey{}, ValidUntilTS: time.Now().Add(time.Hour).UnixMilli()}
			for i := range n {
				doc.VerifyKeys[fmt.Sprintf("ed25519:%d", i)] = publicKey{Key: matrix.EncodeBase64(public)}
			}
			raw, err := json.Marshal(doc)
			for id := range doc.VerifyKeys {
				if err == nil {
					raw, err = matrix.SignJSON(raw, "evil", matrix.KeyID(id), key)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := ring.keep("evil", raw); (err == nil) != accepted {
				t.Errorf("%d keys: %v", n, err)
			}
		}
	})
}
