package homeserver

import (
	"context"
	"encoding/json"

	"meshsim/matrix"
)

// KnockAnswer is the answer of send_knock: stripped state of the room.
type KnockAnswer struct {
	State []json.RawMessage `json:"knock_room_state"`
}

// Knock asks to be invited to a room, over federation through one of via when nobody on this server is in it.
// content is the member event's content beside membership and may be nil.
func (s *Server) Knock(ctx context.Context, userID, roomID string, via []string, content json.RawMessage) error {
	content, err := mergeContent(content, map[string]any{"membership": matrix.Knock})
	if err != nil {
		return err
	}
	if r := s.room(matrix.RoomID(roomID)); r != nil && r.isJoined() {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, err = s.sendLocked(r, Draft{Sender: userID, Type: matrix.TypeMember, StateKey: &userID, Content: content})
		return err
	}
	candidates := s.joinCandidates(userID, roomID, via)
	if s.cfg.Remote == nil || len(candidates) == 0 {
		return failf(NotFound, "this server is not in room %s: name a server that is (via)", roomID)
	}
	for _, server := range candidates {
		if err = s.knockThrough(ctx, server, userID, roomID, content); err == nil || ctx.Err() != nil {
			return err
		}
		s.log.Debug("knock refused", "room", roomID, "user", userID, "via", server, "error", err)
	}
	return err
}

func (s *Server) knockThrough(ctx context.Context, server, userID, roomID string, content json.RawMessage) error {
	template, err := s.cfg.Remote.MakeKnock(ctx, server, roomID, userID, matrix.RoomVersions())
	if err != nil {
		return err
	}
	pdu, err := s.complete(template, roomID, userID, content)
	if err != nil {
		return err
	}
	answer, err := s.cfg.Remote.SendKnock(ctx, server, roomID, string(pdu.ID()), pdu.JSON())
	if err != nil {
		return err
	}
	stripped, err := checkedStripped(pdu, answer.State)
	if err != nil {
		return err
	}
	s.setMembership(userID, Membership{
		RoomID: roomID, Membership: matrix.Knock, Event: pdu, Stripped: stripped, Via: server,
	})
	return nil
}

// TemplateKnock answers make_knock.
func (s *Server) TemplateKnock(origin, roomID, userID string, versions []string) (Template, error) {
	r, err := s.roomToEnter(origin, roomID, versions)
	if err != nil {
		return Template{}, err
	}
	return s.template(r, origin, userID, map[string]any{"membership": matrix.Knock})
}

// AcceptKnock answers send_knock.
func (s *Server) AcceptKnock(ctx context.Context, origin, roomID, eventID string, raw json.RawMessage) (KnockAnswer, error) {
	r, pdu, err := s.acceptMember(ctx, origin, roomID, eventID, raw, matrix.Knock)
	if err != nil {
		return KnockAnswer{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := s.admitRemoteLocked(r, origin, pdu)
	if err != nil {
		return KnockAnswer{}, err
	}
	return KnockAnswer{strippedState(n.before, n.pdu)}, nil
}
