package stateres

import (
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Union merges two states in time that is proportional to their difference, or says that they need [Resolve]. It
// answers only where both room versions' algorithms put together what is in either state: when the states differ in
// plain joins alone.
//
// A plain join is of a user about whom only one of the states says anything, and its auth events are those that both
// states would authorise it with. So nothing but these joins, and at most the power levels and join rules that the
// states agree about, is in the full conflicted set; the joins are no power events, none is in the auth chain of
// another, and whatever their order each is checked against the very auth events that allowed it when it was received.
//
// The argument holds for any number of states, so the union may be extended state by state: where each of them differs
// from the union in plain joins alone, the union is what Resolve makes of all of them. No event of the states may have
// been rejected.
func Union(v *matrix.RoomVersion, a, b State, events Events) (State, bool) {
	if a.root == b.root {
		return a, true
	}
	if a.Len() < b.Len() {
		a, b = b, a
	}
	rules, union := joinRules(v, a), a
	for change := range a.Diff(b) {
		if change.Before != "" && change.After != "" {
			return State{}, false
		}
		if !rules.allowPlain(change, events) {
			return State{}, false
		}
		if change.After != "" {
			union = union.With(change.Key, change.After)
		}
	}
	return union, true
}

// Join is the union of a state with another that it comprises but for one plain join, and otherwise differs from in plain
// joins alone: it takes no look at the other one. False says that the event is no plain join that the state lacks.
func Join(v *matrix.RoomVersion, s State, join *event.PDU, events Events) (State, bool) {
	key := join.Key()
	if _, found := s.Get(key); found || !joinRules(v, s).allowPlain(Change{Key: key, After: join.ID()}, events) {
		return State{}, false
	}
	return s.With(key, join.ID()), true
}

// plainRules are the ids of what authorises a plain join: the events at these places of a state.
type plainRules []matrix.EventID

func joinRules(v *matrix.RoomVersion, s State) plainRules {
	kinds := []string{matrix.TypePowerLevels, matrix.TypeJoinRules, matrix.TypeCreate}
	if v.RoomIDIsCreateHash {
		kinds = kinds[:2] // the room id stands for the create event
	}
	var rules plainRules
	for _, kind := range kinds {
		if id, found := s.Get(event.Key{Type: kind}); found {
			rules = append(rules, id)
		}
	}
	return rules
}

// allowPlain tells whether an entry that only one of two states has is a plain join.
func (r plainRules) allowPlain(c Change, events Events) bool {
	if c.Key.Type != matrix.TypeMember {
		return false
	}
	id := max(c.Before, c.After) // the other one is empty
	p := events.Event(id)
	if p == nil || p.Membership() != matrix.Join || string(p.Sender()) != c.Key.StateKey || p.JoinAuthorisedVia() != "" {
		return false
	}
	auth := p.AuthEvents()
	if len(auth) != len(r) || events.Rejected(id) {
		return false
	}
	for _, rule := range r {
		if !slices.Contains(auth, rule) {
			return false
		}
	}
	return true
}
