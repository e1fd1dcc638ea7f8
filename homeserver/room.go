package homeserver

import (
	"slices"
	"sync"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Position counts what happened on a server, across all of its rooms, in the order in which its clients see
// it. Entries that backfill brings have negative positions, older ones smaller.
type Position int64

// Entry is one line of a room's log: an event that clients see, or a change of the room's state without one.
// It is immutable.
type Entry struct {
	Position Position
	// Event is nil when only the room's state changed: state resolution preferred another event, or put one in
	// that had been soft-failed, or this server learnt the state before its own join. It is the event as it was
	// sent; see [Room.Shown] for redactions.
	Event *event.PDU
	// State is the room's current state for who has followed the log so far: what the entry before says, with
	// Event in its place when that is a state event. For an entry from backfill it is the state after the
	// event, or nil where that is not known.
	State *State
}

// room is one room as this server knows it.
type room struct {
	id      matrix.RoomID
	version *matrix.RoomVersion

	fetching chan struct{} // holds a value while missing events are being fetched, one fetch at a time

	mu          sync.Mutex
	nodes       map[matrix.EventID]*node
	extremities []*node                       // forward extremities: what the next event refers to
	edges       []edge                        // states before events that other servers told us, without the events before
	current     *State                        // the resolved state of all extremities
	floor       int64                         // depth of this server's entry to the room: what lies before is not asked for
	joined      bool                          // whether this server has a joined user
	log         []Entry                       // ascending positions
	staged      []stagedEntry                 // to be written to log
	past        []Entry                       // from backfill, descending positions
	history     map[matrix.EventID]*event.PDU // behind this server's part of the graph, from backfill
	redactions  map[matrix.EventID]*event.PDU // by their targets
	early       map[matrix.EventID]*event.PDU // redactions whose targets have not come yet
	parked      parking
	guests      map[string]struct{} // servers that joined through this one
}

// node is an event in a room's graph.
type node struct {
	pdu           *event.PDU
	before, after *State // nil for outliers
	mark          mark
}

// mark is a set of things to know about a node.
type mark uint8

const (
	outlier    mark = 1 << iota // known for its content only: its place in the graph is not
	rejected                    // fails the authorisation rules; never part of the state
	softFailed                  // passes them at its place, but not now: not shown, not referred to
	behind                      // before this server's join, whose state it is of: not in the log, even when it gets a place
)

func (n *node) is(m mark) bool { return n.mark&m != 0 }

func newRoom(id matrix.RoomID, version *matrix.RoomVersion) *room {
	return &room{
		id:       id,
		version:  version,
		fetching: make(chan struct{}, 1),
		nodes:    map[matrix.EventID]*node{},
	}
}

// createLocked is the room's create event, nil while that is not known.
func (r *room) createLocked() *event.PDU {
	if r.version.RoomIDIsCreateHash {
		if n := r.nodes[r.id.CreateEventID()]; n != nil && !n.is(rejected) {
			return n.pdu
		}
		return nil
	}
	return r.current.Get(matrix.TypeCreate, "")
}

// placedLocked returns a node whose place in the graph is known.
func (r *room) placedLocked(id matrix.EventID) *node {
	if n := r.nodes[id]; n != nil && !n.is(outlier) {
		return n
	}
	return nil
}

// loggedLocked reports whether an event got its place in the graph when it came, and so was told to clients.
func (r *room) loggedLocked(id matrix.EventID) bool {
	n := r.placedLocked(id)
	return n != nil && !n.is(behind)
}

// recallableLocked returns a node that has no place in the graph and may be given one silently: it lies behind this
// server's join, so it is no news.
func (r *room) recallableLocked(id matrix.EventID) *node {
	if n := r.nodes[id]; n != nil && n.is(outlier) && n.is(behind) {
		return n
	}
	return nil
}

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

func (s *Server) room(id matrix.RoomID) *room {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rooms[id]
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

func (s *Server) shownLocked(r *room, pdu *event.PDU) *event.PDU {
	if r.redactions[pdu.ID()] == nil {
		return pdu
	}
	return s.commons.redact(pdu)
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
