package homeserver

import (
	"context"
	"encoding/json"

	"meshsim/matrix"
)

// maxPendingInvites is how many invites of one notice of an identity server are followed: each costs a request.
const maxPendingInvites = 32

// ThirdPartyInvite is the body of exchange_third_party_invite: a member event that nobody has signed yet.
type ThirdPartyInvite struct {
	Type     string          `json:"type"`
	RoomID   string          `json:"room_id"`
	Sender   string          `json:"sender"`
	StateKey string          `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

// PendingInvites is the body of 3pid/onbind: a user has proved to an identity server that an address is theirs, and
// these invites wait for that address.
type PendingInvites struct {
	Medium  string          `json:"medium"`
	Address string          `json:"address"`
	MXID    string          `json:"mxid"`
	Invites []PendingInvite `json:"invites"`
}

// PendingInvite is an invite of an address.
type PendingInvite struct {
	Medium  string          `json:"medium"`
	Address string          `json:"address"`
	MXID    string          `json:"mxid"`
	RoomID  string          `json:"room_id"`
	Sender  string          `json:"sender"`
	Signed  json.RawMessage `json:"signed"`
}

// thirdPartyContent is the content of a member event that a third-party invite led to.
type thirdPartyContent struct {
	Membership matrix.Membership `json:"membership"`
	ThirdParty *thirdParty       `json:"third_party_invite"`
}

type thirdParty struct {
	DisplayName string          `json:"display_name"`
	Signed      json.RawMessage `json:"signed"`
}

func decodeThirdParty(raw json.RawMessage) (content thirdPartyContent, err error) {
	if err := json.Unmarshal(raw, &content); err != nil {
		return content, fail(BadRequest, err, "the content of the third-party invite is malformed")
	}
	return content, nil
}

// ExchangeThirdPartyInvite answers exchange_third_party_invite: it issues the invite that a local user has offered to
// whoever owns an address ("Third-party invites"). That they own it is for the room's rules to check (5.4.1).
func (s *Server) ExchangeThirdPartyInvite(ctx context.Context, origin, roomID string, invite ThirdPartyInvite) error {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return err
	}
	if err := s.checkACL(r, origin); err != nil {
		return err
	}
	content, err := decodeThirdParty(invite.Content)
	if err != nil {
		return err
	}
	switch {
	case invite.RoomID != roomID:
		return failf(BadRequest, "the invite is for room %q, not for %s", invite.RoomID, roomID)
	case invite.Type != matrix.TypeMember || content.Membership != matrix.Invite || content.ThirdParty == nil:
		return failf(BadRequest, "the event is no m.room.member with membership invite and third_party_invite")
	case serverOf(invite.Sender) != s.cfg.Name:
		return failf(Forbidden, "%s is not a user of %s, which cannot sign for them", invite.Sender, s.cfg.Name)
	}
	// Of the content only this is taken: the rest would be signed for unseen.
	raw, err := json.Marshal(content)
	if err != nil {
		return fail(BadRequest, err, "the third-party invite is malformed")
	}
	return s.Invite(ctx, invite.Sender, invite.StateKey, roomID, raw)
}

// FollowInvites answers 3pid/onbind: it asks the server of everybody who invited the address to invite the user. Nobody
// signs such a notice, so nothing is believed: the inviting server checks the identity server's signature.
func (s *Server) FollowInvites(ctx context.Context, pending PendingInvites) error {
	if !s.HasUser(pending.MXID) {
		return failf(NotFound, "there is no user %q on %s", pending.MXID, s.cfg.Name)
	}
	if len(pending.Invites) > maxPendingInvites {
		return failf(InvalidParam, "there are %d invites: at most %d are followed", len(pending.Invites), maxPendingInvites)
	}
	for _, invite := range pending.Invites {
		if err := s.follow(ctx, pending.MXID, invite); err != nil {
			s.log.Debug("a third-party invite was not issued", "room", invite.RoomID, "sender", invite.Sender, "error", err)
		}
	}
	return ctx.Err()
}

func (s *Server) follow(ctx context.Context, user string, pending PendingInvite) error {
	sender, err := matrix.ParseUserID(pending.Sender)
	if err != nil {
		return fail(BadRequest, err, "the inviting user is malformed")
	}
	content, err := json.Marshal(thirdPartyContent{matrix.Invite, &thirdParty{pending.Address, pending.Signed}})
	if err != nil {
		return fail(BadRequest, err, "the invite is malformed")
	}
	invite := ThirdPartyInvite{
		Type: matrix.TypeMember, RoomID: pending.RoomID, Sender: pending.Sender, StateKey: user, Content: content,
	}
	server := string(sender.Server())
	if server == s.cfg.Name {
		return s.ExchangeThirdPartyInvite(ctx, server, pending.RoomID, invite)
	}
	if s.cfg.Remote == nil {
		return failf(Unreachable, "this server has no federation")
	}
	return s.cfg.Remote.ExchangeThirdPartyInvite(ctx, server, pending.RoomID, invite)
}
