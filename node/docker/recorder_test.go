//go:build linux && docker

package docker_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

// recorder keeps what telemetry is told of events, by event id.
type recorder struct {
	mu       sync.Mutex // guards what follows
	sent     map[string][]telemetry.Sent
	received map[string][]telemetry.Received
	failed   map[string][]telemetry.Failed
}

func newRecorder() *recorder {
	return &recorder{
		sent:     make(map[string][]telemetry.Sent),
		received: make(map[string][]telemetry.Received),
		failed:   make(map[string][]telemetry.Failed),
	}
}

// Publish implements telemetry.Publisher.
func (r *recorder) Publish(n telemetry.Notification) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch n := n.(type) {
	case telemetry.Sent:
		r.sent[n.Event.ID] = append(r.sent[n.Event.ID], n)
	case telemetry.Received:
		r.received[n.Event.ID] = append(r.received[n.Event.ID], n)
	case telemetry.Failed:
		for _, e := range n.Events {
			r.failed[e.ID] = append(r.failed[e.ID], n)
		}
	}
}

// sending is the first time that an event was sent from one server to another.
func (r *recorder) sending(id string, from, to int) (telemetry.Sent, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.sent[id], func(s telemetry.Sent) bool { return s.From == from && s.To == to })
	if i < 0 {
		return telemetry.Sent{}, false
	}
	return r.sent[id][i], true
}

// receipt is the first time that a server received an event from another.
func (r *recorder) receipt(id string, from, to int) (telemetry.Received, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.received[id], func(s telemetry.Received) bool { return s.From == from && s.To == to })
	if i < 0 {
		return telemetry.Received{}, false
	}
	return r.received[id][i], true
}

// failure is the first time that an event was sent in vain.
func (r *recorder) failure(id string, from, to int) (telemetry.Failed, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.failed[id], func(f telemetry.Failed) bool { return f.From == from && f.To == to })
	if i < 0 {
		return telemetry.Failed{}, false
	}
	return r.failed[id][i], true
}

// of is the id of a client's server.
func (p *pair) of(c *nodetest.Client) int { return slices.Index(p.clients[:], c) }

// told waits until telemetry has told that a client's server sent events of a room to the other server and that this
// received them: on the right basis, not before they were made and no faster than the link.
func (p *pair) told(t *testing.T, by *nodetest.Client, room string, ids ...string) {
	t.Helper()
	p.toldOf(t, by, by, room, ids...)
}

// toldOf is told, with a viewer who can see the events.
func (p *pair) toldOf(t *testing.T, by, viewer *nodetest.Client, room string, ids ...string) {
	t.Helper()
	from := p.of(by)
	to := 1 - from
	basis := []telemetry.Basis{telemetry.Accepted, telemetry.Processed}[to] // Synapse does not say what it processes
	for _, id := range ids {
		var received telemetry.Received
		eventually(t, fmt.Sprintf("hs%d is said to have received %s from hs%d", to, id, from), func() (ok bool) {
			received, ok = p.seen.receipt(id, from, to)
			return ok
		})
		if received.Basis != basis || received.Outcome != telemetry.OutcomeAccepted || received.Event.RoomID != room {
			t.Errorf("%s was received %s (%s) in %s, want %s in %s", id, received.Outcome, received.Basis, received.Event.RoomID, basis, room)
		}
		sent, ok := p.seen.sending(id, from, to)
		if !ok {
			t.Errorf("hs%d received %s, and nothing tells that hs%d sent it", to, id, from)
			continue
		}
		if sent.Transport != telemetry.HTTPS || sent.Attempt < 1 || sent.Txn == "" || sent.Event.Bytes == 0 {
			t.Errorf("%s was sent as %+v of %+v", id, sent, sent.Event)
		}
		made := event(t, viewer, room, id).at()
		if sent.At.Before(made) || received.At.Sub(sent.At) < pairDelay || received.At.After(time.Now()) {
			t.Errorf("%s was made at %v, sent at %v and received at %v over a link of %v", id, made, sent.At, received.At, pairDelay)
		}
	}
}

// toldState is told of an event that is in the state as a client's server has it; it returns the event's id.
func (p *pair) toldState(t *testing.T, by *nodetest.Client, room, kind, key string) string {
	t.Helper()
	id := by.State(t, room)[[2]string{kind, key}]
	if id == "" {
		t.Fatalf("%s has no %s %q in %s", by.User, kind, key, room)
	}
	p.told(t, by, room, id)
	return id
}

// toldFailed waits until telemetry has told that a client's server sent an event in vain.
func (p *pair) toldFailed(t *testing.T, by *nodetest.Client, room, id string) {
	t.Helper()
	from := p.of(by)
	var failed telemetry.Failed
	nodetest.Eventually(t, 2*patience, fmt.Sprintf("%s is said to have failed from hs%d", id, from), func() (ok bool) {
		failed, ok = p.seen.failure(id, from, 1-from)
		return ok
	})
	if made := event(t, by, room, id).at(); failed.At.Before(made) || failed.At.After(time.Now()) || failed.Reason == "" {
		t.Errorf("%s was made at %v and failed at %v: %q", id, made, failed.At, failed.Reason)
	}
}

// made is what a client sees of an event.
type made struct {
	ID      string `json:"event_id"`
	Time    int64  `json:"origin_server_ts"`
	Content object `json:"content"`
}

func (m made) at() time.Time { return time.UnixMilli(m.Time) }

// event is an event as a client's server has it.
func event(t *testing.T, c *nodetest.Client, room, id string) (m made) {
	t.Helper()
	do(t, c, http.MethodGet, in(room, "/event/%s", id), nil, &m)
	return m
}
