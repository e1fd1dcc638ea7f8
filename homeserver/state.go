package homeserver

import (
	"iter"
	"slices"
	"strings"
	"sync"

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

	derive  sync.Once
	servers []string
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

// JoinedServers returns the names of the servers with joined users, sorted. The slice is shared: it must not
// be changed.
func (s *State) JoinedServers() []string {
	if s == nil {
		return nil
	}
	s.derive.Do(func() {
		for pdu := range s.Members() {
			if pdu.Membership() == matrix.Join {
				s.servers = append(s.servers, serverOf(pdu.Key().StateKey))
			}
		}
		slices.Sort(s.servers)
		s.servers = slices.Clip(slices.Compact(s.servers))
	})
	return s.servers
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
	_, found := slices.BinarySearch(s.JoinedServers(), name)
	return found
}

// with returns the state with an event in its place.
func (s *State) with(commons *Commons, pdu *event.PDU) *State {
	return commons.intern(s.entries().With(pdu.Key(), pdu.ID()))
}

// serverOf is the server's part of an identifier.
func serverOf(id string) string {
	_, server, _ := strings.Cut(id, ":")
	return server
}
