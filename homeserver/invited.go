package homeserver

import (
	"context"
	"encoding/json"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// AcceptInvite answers invite: it checks and signs an invite of a local user, and tells the user. The answer
// is the signed event.
func (s *Server) AcceptInvite(ctx context.Context, origin, roomID, eventID string, invite InviteRequest) (json.RawMessage, error) {
	version, err := matrix.LookupRoomVersion(invite.RoomVersion)
	if err != nil {
		refusal := fail(IncompatibleVersion, err, "%s does not support the room's version", s.cfg.Name)
		refusal.RoomVersion = invite.RoomVersion
		return nil, refusal
	}
	pdu, err := s.commons.parse(invite.Event, version)
	if err != nil {
		return nil, fail(BadRequest, err, "the invite is malformed")
	}
	if err := s.checkInvite(pdu, origin, roomID, eventID); err != nil {
		return nil, err
	}
	if pdu, err = s.vetFor(ctx, pdu); err != nil {
		return nil, fail(Forbidden, err, "the invite is not signed as it must be")
	}
	stripped, err := checkedStripped(pdu, invite.InviteRoomState)
	if err != nil {
		return nil, err
	}
	if err := s.checkPending(pdu, stripped, origin); err != nil {
		return nil, err
	}
	if pdu, err = s.addSignature(pdu); err != nil {
		return nil, err
	}
	s.noteInvite(pdu, stripped)
	s.observe(origin, pdu, Accepted)
	return pdu.JSON(), nil
}

func (s *Server) checkInvite(pdu *event.PDU, origin, roomID, eventID string) error {
	target, _ := pdu.StateKey()
	switch {
	case string(pdu.RoomID()) != roomID || string(pdu.ID()) != eventID:
		return failf(BadRequest, "the event is %s of room %s, not %s of room %s", pdu.ID(), pdu.RoomID(), eventID, roomID)
	case pdu.Type() != matrix.TypeMember || pdu.Membership() != matrix.Invite:
		return failf(BadRequest, "the event is no invite")
	case string(pdu.Sender().Server()) != origin:
		return failf(Forbidden, "%s may not send the invite of %s", origin, pdu.Sender())
	case serverOf(target) != s.cfg.Name || !s.HasUser(target):
		return failf(NotFound, "there is no user %q on %s", target, s.cfg.Name)
	}
	return nil
}

// Bounds on the invites that a user has not answered: those of one server and those of all.
const (
	maxInvitesOfServer     = 100
	maxInviteBytesOfServer = 4 << 20 // of the invites and what is told of their rooms
	maxInvites             = 1000
)

// checkPending refuses an invite to one more room where a user has too many that they have not answered.
func (s *Server) checkPending(invite *event.PDU, stripped []json.RawMessage, origin string) error {
	user := invite.Key().StateKey
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	all, ofOrigin, bytes := 0, 0, inviteSize(invite, stripped)
	for roomID, m := range s.members.users[user] {
		if m.Membership != matrix.Invite || roomID == string(invite.RoomID()) {
			continue
		}
		all++
		if string(m.Event.Sender().Server()) == origin {
			ofOrigin++
			bytes += inviteSize(m.Event, m.Stripped)
		}
	}
	if all >= maxInvites || ofOrigin >= maxInvitesOfServer || bytes > maxInviteBytesOfServer {
		return failf(Forbidden, "%s has %d invites of %s, %d bytes with this one, %d in all, that are not answered yet: "+
			"no more are taken before some are", user, ofOrigin, origin, bytes, all)
	}
	return nil
}

func inviteSize(invite *event.PDU, stripped []json.RawMessage) int {
	size := len(invite.JSON())
	for _, raw := range stripped {
		size += len(raw)
	}
	return size
}

// checkedStripped turns invite_room_state into stripped state for clients. Other servers send full PDUs or
// stripped events; where the create event is complete it must be that of the room.
func checkedStripped(invite *event.PDU, state []json.RawMessage) ([]json.RawMessage, error) {
	var stripped []json.RawMessage
	for _, raw := range state {
		object, err := matrix.CanonicalJSONLenient(raw)
		if err != nil || object[0] != '{' {
			return nil, fail(BadRequest, err, "invite_room_state must be a list of events")
		}
		if pdu, err := event.Parse(raw, invite.Version()); err == nil {
			if pdu.RoomID() != invite.RoomID() {
				return nil, failf(BadRequest, "invite_room_state has an event of room %s", pdu.RoomID())
			}
			object = pdu.JSON()
		}
		stripped = append(stripped, matrix.AppendFiltered(nil, object, isStrippedProperty))
	}
	return append(stripped, invite.Stripped()), nil
}

func isStrippedProperty(name []byte) bool {
	switch string(name) {
	case "content", "sender", "state_key", "type":
		return true
	}
	return false
}

// noteInvite tells the invited user, unless this server is in the room: then the invite comes as an event.
func (s *Server) noteInvite(pdu *event.PDU, stripped []json.RawMessage) {
	if r := s.room(pdu.RoomID()); r != nil && r.isJoined() {
		return
	}
	s.setMembership(pdu.Key().StateKey, Membership{
		RoomID: string(pdu.RoomID()), Membership: matrix.Invite, Event: pdu, Stripped: stripped,
	})
}

// noteRetraction takes back an invite to a room that this server is not in: the inviter's side removed it. A
// knock may be refused by anybody in the room, whom this server cannot know.
func (s *Server) noteRetraction(pdu *event.PDU) {
	user := pdu.Key().StateKey
	m, known := s.MembershipOf(user, string(pdu.RoomID()))
	if !known || m.Event == nil {
		return
	}
	invited := m.Membership == matrix.Invite && m.Event.Sender().Server() == pdu.Sender().Server()
	if !invited && m.Membership != matrix.Knock {
		return
	}
	s.setMembership(user, Membership{RoomID: m.RoomID, Membership: pdu.Membership(), Event: pdu})
}
