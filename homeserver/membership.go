package homeserver

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Membership is what a local user is to a room.
type Membership struct {
	RoomID     string
	Membership matrix.Membership
	Event      *event.PDU        // the member event
	Position   Position          // when it became so
	Stripped   []json.RawMessage // stripped state that came with an invite or knock to a room this server is not in
	Via        string            // the server through which the user knocked; "" for none
}

// memberships are those of local users, by user and room. They are written with the stream's lock held.
type memberships struct {
	mu    sync.RWMutex
	users map[string]map[string]Membership
}

func (m *memberships) set(user string, membership Membership) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users == nil {
		m.users = map[string]map[string]Membership{}
	}
	if m.users[user] == nil {
		m.users[user] = map[string]Membership{}
	}
	m.users[user][membership.RoomID] = membership
}

// Memberships returns all memberships of a local user, in no order.
func (s *Server) Memberships(userID string) []Membership {
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	return slices.Collect(maps.Values(s.members.users[userID]))
}

// MembershipOf returns what a local user is to a room, false for nothing.
func (s *Server) MembershipOf(userID, roomID string) (Membership, bool) {
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	m, ok := s.members.users[userID][roomID]
	return m, ok
}

// setMembership notes what a local user is to a room that this server is not in.
func (s *Server) setMembership(user string, m Membership) {
	s.stream.append(func(position Position) {
		m.Position = position
		s.members.set(user, m)
		s.keepMembership(user, m)
	})
	s.alertUser(user)
}

// noteMembers brings the memberships of local users up to date after a room's state changed.
func (s *Server) noteMembers(r *room, before, after *State, position Position) {
	for pdu := range after.Changes(before) {
		k := pdu.Key()
		if k.Type != matrix.TypeMember {
			continue
		}
		if pdu.Membership() == matrix.Join && before.Membership(k.StateKey) != matrix.Join {
			s.users.deviceLists.meet(k.StateKey, after)
		}
		if serverOf(k.StateKey) != s.cfg.Name {
			continue
		}
		s.members.set(k.StateKey, Membership{
			RoomID: string(r.id), Membership: pdu.Membership(), Event: pdu, Position: position,
		})
		s.alertUser(k.StateKey)
	}
}

// Join joins userID, over federation through one of via when nobody on this server is in the room yet. content
// is the member event's content beside membership (displayname, reason ...) and may be nil.
func (s *Server) Join(ctx context.Context, userID, roomID string, via []string, content json.RawMessage) error {
	content, err := mergeContent(content, map[string]any{"membership": matrix.Join})
	if err != nil {
		return err
	}
	r := s.room(matrix.RoomID(roomID))
	if r == nil || !r.isJoined() {
		return s.joinRemotely(ctx, userID, roomID, s.joinCandidates(userID, roomID, via), content)
	}
	err = s.joinLocally(r, userID, content)
	if KindOf(err) == UnableToGrantJoin {
		return s.joinRemotely(ctx, userID, roomID, r.otherServers(s.cfg.Name), content)
	}
	return err
}

func (r *room) isJoined() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined
}

func (r *room) otherServers(self string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.current.JoinedServers()), func(name string) bool { return name == self })
}

// joinLocally joins a user of a server that is in the room.
func (s *Server) joinLocally(r *room, userID string, content json.RawMessage) error {
	authoriser, err := s.authoriseJoin(r, userID)
	if err != nil {
		return err
	}
	if authoriser != "" {
		if content, err = mergeContent(content, map[string]any{"join_authorised_via_users_server": authoriser}); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = s.sendLocked(r, Draft{Sender: userID, Type: matrix.TypeMember, StateKey: &userID, Content: content})
	return err
}

// Leave leaves a room or rejects an invite, over federation when nobody on this server is in the room.
func (s *Server) Leave(ctx context.Context, userID, roomID string, content json.RawMessage) error {
	content, err := mergeContent(content, map[string]any{"membership": matrix.Leave})
	if err != nil {
		return err
	}
	m, known := s.MembershipOf(userID, roomID)
	if !known {
		return failf(NotFound, "%s is neither in room %s nor invited to it", userID, roomID)
	}
	r := s.room(matrix.RoomID(roomID))
	if r == nil || !r.isJoined() {
		return s.rejectInvite(ctx, m, userID, content)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = s.sendLocked(r, Draft{Sender: userID, Type: matrix.TypeMember, StateKey: &userID, Content: content})
	return err
}

// Invite invites target, asking target's server to sign the invite when it is another.
func (s *Server) Invite(ctx context.Context, sender, target, roomID string, content json.RawMessage) error {
	content, err := mergeContent(content, map[string]any{"membership": matrix.Invite})
	if err != nil {
		return err
	}
	r := s.room(matrix.RoomID(roomID))
	if r == nil || !r.isJoined() {
		return failf(NotFound, "this server is not in room %s", roomID)
	}
	d := Draft{Sender: sender, Type: matrix.TypeMember, StateKey: &target, Content: content}
	if serverOf(target) != s.cfg.Name {
		return s.inviteRemotely(ctx, r, d)
	}
	if !s.HasUser(target) {
		return failf(NotFound, "there is no user %s on this server", target)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = s.sendLocked(r, d)
	return err
}
