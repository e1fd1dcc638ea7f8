package federation

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func send(m *mesh, txn, body string) (int, string) {
	rec := httptest.NewRecorder()
	m.peers["b"].Handler.ServeHTTP(rec, signedFrom(m, http.MethodPut, "/_matrix/federation/v1/send/"+txn, "b", body))
	return rec.Code, rec.Body.String()
}

func TestTransactionIsRepeatedHarmlessly(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		settle()
		send(m, "t0", `{"pdus":[]}`) // b fetches a's key
		m.isolate("a")               // the sender's own try shall not come first
		pdu := say(t, a, roomID, "once")
		body := `{"pdus":[` + string(pdu.JSON()) + `]}`
		_, first := send(m, "t1", body)
		_, second := send(m, "t1", body)
		if first != second || !strings.Contains(first, string(pdu.ID())) {
			t.Errorf("answers %s and %s", first, second)
		}
		m.heal()
		settle() // now the sender's try, under another transaction id
		count := 0
		r := room(t, b, roomID)
		for _, e := range r.Forward(0, r.Newest(), 1000) {
			if e.Event == pdu {
				count++
			}
		}
		if count != 1 {
			t.Errorf("the message is there %d times", count)
		}
	}, "a", "b")
}

func TestTransactionLimits(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		for name, body := range map[string]string{
			"51-pdus":  `{"pdus":[` + strings.TrimSuffix(strings.Repeat("{},", 51), ",") + `]}`,
			"101-edus": `{"pdus":[],"edus":[` + strings.TrimSuffix(strings.Repeat("{},", 101), ",") + `]}`,
			"no-list":  `{"pdus":{}}`,
		} {
			if code, answer := send(m, name, body); code != http.StatusBadRequest {
				t.Errorf("%s: status %d, %s", name, code, answer)
			}
		}
	}, "a", "b")
}

// TestGarbage sends what no honest server sends; the room must stay as it is.
func TestGarbage(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		settle()
		before := room(t, b, roomID).State()
		good := say(t, a, roomID, "good")
		forged := strings.Replace(string(good.JSON()), "@u:a", "@x:a", 1)
		for name, pdu := range map[string]string{
			"number":       `1`,
			"empty":        `{}`,
			"no-room":      `{"room_id":"!nowhere:a"}`,
			"nested":       strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
			"only-room":    `{"room_id":"` + roomID + `"}`,
			"forged":       forged,
			"null-members": `{"room_id":"` + roomID + `","type":null,"content":null,"prev_events":null}`,
		} {
			if code, answer := send(m, name, `{"pdus":[`+pdu+`]}`); code >= 500 {
				t.Errorf("%s: status %d, %s", name, code, answer)
			}
		}
		settle()
		if room(t, b, roomID).State() != before {
			t.Error("garbage changed the state")
		}
		if !shows(t, b, roomID, good) {
			t.Error("the server no longer takes messages")
		}
	}, "a", "b")
}

// TestTamperedContent: an event whose content was changed on the way keeps its id and signatures, and is
// taken in its redacted form.
func TestTamperedContent(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		settle()
		send(m, "0", `{"pdus":[]}`) // b fetches a's key
		m.isolate("a")
		pdu := say(t, a, roomID, "pay alice")
		tampered := strings.Replace(string(pdu.JSON()), "pay alice", "pay mallory", 1)
		send(m, "1", `{"pdus":[`+tampered+`]}`)
		got, ok := room(t, b, roomID).Event(string(pdu.ID()))
		if !ok || !got.Redacted() || strings.Contains(string(got.JSON()), "mallory") {
			t.Errorf("the tampered event became %v", got)
		}
	}, "a", "b")
}

func TestAnswersOnlyToMembers(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.server("b")
		roomID := publicRoom(t, b, "11")
		pdu := say(t, b, roomID, "private")
		for _, path := range []string{
			"event/" + string(pdu.ID()),
			"state/" + roomID + "?event_id=" + string(pdu.ID()),
			"state_ids/" + roomID + "?event_id=" + string(pdu.ID()),
			"event_auth/" + roomID + "/" + string(pdu.ID()),
			"backfill/" + roomID + "?limit=10&v=" + string(pdu.ID()),
		} {
			req := signedFrom(m, http.MethodGet, "/_matrix/federation/v1/"+path, "b", "")
			if got := status(m, req); got != http.StatusForbidden && got != http.StatusNotFound {
				t.Errorf("%s: status %d for a server outside of the room", path, got)
			}
		}
	}, "a", "b")
}

// TestIdleQueuesAreGone: what has been delivered leaves nothing behind, and nobody is asked without a reason.
func TestIdleQueuesAreGone(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		say(t, a, roomID, "hello")
		settle()
		count := m.requests()
		time.Sleep(24 * time.Hour)
		if n := m.requests() - count; n != 0 {
			t.Errorf("%d requests were made in an idle day", n)
		}
		sender := m.peers["a"].Sender
		sender.mu.Lock()
		defer sender.mu.Unlock()
		if n := len(sender.queues); n != 0 {
			t.Errorf("%d queues are left", n)
		}
	}, "a", "b")
}

// TestHeardFromAgain: a request of the server that could not be reached ends the wait.
func TestHeardFromAgain(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.server("a"), m.server("b")
		roomID := publicRoom(t, a, "12")
		join(t, b, roomID, "a")
		settle()
		m.isolate("b")
		missed := say(t, a, roomID, "are you there?")
		time.Sleep(10 * time.Minute)
		m.heal()
		say(t, b, roomID, "back again")
		synctest.Wait()
		if !shows(t, b, roomID, missed) {
			t.Error("b was heard from, but what waits for it was not sent at once")
		}
	}, "a", "b")
}

func FuzzTransaction(f *testing.F) {
	m := newMesh(f, 1, "a", "b")
	roomID := publicRoom(f, m.server("a"), "12")
	join(f, m.server("b"), roomID, "a")
	m.isolate("a")
	f.Add([]byte(`{"pdus":[` + string(say(f, m.server("a"), roomID, "seed").JSON()) + `],"edus":[]}`))
	f.Add([]byte(`{"pdus":[{"room_id":"` + roomID + `","prev_events":[]}]}`))
	txn := 0
	f.Fuzz(func(t *testing.T, body []byte) {
		var in incoming
		if json.Unmarshal(body, &in) != nil || in.check() != nil {
			return
		}
		txn++
		m.server("b").Receive(t.Context(), "a", in.PDUs)
		say(t, m.server("b"), roomID, "still alive")
	})
}
