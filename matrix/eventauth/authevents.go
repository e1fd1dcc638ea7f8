package eventauth

import (
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// CheckAuthEvents applies the rules that depend on the event and its auth events alone: 2 and 3 (older
// versions: 2). auth holds exactly the events that auth_events names. create is the room's accepted create
// event, nil when there is none; room versions before 12 find it among auth. rejected tells which auth
// events were rejected themselves; nil means none. The error is an *Error.
//
// A receiver calls it first and then CheckState with the State that AuthState returns.
func CheckAuthEvents(p *event.PDU, auth []*event.PDU, create *event.PDU, rejected func(matrix.EventID) bool) error {
	if p.Type() == matrix.TypeCreate {
		return checkCreate(p)
	}
	v := p.Version()
	if v.RoomIDIsCreateHash && (create == nil || create.Type() != matrix.TypeCreate || create.ID() != p.RoomID().CreateEventID()) {
		return reject(p, "2", "%s is not the hash of an accepted create event", p.RoomID())
	}
	needed := StateNeeded(p)
	seen := make(Events, len(auth))
	for _, a := range auth {
		key := a.Key()
		if seen[key] != nil {
			return reject(p, "3.1", "two auth events for %s %q", key.Type, key.StateKey)
		}
		seen[key] = a
		if !a.IsState() || !slices.Contains(needed, key) {
			return reject(p, "3.2", "auth event %s (%s) does not belong to the selection", a.ID(), a.Type())
		}
		if rejected != nil && rejected(a.ID()) {
			return reject(p, "3.3", "auth event %s was rejected", a.ID())
		}
		if a.RoomID() != p.RoomID() {
			return reject(p, roomRule(v), "auth event %s is of room %s", a.ID(), a.RoomID())
		}
	}
	if !v.RoomIDIsCreateHash && seen[event.Key{Type: matrix.TypeCreate}] == nil {
		return reject(p, "3.4", "no create event among the auth events")
	}
	return nil
}

// roomRule is the rule against auth events of other rooms: 3.4 in room version 12. Room versions 10 and 11
// state it under "Auth events selection" only, so they report it as a wrong selection.
func roomRule(v *matrix.RoomVersion) string {
	if v.RoomIDIsCreateHash {
		return "3.4"
	}
	return "3.2"
}

// AuthState is the State that an event's auth events make, together with the create event.
func AuthState(auth []*event.PDU, create *event.PDU) State {
	m := EventsOf(auth...)
	if create != nil {
		m[create.Key()] = create
	}
	return m
}
