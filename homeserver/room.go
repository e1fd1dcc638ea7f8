package homeserver

import (
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
	lineage     uint32                        // numbers the unions that current was; see node.lineage
	union       bool                          // whether current is the mere union of the extremities' states (stateres.Union)
	fresh       *node                         // the extremity that current does not comprise yet
	floor       int64                         // depth of this server's entry to the room: what lies before is not asked for
	joined      bool                          // whether this server has a joined user
	log         []Entry                       // ascending positions
	staged      []stagedEntry                 // to be written to log
	past        []Entry                       // from backfill, descending positions
	history     map[matrix.EventID]*event.PDU // behind this server's part of the graph, from backfill
	redactions  map[matrix.EventID]*event.PDU // by their targets
	early       map[matrix.EventID]*event.PDU // redactions whose targets have not come yet
	parked      parking
	awaited     map[matrix.EventID]*awaited // events that others wait for
	guests      map[string]struct{}         // servers that joined through this one
	journal     *journal                    // what is to be recorded; nil without a store
}

// node is an event in a room's graph.
type node struct {
	pdu           *event.PDU
	before, after *State // nil for outliers
	mark          mark
	// lineage is the room's while current is a union that comprises after and differs from it in plain joins alone. It
	// spares looking at the whole difference when something follows on this event.
	lineage uint32
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

func (s *Server) room(id matrix.RoomID) *room {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rooms[id]
}

func (s *Server) shownLocked(r *room, pdu *event.PDU) *event.PDU {
	if r.redactions[pdu.ID()] == nil {
		return pdu
	}
	return s.commons.redact(pdu)
}
