package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"meshsim/telemetry"
)

// exchange kinds that carry events, by the path below /_matrix/federation/ (server-server specification).
const federationPrefix = "/_matrix/federation/"

// endpoint splits a federation path into its name and arguments: "send" and [txn], "send_join" and
// [room, event]. The name is empty for other paths.
func endpoint(u *url.URL) (name string, args []string) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), federationPrefix)
	if !ok {
		return "", nil
	}
	parts := strings.Split(rest, "/") // version, name, arguments
	if len(parts) < 3 {
		return "", nil
	}
	args = parts[2:]
	for i, a := range args {
		if plain, err := url.PathUnescape(a); err == nil {
			args[i] = plain
		}
	}
	return parts[1], args
}

// transaction is the body of PUT /send.
type transaction struct {
	Origin string            `json:"origin"`
	PDUs   []json.RawMessage `json:"pdus"`
}

// invitation is the body of PUT /v2/invite.
type invitation struct {
	RoomVersion string          `json:"room_version"`
	Event       json.RawMessage `json:"event"`
}

// carries tells whether the body of a request may carry events.
func carries(method string, u *url.URL) bool {
	name, args := endpoint(u)
	if method != http.MethodPut || len(args) == 0 {
		return false
	}
	switch name {
	case "send", "send_join", "send_leave", "send_knock", "invite":
		return true
	}
	return false
}

// carried returns the events in the body of a request that a server sends, which is empty where it is not known, and the
// transaction's id where it has one.
func (r *Rooms) carried(method string, u *url.URL, body []byte, by string) (events []*telemetry.Event, txn string) {
	if !carries(method, u) {
		return nil, ""
	}
	name, args := endpoint(u)
	switch name {
	case "send":
		return r.inTransaction(body, by), args[0]
	case "invite":
		var in invitation
		if json.Unmarshal(body, &in) != nil {
			return nil, ""
		}
		if in.Event == nil { // v1: the body is the event
			return r.one(body, by), ""
		}
		r.Learn(args[0], in.RoomVersion, by)
		return r.one(in.Event, by), ""
	default:
		return r.one(body, by), ""
	}
}

func (r *Rooms) inTransaction(body []byte, by string) []*telemetry.Event {
	var t transaction
	if json.Unmarshal(body, &t) != nil {
		return nil
	}
	events := make([]*telemetry.Event, 0, len(t.PDUs))
	for _, raw := range t.PDUs {
		if e := r.Event(raw, by); e != nil {
			events = append(events, e)
		}
	}
	return events
}

func (r *Rooms) one(raw json.RawMessage, by string) []*telemetry.Event {
	if e := r.Event(raw, by); e != nil {
		return []*telemetry.Event{e}
	}
	return nil
}

// sending is one outgoing request that carries events, as telemetry is told of it. A nil *sending tells nothing.
type sending struct {
	g       *Gateway
	events  []*telemetry.Event
	to      int
	routes  uint64
	txn     string
	attempt int
	over    telemetry.Transport
}

// by notes the transport that the request takes, and returns it.
func (s *sending) by(t telemetry.Transport) telemetry.Transport {
	if s != nil {
		s.over = t
	}
	return t
}

// observeRequest looks at an outgoing request. It returns nil where there is nothing to tell.
func (g *Gateway) observeRequest(req *http.Request, body []byte, name string, to int, path Path) *sending {
	events, txn := g.cfg.Rooms.carried(req.Method, req.URL, body, g.cfg.Name)
	if len(events) == 0 {
		return nil
	}
	if txn == "" {
		txn = req.URL.Path
	}
	return &sending{
		g: g, events: events, to: to, routes: path.Routes, txn: txn,
		attempt: g.attempts.count(name, txn), over: telemetry.HTTPS,
	}
}

// sent reports the events as handed to the transport.
func (s *sending) sent() {
	if s == nil {
		return
	}
	now := time.Now()
	for _, e := range s.events {
		s.g.cfg.Publisher.Publish(telemetry.Sent{
			At: now, Event: e, From: s.g.cfg.ID, To: s.to, Routes: s.routes,
			Txn: s.txn, Attempt: s.attempt, Transport: s.over,
		})
	}
}

// failed reports that the events did not arrive.
func (s *sending) failed(err error) {
	if s == nil {
		return
	}
	s.g.cfg.Publisher.Publish(telemetry.Failed{
		At: time.Now(), Events: s.events, From: s.g.cfg.ID, To: s.to, Routes: s.routes,
		Txn: s.txn, Attempt: s.attempt, Reason: err.Error(),
	})
}

// answered reports a failure when the peer refused the request as a whole.
func (s *sending) answered(resp *http.Response) {
	if s != nil && resp.StatusCode >= 300 {
		s.failed(&refusedError{status: resp.Status})
	}
}

// refusedError is a peer's answer that is not a success.
type refusedError struct{ status string }

func (e *refusedError) Error() string { return "the peer answered " + e.status }

// attempts counts how often the transaction under way to each peer was tried. A homeserver has one transaction in
// flight per destination, so the last one is enough.
type attempts struct {
	mu   sync.Mutex
	last map[string]attempt // by peer
}

type attempt struct {
	txn   string
	count int
}

// count returns 1 for a new transaction and one more each time it is tried again.
func (a *attempts) count(peer, txn string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = make(map[string]attempt)
	}
	t := a.last[peer]
	if t.txn != txn {
		t = attempt{txn: txn}
	}
	t.count++
	a.last[peer] = t
	return t.count
}
