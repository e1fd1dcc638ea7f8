package stateres

import (
	"math/bits"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// idSet is a set of event ids.
type idSet map[matrix.EventID]struct{}

func (s idSet) add(id matrix.EventID)      { s[id] = struct{}{} }
func (s idSet) has(id matrix.EventID) bool { _, found := s[id]; return found }

// separate splits states into the unconflicted map and the conflicted set of events. A place is in conflict
// where some state differs from the first.
func separate(states []State) (unconflicted State, conflicted idSet) {
	conflicted = make(idSet)
	keys := make(map[event.Key]struct{})
	for _, other := range states[1:] {
		for change := range states[0].Diff(other) {
			keys[change.Key] = struct{}{}
		}
	}
	for key := range keys {
		for _, s := range states {
			if id, found := s.Get(key); found {
				conflicted.add(id)
			}
		}
	}
	unconflicted = states[0]
	for key := range keys {
		unconflicted = unconflicted.Without(key)
	}
	return unconflicted, conflicted
}

// fullConflictedSet joins the conflicted events, the auth difference and, in v2.1, the conflicted subgraph.
func (r *resolver) fullConflictedSet(states []State, unconflicted State, conflicted idSet) idSet {
	full := make(idSet, 2*len(conflicted))
	for id := range conflicted {
		full.add(id)
	}
	r.addAuthDifference(full, states, unconflicted)
	if r.version.StateRes == matrix.StateResV2_1 {
		r.addSubgraph(full, conflicted)
	}
	return full
}

// stateMask tells, by index, in which states' auth chains an event is.
type stateMask []uint64

func newMask(states int) stateMask { return make(stateMask, (states+63)/64) }

func (m stateMask) set(i int) { m[i/64] |= 1 << (i % 64) }

// merge adds the bits of other and tells whether that changed anything.
func (m stateMask) merge(other stateMask) bool {
	changed := false
	for i, word := range other {
		changed = changed || word&^m[i] != 0
		m[i] |= word
	}
	return changed
}

func (m stateMask) count() int {
	n := 0
	for _, word := range m {
		n += bits.OnesCount64(word)
	}
	return n
}

// addAuthDifference adds what is in the auth chain of some state but not of all. Chains of unconflicted
// events are in all of them, so they are walked once, and first.
func (r *resolver) addAuthDifference(full idSet, states []State, unconflicted State) {
	everywhere := r.chain(unconflicted)
	masks := make(map[matrix.EventID]stateMask)
	for i, s := range states {
		mask := newMask(len(states))
		mask.set(i)
		for change := range unconflicted.Diff(s) {
			if change.After != "" {
				r.spread(change.After, mask, masks, everywhere)
			}
		}
	}
	for id, mask := range masks {
		if mask.count() < len(states) {
			full.add(id)
		}
	}
}

// chain is the union of the auth chains of a state's events.
func (r *resolver) chain(s State) idSet {
	chain := make(idSet)
	var stack []matrix.EventID
	for _, id := range s.All() {
		stack = append(stack[:0], id)
		for len(stack) > 0 {
			p := r.event(stack[len(stack)-1])
			stack = stack[:len(stack)-1]
			for _, a := range r.authOf(p) {
				if !chain.has(a) {
					chain.add(a)
					stack = append(stack, a)
				}
			}
		}
	}
	return chain
}

// spread marks the auth chain of an event with a mask, stopping where nothing changes.
func (r *resolver) spread(id matrix.EventID, mask stateMask, masks map[matrix.EventID]stateMask, everywhere idSet) {
	stack := []matrix.EventID{id}
	for len(stack) > 0 {
		p := r.event(stack[len(stack)-1])
		stack = stack[:len(stack)-1]
		for _, a := range r.authOf(p) {
			if everywhere.has(a) {
				continue
			}
			if masks[a] == nil {
				masks[a] = make(stateMask, len(mask))
			}
			if masks[a].merge(mask) {
				stack = append(stack, a)
			}
		}
	}
}

// authOf lists the auth events of p; none for a missing event, which has been noted.
func (r *resolver) authOf(p *event.PDU) []matrix.EventID {
	if p == nil {
		return nil
	}
	return p.AuthEvents()
}

// addSubgraph adds the conflicted state subgraph: what lies on a path of auth events from one conflicted
// event to another.
func (r *resolver) addSubgraph(full, conflicted idSet) {
	leads := make(map[matrix.EventID]bool)
	for id := range conflicted {
		r.leadsToConflict(id, conflicted, leads)
	}
	for id, on := range leads {
		if on {
			full.add(id)
		}
	}
}

// leadsToConflict tells whether the event is conflicted or has a conflicted event in its auth chain; verdicts
// are kept in leads. Depth-first with a stack of its own, since chains can be long.
func (r *resolver) leadsToConflict(root matrix.EventID, conflicted idSet, leads map[matrix.EventID]bool) {
	type frame struct {
		id   matrix.EventID
		auth []matrix.EventID
	}
	if _, done := leads[root]; done {
		return
	}
	stack := []frame{{root, r.authOf(r.event(root))}}
	leads[root] = conflicted.has(root)
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.auth) == 0 {
			stack = stack[:len(stack)-1]
			if len(stack) > 0 && leads[top.id] {
				leads[stack[len(stack)-1].id] = true
			}
			continue
		}
		next := top.auth[0]
		top.auth = top.auth[1:]
		if on, done := leads[next]; done {
			leads[top.id] = leads[top.id] || on
			continue
		}
		leads[next] = conflicted.has(next)
		stack = append(stack, frame{next, r.authOf(r.event(next))})
	}
}
