package homeserver

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// joinCandidates lists the servers through which a room may be joined, the likeliest first: those that the
// client names, whoever invited the user, the room id's server.
func (s *Server) joinCandidates(userID, roomID string, via []string) []string {
	candidates := slices.Clone(via)
	if m, ok := s.MembershipOf(userID, roomID); ok && m.Membership == matrix.Invite {
		candidates = append(candidates, string(m.Event.Sender().Server()))
	}
	candidates = append(candidates, serverOf(roomID))
	if r := s.room(matrix.RoomID(roomID)); r != nil {
		candidates = append(candidates, r.otherServers(s.cfg.Name)...)
	}
	var distinct []string
	for _, name := range candidates {
		if name != "" && name != s.cfg.Name && !slices.Contains(distinct, name) {
			distinct = append(distinct, name)
		}
	}
	return distinct
}

// joinRemotely joins through the first server that lets the user in ("Joining Rooms").
func (s *Server) joinRemotely(ctx context.Context, userID, roomID string, via []string, content json.RawMessage) error {
	if s.cfg.Remote == nil || len(via) == 0 {
		return failf(NotFound, "this server is not in room %s: name a server that is (via)", roomID)
	}
	done, err := s.beginJoin(ctx, matrix.RoomID(roomID))
	if err != nil {
		return err
	}
	defer done()
	var last error
	for _, server := range via {
		err := s.joinThrough(ctx, server, userID, roomID, content)
		if err == nil {
			return nil
		}
		s.log.Debug("join refused", "room", roomID, "user", userID, "via", server, "error", err)
		if last == nil || KindOf(last) == Unreachable {
			last = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return last
}

// beginJoin waits for its turn to join a room remotely. Until done is called, PDUs of that room wait: other
// servers send them as soon as they know of the join, which can be before this server does.
func (s *Server) beginJoin(ctx context.Context, roomID matrix.RoomID) (done func(), err error) {
	for {
		s.mu.Lock()
		pending := s.joining[roomID]
		if pending == nil {
			mine := make(chan struct{})
			s.joining[roomID] = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.joining, roomID)
				s.mu.Unlock()
				close(mine)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-pending:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// awaitJoin returns once no join of the room is under way.
func (s *Server) awaitJoin(ctx context.Context, roomID matrix.RoomID) {
	s.mu.RLock()
	pending := s.joining[roomID]
	s.mu.RUnlock()
	if pending == nil {
		return
	}
	select {
	case <-pending:
	case <-ctx.Done():
	}
}

func (s *Server) joinThrough(ctx context.Context, server, userID, roomID string, content json.RawMessage) error {
	template, err := s.cfg.Remote.MakeJoin(ctx, server, roomID, userID, matrix.RoomVersions())
	if err != nil {
		return err
	}
	pdu, err := s.complete(template, roomID, userID, content)
	if err != nil {
		return err
	}
	answer, err := s.cfg.Remote.SendJoin(ctx, server, roomID, string(pdu.ID()), pdu.JSON())
	if err != nil {
		return err
	}
	return s.enter(ctx, server, pdu, answer)
}

// complete turns a template of make_join, make_leave or make_knock into a member event of userID with this content.
// The template decides about prev_events, auth_events, depth and who authorises a restricted join, and about nothing
// else.
func (s *Server) complete(template Template, roomID, userID string, content json.RawMessage) (*event.PDU, error) {
	version, err := matrix.LookupRoomVersion(cmp.Or(template.RoomVersion, "1"))
	if err != nil {
		return nil, fail(UnsupportedVersion, err, "room %s cannot be joined", roomID)
	}
	var b event.Builder
	if err := json.Unmarshal(template.Event, &b); err != nil {
		return nil, fail(Unreachable, err, "the other server's template is malformed")
	}
	if b.Type != matrix.TypeMember || b.StateKey == nil || *b.StateKey != userID || string(b.Sender) != userID || string(b.RoomID) != roomID {
		return nil, failf(Unreachable, "the other server's template is not for the membership of %s in %s", userID, roomID)
	}
	var offered struct {
		AuthorisedVia string `json:"join_authorised_via_users_server"`
	}
	if json.Unmarshal(b.Content, &offered) == nil && offered.AuthorisedVia != "" {
		authorised := map[string]any{"join_authorised_via_users_server": offered.AuthorisedVia}
		if content, err = mergeContent(content, authorised); err != nil {
			return nil, err
		}
	}
	b.Content, b.Redacts = content, ""
	return s.sign(b, version)
}

// enter makes a room out of the answer to send_join. Nothing of it is believed unchecked.
func (s *Server) enter(ctx context.Context, server string, pdu *event.PDU, answer JoinAnswer) error {
	version := pdu.Version()
	if len(answer.Event) > 0 {
		signed, err := s.vetted(ctx, answer.Event, version)
		if err != nil || signed.ID() != pdu.ID() {
			return fail(Unreachable, err, "%s answered send_join with another event", server)
		}
		pdu = signed
	}
	auth := s.vetAll(ctx, answer.AuthChain, version)
	state := s.vetAll(ctx, answer.State, version)

	r := s.room(pdu.RoomID())
	if r == nil {
		r = s.newRoom(pdu.RoomID(), version)
	}
	if r.version != version {
		return failf(Unreachable, "%s answered make_join with room version %s, the room has %s", server, version.ID, r.version.ID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := s.learnStateLocked(r, auth, state)
	r.markBehindLocked(auth, state)
	if err := s.checkEntryLocked(r, pdu, before); err != nil {
		return fail(Unreachable, err, "%s answered send_join with a state that does not allow the join", server)
	}
	s.enterLocked(r, pdu, before)
	return nil
}

// markBehindLocked notes which events came as the state before this server's join.
func (r *room) markBehindLocked(groups ...[]*event.PDU) {
	for _, pdu := range slices.Concat(groups...) {
		if n := r.nodes[pdu.ID()]; n != nil && n.is(outlier) {
			n.mark |= behind
			r.noteLocked(factBehind, pdu, 0)
		}
	}
}

func (s *Server) checkEntryLocked(r *room, pdu *event.PDU, before *State) error {
	create := before.Get(matrix.TypeCreate, "")
	if create == nil {
		return failf(Unreachable, "there is no create event of room %s in the state", r.id)
	}
	if created := create.Create().RoomVersion; created != r.version.ID {
		return failf(Unreachable, "the create event says room version %q, the template said %s", created, r.version.ID)
	}
	if _, missing := r.authEventsLocked(pdu); len(missing) > 0 {
		return failf(Unreachable, "auth event %s is missing", missing[0])
	}
	if err := s.checkAuthEventsLocked(r, pdu); err != nil {
		return err
	}
	return checkState(pdu, before)
}

// enterLocked starts this server's part of the graph with its own join.
func (s *Server) enterLocked(r *room, pdu *event.PDU, before *State) {
	previous := r.current
	r.setEdgeLocked(pdu.PrevEvents(), before)
	r.current = before
	n := s.placeLocked(r, pdu, before)
	r.notePlaceLocked(factEntered, n)
	r.extremities, r.union = []*node{n}, false
	r.current, r.joined, r.floor = n.after, true, pdu.Depth()
	s.mu.Lock()
	s.rooms[r.id] = r
	s.mu.Unlock()
	r.staged = append(r.staged, stagedEntry{before: previous, after: before}, stagedEntry{pdu: pdu, before: before, after: n.after})
	s.publishLocked(r)
	r.publicLocked()
	s.recordLocked(r)
}

// rejectInvite leaves a room that nobody on this server is in, through the inviter's server ("Leaving Rooms
// (Rejecting Invites)"). When that cannot be reached the invite is forgotten here all the same: the user shall
// not be bothered by a server that is gone.
func (s *Server) rejectInvite(ctx context.Context, m Membership, userID string, content json.RawMessage) error {
	if m.Membership != matrix.Invite && m.Membership != matrix.Knock {
		return failf(Forbidden, "%s is not in room %s", userID, m.RoomID)
	}
	left, err := s.leaveThrough(ctx, cmp.Or(m.Via, string(m.Event.Sender().Server())), userID, m.RoomID, content)
	if err != nil {
		s.log.Info("an invite was rejected here only", "room", m.RoomID, "user", userID, "error", err)
	}
	s.setMembership(userID, Membership{RoomID: m.RoomID, Membership: matrix.Leave, Event: cmp.Or(left, m.Event)})
	return nil
}

func (s *Server) leaveThrough(ctx context.Context, server, userID, roomID string, content json.RawMessage) (*event.PDU, error) {
	if s.cfg.Remote == nil {
		return nil, failf(Unreachable, "this server has no federation")
	}
	template, err := s.cfg.Remote.MakeLeave(ctx, server, roomID, userID)
	if err != nil {
		return nil, err
	}
	pdu, err := s.complete(template, roomID, userID, content)
	if err != nil {
		return nil, err
	}
	return pdu, s.cfg.Remote.SendLeave(ctx, server, roomID, string(pdu.ID()), pdu.JSON())
}

// inviteRemotely has the invited user's server sign the invite before it is sent ("Inviting to a room").
func (s *Server) inviteRemotely(ctx context.Context, r *room, d Draft) error {
	if s.cfg.Remote == nil {
		return failf(Unreachable, "this server has no federation: %s cannot be invited", *d.StateKey)
	}
	r.mu.Lock()
	pdu, before, err := s.buildLocked(r, d)
	stripped := strippedState(before, pdu)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	target := serverOf(*d.StateKey)
	raw, err := s.cfg.Remote.Invite(ctx, target, string(r.id), string(pdu.ID()), InviteRequest{
		RoomVersion: r.version.ID, Event: pdu.JSON(), InviteRoomState: stripped,
	})
	if err != nil {
		return err
	}
	signed, err := s.vetted(ctx, raw, r.version)
	if err != nil || signed.ID() != pdu.ID() {
		return fail(Unreachable, err, "%s answered the invite with another event", target)
	}
	if len(signed.SignaturesOf(matrix.ServerName(target))) == 0 {
		return failf(Unreachable, "%s did not sign the invite", target)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.admitLocked(r, signed, before)
}

// strippedKeys is the state that an invite tells the invited user of (client-server, "Stripped state").
var strippedKeys = [...]string{
	matrix.TypeCreate, matrix.TypeJoinRules, matrix.TypeName, matrix.TypeAvatar, matrix.TypeTopic,
	matrix.TypeCanonicalAlias, matrix.TypeEncryption,
}

// strippedState returns invite_room_state: full PDUs, as the specification wants since version 1.16.
func strippedState(state *State, invite *event.PDU) []json.RawMessage {
	if invite == nil {
		return nil
	}
	var pdus []json.RawMessage
	for _, kind := range strippedKeys {
		if pdu := state.Get(kind, ""); pdu != nil {
			pdus = append(pdus, pdu.JSON())
		}
	}
	if sender := state.Get(matrix.TypeMember, string(invite.Sender())); sender != nil {
		pdus = append(pdus, sender.JSON())
	}
	return pdus
}
