package eventauth

import (
	"encoding/json"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// State is the room state that an event is checked against. In room version 12 it must know the create event
// too, although auth_events never name it. Event returns nil for an empty place.
type State interface {
	Event(key event.Key) *event.PDU
}

// Events is a State made of single events, such as the auth events of one event.
type Events map[event.Key]*event.PDU

// Event implements State.
func (m Events) Event(key event.Key) *event.PDU { return m[key] }

// EventsOf collects state events; the last of two with the same key wins.
func EventsOf(pdus ...*event.PDU) Events {
	m := make(Events, len(pdus))
	for _, p := range pdus {
		if p != nil && p.IsState() {
			m[p.Key()] = p
		}
	}
	return m
}

// room answers the questions of the rules from a State.
type room struct {
	state  State
	create *event.PDU
	levels *event.PowerLevels
	power  *event.PDU // the m.room.power_levels event, nil when there is none
}

func newRoom(state State) *room {
	r := &room{state: state, create: state.Event(event.Key{Type: matrix.TypeCreate})}
	r.power = state.Event(event.Key{Type: matrix.TypePowerLevels})
	if r.power == nil {
		r.levels = event.DefaultPowerLevels()
	} else {
		r.levels = r.power.PowerLevels()
	}
	return r
}

// powerOf is a user's power: infinite for privileged creators; 100 for the creator of an older room without
// power levels.
func (r *room) powerOf(user matrix.UserID) int64 {
	return UserPower(r.create, r.power, user)
}

// UserPower is a user's power under the create event and, when there is one, the power levels event.
func UserPower(create, power *event.PDU, user matrix.UserID) int64 {
	creator := create != nil && create.IsCreator(user)
	switch {
	case creator && create.Version().CreatorsPrivileged:
		return event.Infinite
	case power != nil:
		return power.PowerLevels().User(user)
	case creator:
		return 100
	}
	return 0
}

// membership is Leave for users who have never been in the room.
func (r *room) membership(user string) matrix.Membership {
	p := r.state.Event(event.Key{Type: matrix.TypeMember, StateKey: user})
	if p == nil {
		return matrix.Leave
	}
	return p.Membership()
}

// joinRule is "invite" in a room without m.room.join_rules (Matrix client-server specification).
func (r *room) joinRule() string {
	p := r.state.Event(event.Key{Type: matrix.TypeJoinRules})
	if p == nil {
		return "invite"
	}
	return text(matrix.Lookup(p.Content(), "join_rule"))
}

// text decodes a JSON string, "" for anything else.
func text(value json.RawMessage) string {
	var s string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}
