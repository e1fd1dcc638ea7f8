package homeserver

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"meshsim/matrix"
)

// aliases are the room aliases of this server. The zero value has none.
type aliases struct {
	mu    sync.RWMutex
	rooms map[string]aliasTarget // by alias
}

type aliasTarget struct{ roomID, creator string }

// ResolveAlias returns the room of an alias and servers through which it can be joined, asking the alias's
// server when it is another.
func (s *Server) ResolveAlias(ctx context.Context, alias string) (roomID string, servers []string, err error) {
	parsed, err := matrix.ParseRoomAlias(alias)
	if err != nil {
		return "", nil, fail(InvalidParam, err, "the alias cannot be resolved")
	}
	if server := string(parsed.Server()); server != s.cfg.Name {
		if s.cfg.Remote == nil {
			return "", nil, failf(NotFound, "this server has no federation to ask for %s", alias)
		}
		answer, err := s.cfg.Remote.Directory(ctx, server, alias)
		return answer.RoomID, answer.Servers, err
	}
	s.aliases.mu.RLock()
	target, known := s.aliases.rooms[alias]
	s.aliases.mu.RUnlock()
	if !known {
		return "", nil, failf(NotFound, "there is no room alias %s", alias)
	}
	return target.roomID, s.servers(target.roomID), nil
}

// servers lists the servers in a room, this one first when it is among them.
func (s *Server) servers(roomID string) []string {
	r := s.room(matrix.RoomID(roomID))
	if r == nil || !r.isJoined() {
		return []string{s.cfg.Name}
	}
	return append([]string{s.cfg.Name}, r.otherServers(s.cfg.Name)...)
}

// SetAlias points a local alias that is free to a room.
func (s *Server) SetAlias(alias, roomID, userID string) error {
	parsed, err := matrix.ParseRoomAlias(alias)
	if err != nil {
		return fail(InvalidParam, err, "the alias was not set")
	}
	if string(parsed.Server()) != s.cfg.Name {
		return failf(InvalidParam, "%s is no alias of %s", alias, s.cfg.Name)
	}
	s.aliases.mu.Lock()
	defer s.aliases.mu.Unlock()
	if _, taken := s.aliases.rooms[alias]; taken {
		return failf(AlreadyExists, "the room alias %s is taken", alias)
	}
	s.aliases.set(alias, aliasTarget{roomID, userID})
	s.Keep(kindAlias, storedAlias{alias, roomID, userID}, alias)
	return nil
}

// set needs aliases.mu.
func (a *aliases) set(alias string, target aliasTarget) {
	if a.rooms == nil {
		a.rooms = map[string]aliasTarget{}
	}
	a.rooms[alias] = target
}

// DeleteAlias removes a local alias, which its creator may do, and who may send m.room.canonical_alias.
func (s *Server) DeleteAlias(alias, userID string) error {
	s.aliases.mu.Lock()
	defer s.aliases.mu.Unlock()
	target, known := s.aliases.rooms[alias]
	if !known {
		return failf(NotFound, "there is no room alias %s", alias)
	}
	if target.creator != userID && !s.mayNameRoom(target.roomID, matrix.UserID(userID)) {
		return failf(Forbidden, "%s may not remove the room alias %s", userID, alias)
	}
	delete(s.aliases.rooms, alias)
	s.Drop(kindAlias, alias)
	return nil
}

func (s *Server) mayNameRoom(roomID string, user matrix.UserID) bool {
	r, ok := s.Room(roomID)
	if !ok {
		return false
	}
	state := r.State()
	if state.Membership(string(user)) != matrix.Join {
		return false
	}
	level := powerOf(state.Get(matrix.TypePowerLevels, "")).Event(matrix.TypeCanonicalAlias, true)
	return userPower(state, user) >= level
}

// Aliases returns the local aliases of a room, sorted.
func (s *Server) Aliases(roomID string) []string {
	s.aliases.mu.RLock()
	defer s.aliases.mu.RUnlock()
	found := []string{}
	for alias, target := range s.aliases.rooms {
		if target.roomID == roomID {
			found = append(found, alias)
		}
	}
	slices.Sort(found)
	return found
}

// RemoteProfile asks another server for a profile, field "" for all of it.
func (s *Server) RemoteProfile(ctx context.Context, userID, field string) (json.RawMessage, error) {
	if s.cfg.Remote == nil {
		return nil, failf(NotFound, "this server has no federation to ask for %s", userID)
	}
	return s.cfg.Remote.Profile(ctx, serverOf(userID), userID, field)
}
