package federation

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"meshsim/homeserver"
	"meshsim/matrix/event"
)

// What a peer sends in vain is counted, by kind, under its name, and the room goes on.
func TestGarbageIsCounted(t *testing.T) {
	withEvil(t, "12", func(m *mesh, evil *liar, roomID string) {
		victim := m.server("victim")
		unsigned := strings.Replace(string(forge(t, m, roomID, func(*event.Builder) {}).JSON()), `"body":"x"`, `"body":"y"`, 1)
		unsigned = strings.Replace(unsigned, `"depth":10`, `"depth":11`, 1)
		powerless := forge(t, m, roomID, func(b *event.Builder) {
			b.Type, b.StateKey, b.Content = "m.room.topic", event.StateKey(""), json.RawMessage(`{"topic":"mine"}`)
		})
		for _, pdu := range []string{`7`, `{}`, `{"room_id":"!none:x"}`, unsigned, string(powerless.JSON())} {
			victim.Receive(context.Background(), "evil", []json.RawMessage{json.RawMessage(pdu)})
		}
		victim.ReceiveEDUs("evil", []json.RawMessage{
			json.RawMessage(`7`), json.RawMessage(`{"edu_type":"m.typing","content":{"room_id":"` + roomID + `","user_id":"@u:victim","typing":true}}`),
			json.RawMessage(`{"edu_type":"org.example.unknown","content":{}}`), // may mean something to others
		})
		request := func(body string) int {
			req, err := m.peers["evil"].Sender.client.request(context.Background(), call{
				method: http.MethodPut, server: "victim", path: "/_matrix/federation/v1/send/1", body: []byte(body),
			})
			if err != nil {
				t.Fatal(err)
			}
			res, err := (&wire{m, "evil"}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode
		}
		if status := request(`{"pdus":7}`); status != http.StatusBadRequest {
			t.Errorf("a transaction of the wrong form: %d", status)
		}
		want := homeserver.Garbage{PDUs: 4, EDUs: 2, Rejected: 1, Requests: 1}
		if got := victim.Garbage()["evil"]; got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		found := false
		for _, b := range m.peers["victim"].Backlogs() {
			found = found || b.Server == "evil" && b.DroppedPDUs == 4 && b.BadRequests == 1
		}
		if !found {
			t.Errorf("the peers are %+v", m.peers["victim"].Backlogs())
		}
		works(t, m, roomID)
	})
}
