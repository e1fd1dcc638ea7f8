package homeserver

import (
	"iter"
	"strings"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/stateres"
)

// State is the state of a room at one moment: at most one event for each type and state key. It is immutable
// and shares structure with its neighbours, so that the state after each of a thousand joins costs about a
// kilobyte, not a thousand entries. Snapshots of one [Commons] with the same events are the same pointer.
// The nil State is empty.
type State struct {
	ids     stateres.State
	commons *Commons
	number  uint64 // unique in the Commons
	// joined has the joins among ids once more, by their users' servers: the type of a key is the server, the state
	// key the user. So whether a server is in a room of thousands takes a few steps, and nothing is gathered anew for
	// the state after each event.
	joined stateres.State
}

// Get returns the event of a type and state key, nil if there is none.
func (s *State) Get(eventType, stateKey string) *event.PDU {
	return s.Event(event.Key{Type: eventType, StateKey: stateKey})
}

// Event implements eventauth.State.
func (s *State) Event(k event.Key) *event.PDU {
	if s == nil {
		return nil
	}
	id, found := s.ids.Get(k)
	if !found {
		return nil
	}
	return s.commons.event(id)
}

// Len is the number of events.
func (s *State) Len() int { return s.entries().Len() }

// entries is the state by ids.
func (s *State) entries() stateres.State {
	if s == nil {
		return stateres.State{}
	}
	return s.ids
}

// All yields every event in order of type, then state key.
func (s *State) All() iter.Seq[*event.PDU] {
	return func(yield func(*event.PDU) bool) {
		for _, id := range s.entries().All() {
			if !yield(s.commons.event(id)) {
				return
			}
		}
	}
}

// Changes yields the events of s that older does not have. It costs time in proportion to the difference when
// one state grew out of the other.
func (s *State) Changes(older *State) iter.Seq[*event.PDU] {
	return func(yield func(*event.PDU) bool) {
		if s == older {
			return
		}
		for change := range older.entries().Diff(s.entries()) {
			if change.After != "" && !yield(s.commons.event(change.After)) {
				return
			}
		}
	}
}

// Membership returns what a user is to the room ("" for nothing).
func (s *State) Membership(userID string) matrix.Membership {
	pdu := s.Get(matrix.TypeMember, userID)
	if pdu == nil {
		return ""
	}
	return pdu.Membership()
}

// Members yields the m.room.member events in order of user id.
func (s *State) Members() iter.Seq[*event.PDU] { return s.ofType(matrix.TypeMember) }

// JoinedServers returns the names of the servers with joined users, sorted.
func (s *State) JoinedServers() []string {
	if s == nil {
		return nil
	}
	servers := make([]string, 0, s.joined.Len())
	for key := range s.joined.All() {
		if last := len(servers) - 1; last < 0 || servers[last] != key.Type {
			servers = append(servers, key.Type)
		}
	}
	return servers
}

// ofType yields the events of a type in order of state key.
func (s *State) ofType(eventType string) iter.Seq[*event.PDU] {
	return func(yield func(*event.PDU) bool) {
		for _, id := range s.entries().OfType(eventType) {
			if !yield(s.commons.event(id)) {
				return
			}
		}
	}
}

// hasServer reports whether a server has a joined user.
func (s *State) hasServer(name string) bool {
	if s == nil {
		return false
	}
	for range s.joined.OfType(name) {
		return true
	}
	return false
}

// with returns the state with a checked event in its place.
func (s *State) with(commons *Commons, pdu *event.PDU) *State {
	commons.checked(pdu)
	return commons.intern(s.entries().With(pdu.Key(), pdu.ID()), s)
}

// joinedAfter is what State.joined is for the state ids, which grew out of s.
func (s *State) joinedAfter(commons *Commons, ids stateres.State) stateres.State {
	var joined stateres.State
	if s != nil {
		joined = s.joined
	}
	for change := range s.entries().Diff(ids) {
		if change.Key.Type != matrix.TypeMember {
			continue
		}
		user := change.Key.StateKey
		key := event.Key{Type: serverOf(user), StateKey: user}
		if change.After != "" && commons.event(change.After).Membership() == matrix.Join {
			joined = joined.With(key, change.After)
		} else {
			joined = joined.Without(key)
		}
	}
	return joined
}

// holds tells whether every entry of other is in s.
func (s *State) holds(other *State) bool {
	if s == other {
		return true
	}
	for change := range other.entries().Diff(s.entries()) {
		if change.Before != "" {
			return false
		}
	}
	return true
}

// serverOf is the server's part of an identifier.
func serverOf(id string) string {
	_, server, _ := strings.Cut(id, ":")
	return server
}
