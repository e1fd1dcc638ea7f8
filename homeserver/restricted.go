package homeserver

import (
	"encoding/json"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/eventauth"
)

// joinRules is the content of m.room.join_rules.
type joinRules struct {
	JoinRule string
	Allow    []joinCondition
}

// joinCondition is one of the conditions of a restricted room.
type joinCondition struct{ Type, RoomID string }

// readJoinRules reads the content of m.room.join_rules. Names of properties are exact, as in the authorisation rules.
func readJoinRules(content json.RawMessage) joinRules {
	rules := joinRules{JoinRule: text(matrix.Lookup(content, "join_rule"))}
	for raw := range matrix.Elements(matrix.Lookup(content, "allow")) {
		rules.Allow = append(rules.Allow, joinCondition{
			Type: text(matrix.Lookup(raw, "type")), RoomID: text(matrix.Lookup(raw, "room_id")),
		})
	}
	return rules
}

// text is a JSON string, "" for anything else.
func text(raw json.RawMessage) (value string) {
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	return value
}

// authoriseJoin returns the local user who authorises userID's join of a restricted room, "" when the join
// needs nobody ("Restricted rooms"). Errors: Forbidden when userID fulfils no condition, UnableToAuthoriseJoin
// when that cannot be told here, UnableToGrantJoin when nobody here may invite.
func (s *Server) authoriseJoin(r *room, userID string) (string, error) {
	r.mu.Lock()
	state := r.current
	r.mu.Unlock()
	rules, restricted := restriction(state)
	if !restricted {
		return "", nil
	}
	switch state.Membership(userID) {
	case matrix.Join, matrix.Invite:
		return "", nil
	}
	if err := s.fulfils(rules, userID); err != nil {
		return "", err
	}
	for pdu := range state.Members() {
		user := matrix.UserID(pdu.Key().StateKey)
		if pdu.Membership() == matrix.Join && string(user.Server()) == s.cfg.Name && mayInvite(state, user) {
			return string(user), nil
		}
	}
	return "", failf(UnableToGrantJoin, "nobody on %s may invite to room %s: ask another server", s.cfg.Name, r.id)
}

func restriction(state *State) (rules joinRules, restricted bool) {
	pdu := state.Get(matrix.TypeJoinRules, "")
	if pdu == nil {
		return rules, false
	}
	rules = readJoinRules(pdu.Content())
	return rules, rules.JoinRule == "restricted" || rules.JoinRule == "knock_restricted"
}

// fulfils returns nil when a user is in one of the rooms that the join rules name.
func (s *Server) fulfils(rules joinRules, userID string) error {
	blind := false
	for _, condition := range rules.Allow {
		if condition.Type != "m.room_membership" {
			continue
		}
		other := s.room(matrix.RoomID(condition.RoomID))
		if other == nil || !other.isJoined() {
			blind = true
			continue
		}
		other.mu.Lock()
		membership := other.current.Membership(userID)
		other.mu.Unlock()
		if membership == matrix.Join {
			return nil
		}
	}
	if blind {
		return failf(UnableToAuthoriseJoin, "%s does not know the members of all rooms that the join rules name", s.cfg.Name)
	}
	return failf(Forbidden, "%s is in none of the rooms that the join rules name", userID)
}

func mayInvite(state *State, user matrix.UserID) bool {
	return userPower(state, user) >= powerOf(state.Get(matrix.TypePowerLevels, "")).Invite
}

func userPower(state *State, user matrix.UserID) int64 {
	return eventauth.UserPower(state.Get(matrix.TypeCreate, ""), state.Get(matrix.TypePowerLevels, ""), user)
}

// powerOf decodes an m.room.power_levels event, which may be nil.
func powerOf(pdu *event.PDU) *event.PowerLevels {
	if pdu == nil {
		return event.DefaultPowerLevels()
	}
	return pdu.PowerLevels()
}

// countersign adds this server's signature to a join that one of its users authorises.
func (s *Server) countersign(r *room, pdu *event.PDU) (*event.PDU, error) {
	authoriser := pdu.JoinAuthorisedVia()
	if authoriser == "" || string(authoriser.Server()) != s.cfg.Name {
		return pdu, nil
	}
	if _, err := s.authoriseJoin(r, string(pdu.Sender())); err != nil {
		return nil, err
	}
	return s.addSignature(pdu)
}

func (s *Server) addSignature(pdu *event.PDU) (*event.PDU, error) {
	signed, err := pdu.AddSignature(matrix.ServerName(s.cfg.Name), matrix.KeyID(s.cfg.KeyID), s.cfg.Key)
	if err != nil {
		return nil, fail(BadRequest, err, "the event cannot be signed")
	}
	return s.commons.keep(signed), nil
}
