package homeserver

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// State is the state of a room at one moment: at most one event for each type and state key. It is immutable
// and shares structure with its neighbours, so that the state after each of a thousand joins costs about a
// kilobyte, not a thousand entries. Snapshots of one [Commons] with the same events are the same pointer.
// The nil State is empty.
type State struct {
	root    *trie
	size    int
	sum     stateSum
	commons *Commons

	derive  sync.Once
	servers []string
}

// Get returns the event of a type and state key, nil if there is none.
func (s *State) Get(eventType, stateKey string) *event.PDU {
	if s == nil {
		return nil
	}
	return s.root.get(event.Key{Type: eventType, StateKey: stateKey})
}

// Len is the number of events.
func (s *State) Len() int {
	if s == nil {
		return 0
	}
	return s.size
}

// All yields every event, in no meaningful but a repeatable order.
func (s *State) All() iter.Seq[*event.PDU] {
	return func(yield func(*event.PDU) bool) {
		if s != nil {
			s.root.each(yield)
		}
	}
}

// Changes yields the events of s that older does not have. It costs time in proportion to the difference when
// one state grew out of the other.
func (s *State) Changes(older *State) iter.Seq[*event.PDU] {
	return func(yield func(*event.PDU) bool) {
		if s == nil || s == older {
			return
		}
		var base *trie
		if older != nil {
			base = older.root
		}
		s.root.eachNew(base, 0, yield)
	}
}

// Membership returns what a user is to the room ("" for nothing).
func (s *State) Membership(userID string) string {
	pdu := s.Get(matrix.TypeMember, userID)
	if pdu == nil {
		return ""
	}
	return string(pdu.Membership())
}

// Members yields the m.room.member events.
func (s *State) Members() iter.Seq[*event.PDU] {
	return func(yield func(*event.PDU) bool) {
		for pdu := range s.All() {
			if pdu.Type() == matrix.TypeMember && !yield(pdu) {
				return
			}
		}
	}
}

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

// hasServer reports whether a server has a joined user.
func (s *State) hasServer(name string) bool {
	_, found := slices.BinarySearch(s.JoinedServers(), name)
	return found
}

// with returns the state with an event in its place. commons interns the result.
func (s *State) with(commons *Commons, pdu *event.PDU) *State {
	next := State{commons: commons}
	if s != nil {
		next.root, next.size, next.sum = s.root, s.size, s.sum
	}
	root, old := next.root.with(pdu.Key(), pdu)
	if old == pdu {
		return s
	}
	next.root = root
	next.sum.add(pdu.ID())
	if old == nil {
		next.size++
	} else {
		next.sum.remove(old.ID())
	}
	return commons.intern(&next)
}

// equal compares two states by their events.
func (s *State) equal(other *State) bool {
	if s == other {
		return true
	}
	if s.Len() != other.Len() {
		return false
	}
	for range s.Changes(other) {
		return false
	}
	return true
}

func serverOf(id string) string {
	_, server, _ := strings.Cut(id, ":")
	return server
}
