package homeserver

import (
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
	// that had been soft-failed.
	Event *event.PDU
	// State is the room's current state once this entry had been written; for an entry from backfill it is the
	// state after the event, or nil where that is not known.
	State *State
}

// Room is a view of a room that this server is or was in. It stays valid.
type Room struct {
	s *Server
	r *room
}
