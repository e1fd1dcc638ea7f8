package homeserver

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/stateres"
)

// resolveLocked merges states by the room's state resolution algorithm. The error names an event that is
// missing.
func (s *Server) resolveLocked(r *room, states []*State) (*State, error) {
	states = distinct(states)
	if len(states) == 0 {
		return nil, nil
	}
	if len(states) == 1 {
		return states[0], nil
	}
	key := setKey(r.version, states)
	if resolved, ok := s.commons.resolved.find(key); ok {
		return resolved, nil
	}
	merged, err := mergeLocked(r, states)
	if err != nil {
		return nil, err
	}
	resolved := s.commons.intern(merged, states[0])
	s.commons.resolved.add(key, resolved)
	return resolved, nil
}

// mergeLocked puts states together if that goes, and otherwise resolves them.
func mergeLocked(r *room, states []*State) (stateres.State, error) {
	if union, ok := unionLocked(r, states); ok {
		return union, nil
	}
	sets := make([]stateres.State, len(states))
	for i, state := range states {
		sets[i] = state.entries()
	}
	return stateres.Resolve(r.version, sets, resolvable{r})
}

// unionLocked is the result of state resolution where the states differ in plain joins alone.
func unionLocked(r *room, states []*State) (union stateres.State, ok bool) {
	union = states[0].entries()
	for _, state := range states[1:] {
		if union, ok = stateres.Union(r.version, union, state.entries(), resolvable{r}); !ok {
			return union, false
		}
	}
	return union, true
}

// distinct sorts snapshots by their numbers and leaves each in once.
func distinct(states []*State) []*State {
	states = slices.Clone(states)
	slices.SortFunc(states, func(a, b *State) int { return int(a.ordinal()) - int(b.ordinal()) })
	return slices.Compact(states)
}

func (s *State) ordinal() uint64 {
	if s == nil {
		return 0
	}
	return s.number
}

// setKey names a set of snapshots. It is a hash, because a room may have thousands of extremities, and each
// resolution is remembered.
func setKey(version *matrix.RoomVersion, states []*State) resolutionKey {
	key := []byte(version.ID)
	for _, s := range states {
		key = binary.BigEndian.AppendUint64(key, s.ordinal())
	}
	return sha256.Sum256(key)
}

// resolvable gives state resolution the events of a room. The room is locked.
type resolvable struct {
	r *room
}

func (v resolvable) Event(id matrix.EventID) *event.PDU {
	if n := v.r.nodes[id]; n != nil {
		return n.pdu
	}
	return nil
}

func (v resolvable) Rejected(id matrix.EventID) bool {
	n := v.r.nodes[id]
	return n != nil && n.is(rejected)
}
