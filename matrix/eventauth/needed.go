package eventauth

import (
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// StateNeeded lists the places of the room state that authorise an event, that is, the selection of
// auth_events (Matrix server-server specification, "Auth events selection"). The create event is not among
// them in room version 12, where the room id stands for it; CheckState asks for it nevertheless.
func StateNeeded(p *event.PDU) []event.Key {
	stateKey, isState := p.StateKey()
	target := Target{Type: p.Type(), IsState: isState, StateKey: stateKey, Sender: p.Sender(), Content: p.Content()}
	return target.StateNeeded(p.Version())
}

// Target is what the selection of auth events looks at, for an event that is not built yet.
type Target struct {
	Type     string
	IsState  bool
	StateKey string
	Sender   matrix.UserID
	Content  []byte // canonical JSON object
}

// StateNeeded is the selection for an event that is not built yet.
func (t Target) StateNeeded(v *matrix.RoomVersion) []event.Key {
	if t.Type == matrix.TypeCreate {
		return nil
	}
	keys := make([]event.Key, 0, 6)
	if !v.RoomIDIsCreateHash {
		keys = append(keys, event.Key{Type: matrix.TypeCreate})
	}
	keys = append(keys,
		event.Key{Type: matrix.TypePowerLevels},
		event.Key{Type: matrix.TypeMember, StateKey: string(t.Sender)})
	if t.Type == matrix.TypeMember && t.IsState {
		keys = t.appendForMember(keys)
	}
	return keys
}

func (t Target) appendForMember(keys []event.Key) []event.Key {
	add := func(kind, stateKey string) {
		if k := (event.Key{Type: kind, StateKey: stateKey}); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	add(matrix.TypeMember, t.StateKey)
	membership := matrix.Membership(text(matrix.Lookup(t.Content, "membership")))
	switch membership {
	case matrix.Join, matrix.Invite, matrix.Knock:
		add(matrix.TypeJoinRules, "")
	}
	if membership == matrix.Invite {
		signed := matrix.Lookup(matrix.Lookup(t.Content, "third_party_invite"), "signed")
		if token := matrix.Lookup(signed, "token"); token != nil {
			add(matrix.TypeThirdPartyInvite, text(token))
		}
	}
	if via := matrix.Lookup(t.Content, "join_authorised_via_users_server"); via != nil {
		add(matrix.TypeMember, text(via))
	}
	return keys
}
