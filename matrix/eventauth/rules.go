package eventauth

import (
	"encoding/json"
	"strings"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// CheckState applies the rules that depend on the room state: all of them for a create event, and from the
// m.federate rule (4, older versions: 3) on for others. The error is an *Error. p must be of the room that
// state describes, and event.VerifySignatures must have passed, which is what rule 5.2.1 asks for.
func CheckState(p *event.PDU, state State) error {
	if p.Type() == matrix.TypeCreate {
		return checkCreate(p)
	}
	r := newRoom(state)
	if r.create == nil {
		return reject(p, createRule(p), "the room has no create event")
	}
	if err := checkFederate(p, r); err != nil {
		return err
	}
	if p.Type() == matrix.TypeMember {
		return checkMember(p, r)
	}
	return checkOther(p, r)
}

// createRule is the rule that wants a create event: 2 in room version 12, 2.4 before.
func createRule(p *event.PDU) string {
	if p.Version().RoomIDIsCreateHash {
		return "2"
	}
	return "3.4"
}

// checkCreate is rule 1.
func checkCreate(p *event.PDU) error {
	v := p.Version()
	if len(p.PrevEvents()) > 0 {
		return reject(p, "1.1", "a create event has no prev_events, this one has %d", len(p.PrevEvents()))
	}
	if v.RoomIDIsCreateHash {
		if p.HasRoomID() {
			return reject(p, "1.2", "a create event has no room_id, this one has %s", p.RoomID())
		}
	} else if p.RoomID().Server() != p.Sender().Server() {
		return reject(p, "1.2", "room %s and sender %s are of different servers", p.RoomID(), p.Sender())
	}
	if version := matrix.Lookup(p.Content(), "room_version"); version != nil {
		if _, err := matrix.LookupRoomVersion(text(version)); err != nil {
			return reject(p, "1.3", "room_version %s is not recognised", version)
		}
	}
	if v.CreatorInContent && matrix.Lookup(p.Content(), "creator") == nil {
		return reject(p, "1.4", "content has no creator")
	}
	if v.CreatorsPrivileged && !validCreators(matrix.Lookup(p.Content(), "additional_creators")) {
		return reject(p, "1.4", "additional_creators is not an array of user IDs")
	}
	return nil
}

func validCreators(value json.RawMessage) bool {
	if value == nil {
		return true
	}
	var creators []*matrix.UserID
	if value[0] != '[' || json.Unmarshal(value, &creators) != nil {
		return false
	}
	for _, creator := range creators {
		if creator == nil || !creator.Valid() {
			return false
		}
	}
	return true
}

// checkFederate is rule 4.
func checkFederate(p *event.PDU, r *room) error {
	federate := r.create.Create().Federate
	if federate != nil && !*federate && p.Sender().Server() != r.create.Sender().Server() {
		return reject(p, "4", "the room does not federate, and %s is not of its server %s",
			p.Sender(), r.create.Sender().Server())
	}
	return nil
}

// checkOther is rules 6 to 11, for everything but m.room.create and m.room.member.
func checkOther(p *event.PDU, r *room) error {
	sender := p.Sender()
	if m := r.membership(string(sender)); m != matrix.Join {
		return reject(p, "6", "sender %s is not joined but %q", sender, m)
	}
	power := r.powerOf(sender)
	if p.Type() == matrix.TypeThirdPartyInvite {
		if power < r.levels.Invite {
			return reject(p, "7.1", "sender %s has power %d, inviting takes %d", sender, power, r.levels.Invite)
		}
		return nil
	}
	if needed := r.levels.Event(p.Type(), p.IsState()); needed > power {
		return reject(p, "8", "sender %s has power %d, sending %s takes %d", sender, power, p.Type(), needed)
	}
	if key, _ := p.StateKey(); strings.HasPrefix(key, "@") && key != string(sender) {
		return reject(p, "9", "state_key %s belongs to another user than sender %s", key, sender)
	}
	if p.Type() == matrix.TypePowerLevels {
		return checkPowerLevels(p, r, power)
	}
	return nil
}
