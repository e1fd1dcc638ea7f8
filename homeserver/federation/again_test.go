package federation

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// dropping answers transactions as a server that is still joining a room may: without a word on their events, which it
// drops. What else comes is served.
type dropping struct {
	behind  http.Handler
	until   time.Time
	dropped atomic.Int32
}

func (d *dropping) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if strings.HasPrefix(req.URL.Path, "/_matrix/federation/v1/send/") && time.Now().Before(d.until) {
		d.dropped.Add(1)
		_, _ = w.Write([]byte(`{"pdus":{}}`))
		return
	}
	d.behind.ServeHTTP(w, req)
}

// Two servers that join through a third at the same moment learn of each other, though each drops what it is sent while
// it joins and nothing is said afterwards.
func TestWhatANewcomerDropsIsOfferedAgain(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.delay = 100 * time.Millisecond
		roomID := publicRoom(t, m.server("a"), "12")
		newcomers := map[string]*dropping{}
		for _, name := range []string{"b", "c"} {
			newcomers[name] = &dropping{behind: m.peers[name].Handler, until: time.Now().Add(5 * time.Second)}
			m.instead[name] = newcomers[name]
			go func() {
				if err := m.server(name).Join(context.Background(), "@u:"+name, roomID, []string{"a"}, nil); err != nil {
					t.Errorf("%s cannot join: %v", name, err)
				}
			}()
		}
		settle()
		dropped := int32(0)
		for _, name := range m.names {
			if got := len(room(t, m.server(name), roomID).State().JoinedServers()); got != 3 {
				t.Errorf("%s knows %d members, want 3", name, got)
			}
			if d := newcomers[name]; d != nil {
				dropped += d.dropped.Load()
			}
		}
		if dropped == 0 {
			t.Error("nothing was dropped: this shows nothing")
		}
	}, "a", "b", "c")
}

// A server that never says a word on an event is not offered it for ever, and what it was offered is forgotten.
func TestOffersEnd(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.server("a")
		roomID := publicRoom(t, a, "12")
		join(t, m.server("b"), roomID, "a")
		settle()
		silent := &dropping{until: time.Now().Add(24 * time.Hour)}
		m.instead["b"] = silent
		say(t, a, roomID, "hello")
		time.Sleep(time.Hour)
		if offers := silent.dropped.Load(); offers != maxOffers {
			t.Errorf("the event was offered %d times, want %d", offers, maxOffers)
		}
		sender := m.peers["a"].Sender
		sender.mu.Lock()
		defer sender.mu.Unlock()
		if left := len(sender.offers); left != 0 {
			t.Errorf("%d offers are remembered", left)
		}
	}, "a", "b")
}
