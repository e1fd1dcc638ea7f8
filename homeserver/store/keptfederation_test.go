package store_test

import (
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// transaction is one of b that a takes.
func (m *mesh) transaction(id string, pdus ...*event.PDU) (answer string) {
	m.t.Helper()
	code, answer := m.deliver(id, pdus...)
	if code != http.StatusOK {
		m.t.Fatalf("the transaction %s: %d %s", id, code, answer)
	}
	return answer
}

// deliver sends a transaction of b to a as bytes on the wire: b's own sender knows nothing of it.
func (m *mesh) deliver(id string, pdus ...*event.PDU) (code int, answer string) {
	m.t.Helper()
	var raws []json.RawMessage
	for _, pdu := range pdus {
		raws = append(raws, pdu.JSON())
	}
	body, err := json.Marshal(map[string]any{"origin": "b", "origin_server_ts": 1, "pdus": raws})
	m.must(err)
	uri := "/_matrix/federation/v1/send/" + id
	covered, err := json.Marshal(map[string]any{
		"method": "PUT", "uri": uri, "origin": "b", "destination": "a", "content": json.RawMessage(body),
	})
	m.must(err)
	covered, err = matrix.CanonicalJSON(covered)
	m.must(err)
	kept, err := m.db.Server("b")
	m.must(err)
	r := httptest.NewRequest(http.MethodPut, uri, strings.NewReader(string(body)))
	r.Header.Set("Authorization", matrix.XMatrix{
		Origin: "b", Destination: "a", Key: "ed25519:1", Signature: matrix.EncodeBase64(ed25519.Sign(kept.Key(), covered)),
	}.String())
	w := httptest.NewRecorder()
	m.peers["a"].Handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// mutter has b say something that it cannot tell anybody.
func (h *household) mutter(text string) *event.PDU {
	h.t.Helper()
	h.mute("b", true)
	pdu, err := h.server("b").Send(h.t.Context(), homeserver.Draft{
		RoomID: h.room, Sender: "@bob:b", Type: matrix.TypeMessage, Content: json.RawMessage(`{"body":"` + text + `","msgtype":"m.text"}`),
	})
	h.must(err)
	return pdu
}

// TestParkedIsKept: what waits for events that nobody could give waits on after a kill, and is asked for again.
func TestParkedIsKept(t *testing.T) {
	h := newHousehold(t)
	before, after := h.mutter("one"), h.mutter("two")
	h.reach("b", false)
	h.transaction("1", after)
	if h.has("a", h.room, string(after.ID())) {
		t.Fatal("a took an event without those before it")
	}
	h.kill("a", "b")
	if h.has("a", h.room, string(after.ID())) {
		t.Fatal("a has the event although nobody could give what is missing")
	}
	h.reach("b", true) // b can be asked, and says nothing by itself
	eventually(t, "a has what waited", func() bool {
		return h.has("a", h.room, string(after.ID())) && h.has("a", h.room, string(before.ID()))
	})
}

// TestReceivedIsKept: a transaction that comes again after a kill is answered as before, and not looked at.
func TestReceivedIsKept(t *testing.T) {
	h := newHousehold(t)
	first, second := h.mutter("one"), h.mutter("two")
	answer := h.transaction("1", first)
	h.kill("a", "b")
	if again := h.transaction("1", first, second); again != answer {
		t.Errorf("the transaction was answered with %s, and then with %s", answer, again)
	}
	if h.has("a", h.room, string(second.ID())) {
		t.Error("the repeated transaction was processed")
	}
	if h.transaction("2", second); !h.has("a", h.room, string(second.ID())) {
		t.Error("the next transaction was not processed")
	}
}
