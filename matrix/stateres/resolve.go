package stateres

import (
	"fmt"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/eventauth"
)

// Events is where resolution finds events. Both methods must answer the same during one resolution.
type Events interface {
	// Event returns an event of the room, nil when it is not known.
	Event(id matrix.EventID) *event.PDU
	// Rejected tells whether the event was rejected on receipt.
	Rejected(id matrix.EventID) bool
}

// MissingEventError names an event that resolution needs and does not find. Get it, then resolve again.
type MissingEventError struct{ ID matrix.EventID }

func (e *MissingEventError) Error() string {
	return fmt.Sprintf("state resolution needs event %s, which is not known", e.ID)
}

// Resolve merges room states by the algorithm of the room version. The error is a *MissingEventError: state
// events and their whole auth chains must be known.
func Resolve(v *matrix.RoomVersion, states []State, events Events) (State, error) {
	distinct := distinctStates(states)
	if len(distinct) == 0 {
		return State{}, nil
	}
	if len(distinct) == 1 {
		return distinct[0], nil
	}
	unconflicted, conflicted := separate(distinct)
	r := &resolver{version: v, events: events, known: make(map[matrix.EventID]*event.PDU)}
	full := r.fullConflictedSet(distinct, unconflicted, conflicted)
	if r.missing != "" {
		return State{}, &MissingEventError{r.missing}
	}
	resolved := r.resolve(unconflicted, full)
	if r.missing != "" {
		return State{}, &MissingEventError{r.missing}
	}
	return resolved, nil
}

func distinctStates(states []State) []State {
	var distinct []State
next:
	for _, s := range states {
		for _, d := range distinct {
			if s.Equal(d) {
				continue next
			}
		}
		distinct = append(distinct, s)
	}
	return distinct
}

// resolver is one resolution.
type resolver struct {
	version *matrix.RoomVersion
	events  Events
	known   map[matrix.EventID]*event.PDU
	missing matrix.EventID // the first event that was not found
}

// event fetches each event once; nil marks the resolution as failed.
func (r *resolver) event(id matrix.EventID) *event.PDU {
	if p := r.known[id]; p != nil {
		return p
	}
	p := r.events.Event(id)
	if p == nil {
		if r.missing == "" {
			r.missing = id
		}
		return nil
	}
	r.known[id] = p
	return p
}

// resolve is the algorithm's steps 1 to 5.
func (r *resolver) resolve(unconflicted State, full idSet) State {
	power := r.powerSet(full)
	start := unconflicted
	if r.version.StateRes == matrix.StateResV2_1 {
		start = State{}
	}
	partial := r.applyAllowed(start, r.sortByPower(power))
	rest := make([]*event.PDU, 0, len(full)-len(power))
	for id := range full {
		if p := r.event(id); p != nil && !power.has(id) && p.IsState() {
			rest = append(rest, p)
		}
	}
	resolved := r.applyAllowed(partial, r.sortByMainline(partial, rest))
	return overlay(resolved, unconflicted)
}

// overlay sets all entries of top in bottom.
func overlay(bottom, top State) State {
	for change := range bottom.Diff(top) {
		if change.After != "" {
			bottom = bottom.With(change.Key, change.After)
		}
	}
	return bottom
}

// applyAllowed is the iterative auth checks algorithm.
func (r *resolver) applyAllowed(state State, sorted []*event.PDU) State {
	for _, p := range sorted {
		if eventauth.CheckState(p, r.viewFor(state, p)) == nil {
			state = state.With(p.Key(), p.ID())
		}
	}
	return state
}

// authView is the handful of events that one event is checked against; the first with a key counts. A slice
// costs less than a map here.
type authView []*event.PDU

// Event implements eventauth.State.
func (v authView) Event(key event.Key) *event.PDU {
	for _, p := range v {
		if p.Is(key.Type, key.StateKey) {
			return p
		}
	}
	return nil
}

// viewFor holds the state so far, and p's own auth events where that has no entry.
func (r *resolver) viewFor(state State, p *event.PDU) authView {
	view := make(authView, 0, 16)
	for _, key := range eventauth.StateNeeded(p) {
		if id, found := state.Get(key); found {
			view = r.appendKnown(view, id)
		}
	}
	if r.version.RoomIDIsCreateHash && p.Type() != matrix.TypeCreate {
		view = r.appendKnown(view, p.RoomID().CreateEventID())
	}
	for _, id := range p.AuthEvents() {
		if !r.events.Rejected(id) {
			view = r.appendKnown(view, id)
		}
	}
	return view
}

func (r *resolver) appendKnown(view authView, id matrix.EventID) authView {
	if p := r.event(id); p != nil {
		return append(view, p)
	}
	return view
}
