package homeserver

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// residentRoom returns a room that this server is in, locked by the caller afterwards.
func (s *Server) residentRoom(roomID string) (*room, error) {
	r := s.room(matrix.RoomID(roomID))
	if r == nil || !r.isJoined() {
		return nil, failf(NotFound, "%s is not in room %s", s.cfg.Name, roomID)
	}
	return r, nil
}

// roomToEnter returns a room that this server is in for another that knows these room versions.
func (s *Server) roomToEnter(origin, roomID string, versions []string) (*room, error) {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(versions, r.version.ID) {
		refusal := failf(IncompatibleVersion, "room %s has version %s, which is not among those that %s supports", roomID, r.version.ID, origin)
		refusal.RoomVersion = r.version.ID
		return nil, refusal
	}
	return r, nil
}

// TemplateJoin answers make_join: a join of userID, who is of the asking server, for it to sign. versions are
// the room versions that the asking server knows.
func (s *Server) TemplateJoin(origin, roomID, userID string, versions []string) (Template, error) {
	r, err := s.roomToEnter(origin, roomID, versions)
	if err != nil {
		return Template{}, err
	}
	content := map[string]any{"membership": matrix.Join}
	authoriser, err := s.authoriseJoin(r, userID)
	if err != nil {
		return Template{}, err
	}
	if authoriser != "" {
		content["join_authorised_via_users_server"] = authoriser
	}
	return s.template(r, origin, userID, content)
}

// TemplateLeave answers make_leave.
func (s *Server) TemplateLeave(origin, roomID, userID string) (Template, error) {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return Template{}, err
	}
	return s.template(r, origin, userID, map[string]any{"membership": matrix.Leave})
}

func (s *Server) template(r *room, origin, userID string, content map[string]any) (Template, error) {
	if serverOf(userID) != origin {
		return Template{}, failf(Forbidden, "%s is not a user of %s", userID, origin)
	}
	raw, err := mergeContent(nil, content)
	if err != nil {
		return Template{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.aclLocked(origin); err != nil {
		return Template{}, err
	}
	b, before, err := s.draftLocked(r, Draft{
		Sender: userID, Type: matrix.TypeMember, StateKey: &userID, Content: raw,
	})
	if err != nil {
		return Template{}, err
	}
	// The rules look at a whole event; the one made for this is signed by the wrong server and thrown away.
	trial, err := s.build(b, r.version, time.Now())
	if err != nil {
		return Template{}, err
	}
	if err := s.allowed(trial, before); err != nil {
		return Template{}, err
	}
	encoded, err := json.Marshal(b)
	return Template{RoomVersion: r.version.ID, Event: encoded}, err
}

// AcceptJoin answers send_join: it checks the join, signs it where the join was authorised here, takes it into
// the room and sends it to the other servers. The answer is the state before the join; brief says that the asker can do
// without the members of a large room.
func (s *Server) AcceptJoin(ctx context.Context, origin, roomID, eventID string, raw json.RawMessage, brief bool) (JoinAnswer, error) {
	r, pdu, err := s.acceptMember(ctx, origin, roomID, eventID, raw, matrix.Join)
	if err != nil {
		return JoinAnswer{}, err
	}
	if pdu, err = s.countersign(r, pdu); err != nil {
		return JoinAnswer{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := s.admitRemoteLocked(r, origin, pdu)
	if err != nil {
		return JoinAnswer{}, err
	}
	s.welcomeLocked(r, origin)
	s.introduceLocked(r, origin, n)
	if brief && n.before.moreMembersThan(maxMembersTold) {
		return s.briefAnswerLocked(r, n), nil
	}
	state := slices.Collect(n.before.All())
	return JoinAnswer{
		State: raws(state), AuthChain: raws(r.authChainLocked(append(state, n.pdu))), Event: n.pdu.JSON(), Origin: s.cfg.Name,
	}, nil
}

func (s *Server) welcomeLocked(r *room, guest string) {
	if _, known := r.guests[guest]; known {
		return
	}
	r.addGuestLocked(guest)
	r.noteGuestLocked(guest)
	s.recordLocked(r)
}

func (r *room) addGuestLocked(guest string) {
	if r.guests == nil {
		r.guests = map[string]struct{}{}
	}
	r.guests[guest] = struct{}{}
}

// relayLocked passes an event of another server on to those that joined through this one and of which the sender did
// not know, because the event does not follow on their joins: who joins through two servers at the same time would
// otherwise not learn of each other before somebody refers to both joins.
func (s *Server) relayLocked(r *room, origin string, n *node) {
	if s.cfg.Outbox == nil || n.before == r.current {
		return
	}
	sender := string(n.pdu.Sender().Server())
	var unaware []string
	for guest := range r.guests {
		if guest != origin && guest != sender && r.current.hasServer(guest) && !n.before.hasServer(guest) {
			unaware = append(unaware, guest)
		}
	}
	if len(unaware) > 0 {
		slices.Sort(unaware)
		s.cfg.Outbox.Enqueue(n.pdu, unaware)
	}
}

// AcceptLeave answers send_leave.
func (s *Server) AcceptLeave(ctx context.Context, origin, roomID, eventID string, raw json.RawMessage) error {
	r, pdu, err := s.acceptMember(ctx, origin, roomID, eventID, raw, matrix.Leave)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = s.admitRemoteLocked(r, origin, pdu)
	return err
}

// acceptMember checks what send_join and send_leave have in common: the event is a signed membership of one
// of the origin's users, for their own account.
func (s *Server) acceptMember(ctx context.Context, origin, roomID, eventID string, raw json.RawMessage, want matrix.Membership) (*room, *event.PDU, error) {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return nil, nil, err
	}
	pdu, err := s.commons.parse(raw, r.version)
	if err != nil {
		return nil, nil, fail(BadRequest, err, "the event is malformed")
	}
	stateKey, _ := pdu.StateKey()
	switch {
	case string(pdu.RoomID()) != roomID || eventID != "" && string(pdu.ID()) != eventID:
		return nil, nil, failf(BadRequest, "the event is %s of room %s, not %s of room %s", pdu.ID(), pdu.RoomID(), eventID, roomID)
	case pdu.Type() != matrix.TypeMember || pdu.Membership() != want:
		return nil, nil, failf(BadRequest, "the event is no m.room.member with membership %q", want)
	case stateKey != string(pdu.Sender()) || string(pdu.Sender().Server()) != origin:
		return nil, nil, failf(Forbidden, "%s may not send the membership of %q by %s", origin, stateKey, pdu.Sender())
	}
	if pdu, err = s.vetFor(ctx, pdu); err != nil {
		return nil, nil, fail(Forbidden, err, "the event is not signed as it must be")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r, pdu, r.aclLocked(origin)
}

// admitRemoteLocked takes a member event of another server into the room, once.
func (s *Server) admitRemoteLocked(r *room, origin string, pdu *event.PDU) (*node, error) {
	if n := r.placedLocked(pdu.ID()); n != nil {
		if n.is(rejected | softFailed) {
			return nil, failf(Forbidden, "the room's rules refuse this %s event", pdu.Type())
		}
		return n, nil
	}
	if _, missing := r.authEventsLocked(pdu); len(missing) > 0 {
		return nil, failf(BadRequest, "auth event %s is not known", missing[0])
	}
	before, missing, err := s.beforeLocked(r, pdu.PrevEvents())
	if err != nil || len(missing) > 0 || len(pdu.PrevEvents()) == 0 {
		return nil, fail(BadRequest, err, "the event does not follow a template of %s", s.cfg.Name)
	}
	if err := s.admitLocked(r, pdu, before); err != nil {
		return nil, err
	}
	s.observe(origin, pdu, Accepted)
	return r.nodes[pdu.ID()], nil
}

func (s *Server) observe(origin string, pdu *event.PDU, outcome Outcome) {
	s.noteOutcome(origin, outcome)
	if s.cfg.Observer != nil {
		s.cfg.Observer.EventProcessed(origin, pdu, outcome)
	}
}

// authChainLocked returns the auth chain of events: their auth events, those of these, and so on.
func (r *room) authChainLocked(pdus []*event.PDU) []*event.PDU {
	seen := map[matrix.EventID]bool{}
	var chain []*event.PDU
	queue := slices.Clone(pdus)
	for len(queue) > 0 {
		pdu := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, id := range pdu.AuthEvents() {
			if n := r.nodes[id]; n != nil && !seen[id] {
				seen[id] = true
				chain = append(chain, n.pdu)
				queue = append(queue, n.pdu)
			}
		}
	}
	return chain
}

func raws(pdus []*event.PDU) []json.RawMessage {
	out := make([]json.RawMessage, len(pdus))
	for i, pdu := range pdus {
		out[i] = pdu.JSON()
	}
	return out
}
