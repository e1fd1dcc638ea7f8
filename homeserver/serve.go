package homeserver

import (
	"encoding/json"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Bounds on answers to other servers.
const (
	maxBackfill = 100
	maxMissing  = 100
)

// ServeEvent answers event: one PDU for a server that may see it.
func (s *Server) ServeEvent(origin, eventID string) (json.RawMessage, error) {
	for _, view := range s.Rooms() {
		r := view.r
		r.mu.Lock()
		n := r.nodes[matrix.EventID(eventID)]
		if n != nil && r.visitorLocked(origin, n) == nil {
			raw := s.formForLocked(r, n, origin).JSON()
			r.mu.Unlock()
			return raw, nil
		}
		r.mu.Unlock()
	}
	return nil, failf(NotFound, "%s has no event %s that %s may see", s.cfg.Name, eventID, origin)
}

// visitorLocked returns an error for servers that may not ask about the room: those outside of it. A server
// that was in the room just before one of the events may ask about that: otherwise one that was kicked while
// it could not be reached would never learn of it.
func (r *room) visitorLocked(origin string, about ...*node) error {
	if r.current.hasServer(origin) {
		return r.aclLocked(origin)
	}
	for _, n := range about {
		if n.before.hasServer(origin) {
			return nil
		}
	}
	return failf(Forbidden, "%s is not in room %s", origin, r.id)
}

// formForLocked is the form of an event that a server gets: redacted when the event was, or when the history
// visibility hides it from the server ("Retrieving events").
func (s *Server) formForLocked(r *room, n *node, origin string) *event.PDU {
	if r.redactions[n.pdu.ID()] != nil || !n.visibleTo(origin) {
		return s.commons.redact(n.pdu)
	}
	return n.pdu
}

// visibleTo applies m.room.history_visibility at the event to a server: it may see what one of its users may.
func (n *node) visibleTo(origin string) bool {
	if n.is(outlier) || n.pdu.IsState() || string(n.pdu.Sender().Server()) == origin {
		return true
	}
	switch visibility(n.before) {
	case worldReadable, shared:
		return true
	case invited:
		return n.before.hasServer(origin) || n.before.hasInvited(origin)
	}
	return n.before.hasServer(origin)
}

func (s *State) hasInvited(server string) bool {
	for pdu := range s.Members() {
		if pdu.Membership() == matrix.Invite && serverOf(pdu.Key().StateKey) == server {
			return true
		}
	}
	return false
}

// lookFor returns a node of a room for a server that may ask about it; the room is locked when err is nil.
func (s *Server) lookFor(origin, roomID, eventID string) (*room, *node, error) {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	n := r.nodes[matrix.EventID(eventID)]
	if n == nil {
		n, err = &node{}, failf(NotFound, "%s has no event %s in room %s", s.cfg.Name, eventID, roomID)
	}
	if refused := r.visitorLocked(origin, n); refused != nil {
		err = refused
	}
	if err != nil {
		r.mu.Unlock()
		return nil, nil, err
	}
	return r, n, nil
}

// ServeState answers state: the state before an event and its auth chain.
func (s *Server) ServeState(origin, roomID, eventID string) (StateAnswer, error) {
	state, chain, err := s.stateFor(origin, roomID, eventID)
	if err != nil {
		return StateAnswer{}, err
	}
	return StateAnswer{PDUs: raws(state), AuthChain: raws(chain)}, nil
}

// ServeStateIDs answers state_ids.
func (s *Server) ServeStateIDs(origin, roomID, eventID string) (StateIDs, error) {
	state, chain, err := s.stateFor(origin, roomID, eventID)
	if err != nil {
		return StateIDs{}, err
	}
	return StateIDs{PDUs: eventIDs(state), AuthChain: eventIDs(chain)}, nil
}

func (s *Server) stateFor(origin, roomID, eventID string) (state, chain []*event.PDU, err error) {
	r, n, err := s.lookFor(origin, roomID, eventID)
	if err != nil {
		return nil, nil, err
	}
	defer r.mu.Unlock()
	if n.is(outlier) {
		return nil, nil, failf(NotFound, "%s does not know the state before event %s", s.cfg.Name, eventID)
	}
	for pdu := range n.before.All() {
		state = append(state, pdu)
	}
	return state, r.authChainLocked(state), nil
}

// ServeEventAuth answers event_auth: the auth chain of an event.
func (s *Server) ServeEventAuth(origin, roomID, eventID string) ([]json.RawMessage, error) {
	r, n, err := s.lookFor(origin, roomID, eventID)
	if err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	return raws(r.authChainLocked([]*event.PDU{n.pdu})), nil
}

// ServeBackfill answers backfill: up to limit events, the given ones first and then those before them.
func (s *Server) ServeBackfill(origin, roomID string, from []string, limit int) ([]json.RawMessage, error) {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.visitorLocked(origin); err != nil {
		return nil, err
	}
	found := r.walkBackLocked(toIDs(from), nil, min(limit, maxBackfill), 0)
	return s.formsForLocked(r, found, origin), nil
}

// ServeMissing answers get_missing_events: events before the latest ones, up to the earliest, oldest first.
func (s *Server) ServeMissing(origin, roomID string, q MissingQuery) ([]json.RawMessage, error) {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[matrix.EventID]bool{}
	for _, id := range toIDs(q.Earliest) {
		known[id] = true
	}
	var latest []*node
	var start []matrix.EventID
	for _, id := range toIDs(q.Latest) {
		if n := r.placedLocked(id); n != nil {
			known[id] = true
			latest = append(latest, n)
			start = append(start, n.pdu.PrevEvents()...)
		}
	}
	if err := r.visitorLocked(origin, latest...); err != nil {
		return nil, err
	}
	found := r.walkBackLocked(start, known, min(q.Limit, maxMissing), q.MinDepth)
	slices.Reverse(found)
	return s.formsForLocked(r, found, origin), nil
}

// walkBackLocked returns up to limit events, breadth first from start along prev_events, except those that
// are known to the asker and what lies behind them.
func (r *room) walkBackLocked(start []matrix.EventID, known map[matrix.EventID]bool, limit int, minDepth int64) []*node {
	var found []*node
	seen := map[matrix.EventID]bool{}
	queue := start
	for len(queue) > 0 && len(found) < limit {
		id := queue[0]
		queue = queue[1:]
		n := r.placedLocked(id)
		if n == nil || seen[id] || known[id] || n.pdu.Depth() < minDepth {
			continue
		}
		seen[id] = true
		found = append(found, n)
		queue = append(queue, n.pdu.PrevEvents()...)
	}
	return found
}

func (s *Server) formsForLocked(r *room, nodes []*node, origin string) []json.RawMessage {
	out := make([]json.RawMessage, len(nodes))
	for i, n := range nodes {
		out[i] = s.formForLocked(r, n, origin).JSON()
	}
	return out
}

func eventIDs(pdus []*event.PDU) []string {
	ids := make([]string, len(pdus))
	for i, pdu := range pdus {
		ids[i] = string(pdu.ID())
	}
	return ids
}

func toIDs(names []string) []matrix.EventID {
	ids := make([]matrix.EventID, len(names))
	for i, name := range names {
		ids[i] = matrix.EventID(name)
	}
	return ids
}
