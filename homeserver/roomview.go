package homeserver

import (
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Room is a view of a room that this server is or was in. It stays valid.
type Room struct {
	s *Server
	r *room
}

// Room returns a room that this server is or was in.
func (s *Server) Room(roomID string) (*Room, bool) {
	r := s.room(matrix.RoomID(roomID))
	if r == nil {
		return nil, false
	}
	return &Room{s, r}, true
}

// Rooms returns all rooms that this server is or was in, in no order.
func (s *Server) Rooms() []*Room {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Room, 0, len(s.rooms))
	for _, r := range s.rooms {
		all = append(all, &Room{s, r})
	}
	return all
}

// ID is the room id.
func (r *Room) ID() string { return string(r.r.id) }

// Version is the room version.
func (r *Room) Version() string { return r.r.version.ID }

// State is the current state, resolved over all forward extremities.
func (r *Room) State() *State {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	return r.r.current
}

// Joined reports whether this server has a joined user in the room.
func (r *Room) Joined() bool {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	return r.r.joined
}

// Extremities returns the ids of the forward extremities, sorted.
func (r *Room) Extremities() []string {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	ids := make([]string, 0, len(r.r.extremities))
	for _, n := range r.r.extremities {
		ids = append(ids, string(n.pdu.ID()))
	}
	slices.Sort(ids)
	return ids
}

// StateBefore returns the state before an event, false where that is not known.
func (r *Room) StateBefore(eventID string) (*State, bool) {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	n := r.r.placedLocked(matrix.EventID(eventID))
	if n == nil {
		return nil, false
	}
	return n.before, true
}

// StateAfter returns the state after an event, false where that is not known.
func (r *Room) StateAfter(eventID string) (*State, bool) {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	n := r.r.placedLocked(matrix.EventID(eventID))
	if n == nil {
		return nil, false
	}
	return n.after, true
}

// Event returns an event as clients may see it, redacted when it was. Rejected and soft-failed events are not
// found.
func (r *Room) Event(eventID string) (*event.PDU, bool) {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	id := matrix.EventID(eventID)
	if pdu := r.r.history[id]; pdu != nil {
		return r.s.shownLocked(r.r, pdu), true
	}
	n := r.r.nodes[id]
	if n == nil || n.is(rejected|softFailed) {
		return nil, false
	}
	return r.s.shownLocked(r.r, n.pdu), true
}

// Shown returns the form of an event of this room that may be shown: redacted when it was.
func (r *Room) Shown(pdu *event.PDU) *event.PDU {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	return r.s.shownLocked(r.r, pdu)
}

// RedactedBecause returns the redaction that was applied to an event, if any.
func (r *Room) RedactedBecause(eventID string) (*event.PDU, bool) {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	pdu := r.r.redactions[matrix.EventID(eventID)]
	return pdu, pdu != nil
}

// Newest is the position of the room's latest entry, 0 when it has none.
func (r *Room) Newest() Position {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	if len(r.r.log) == 0 {
		return 0
	}
	return r.r.log[len(r.r.log)-1].Position
}

// Forward returns up to limit entries with from < position <= to, oldest first.
func (r *Room) Forward(from, to Position, limit int) []Entry {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	var found []Entry
	for i := pastUntil(r.r.past, from) - 1; i >= 0 && len(found) < limit; i-- {
		if r.r.past[i].Position > to {
			return found
		}
		found = append(found, r.r.past[i])
	}
	log := r.r.log[logAfter(r.r.log, from):logAfter(r.r.log, to)]
	return append(found, log[:min(len(log), limit-len(found))]...)
}

// Backward returns up to limit entries with to < position <= from, newest first.
func (r *Room) Backward(from, to Position, limit int) []Entry {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	var found []Entry
	for i := logAfter(r.r.log, from) - 1; i >= 0 && len(found) < limit; i-- {
		if r.r.log[i].Position <= to {
			return found
		}
		found = append(found, r.r.log[i])
	}
	for i := pastUntil(r.r.past, from); i < len(r.r.past) && len(found) < limit; i++ {
		if r.r.past[i].Position <= to {
			return found
		}
		found = append(found, r.r.past[i])
	}
	return found
}

// StateAt returns the room's state as of a position, nil before this server was in the room.
func (r *Room) StateAt(at Position) *State {
	if at <= 0 {
		return nil
	}
	entries := r.Backward(at, 0, 1)
	if len(entries) == 0 {
		return nil
	}
	return entries[0].State
}

// logAfter is the index of the first entry behind a position.
func logAfter(log []Entry, position Position) int {
	i, _ := slices.BinarySearchFunc(log, position+1, func(e Entry, p Position) int { return int(e.Position - p) })
	return i
}

// pastUntil is the number of entries of past, which descends, that lie behind a position.
func pastUntil(past []Entry, position Position) int {
	i, _ := slices.BinarySearchFunc(past, position, func(e Entry, p Position) int { return int(p - e.Position) })
	return i
}
