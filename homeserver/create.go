package homeserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// NewRoom says which room to create.
type NewRoom struct {
	Creator     string          // user id of a local user
	Version     string          // "" for matrix.DefaultRoomVersion
	Content     json.RawMessage // further content of m.room.create (m.federate, type ...); may be nil
	Initial     []Draft         // sent in this order after create, join and power levels; RoomID and Sender are filled in
	PowerLevels json.RawMessage // overrides single properties of the default power levels; may be nil
	JoinContent json.RawMessage // content of the creator's join beside membership (displayname ...); may be nil
}

// CreateRoom creates a room: m.room.create, the creator's join, m.room.power_levels and the initial events.
// When one of them is refused nothing is created. What presets, aliases and invites mean is the client API's
// part, which maps them to Initial, SetAlias and Invite.
func (s *Server) CreateRoom(_ context.Context, nr NewRoom) (roomID string, err error) {
	if nr.Version == "" {
		nr.Version = matrix.DefaultRoomVersion
	}
	version, err := matrix.LookupRoomVersion(nr.Version)
	if err != nil {
		return "", fail(UnsupportedVersion, err, "the room was not created")
	}
	create, err := s.createEvent(nr, version)
	if err != nil {
		return "", err
	}
	drafts, err := s.firstEvents(nr, version)
	if err != nil {
		return "", err
	}
	r := s.newRoom(create.RoomID(), version)
	if err := s.fill(r, create, drafts); err != nil {
		return "", err
	}
	return string(r.id), nil
}

func (s *Server) createEvent(nr NewRoom, version *matrix.RoomVersion) (*event.PDU, error) {
	content, err := mergeContent(nr.Content, map[string]any{"room_version": version.ID})
	if err != nil {
		return nil, err
	}
	b := event.Builder{
		Type: matrix.TypeCreate, StateKey: event.StateKey(""), Sender: matrix.UserID(nr.Creator), Content: content,
	}
	if !version.RoomIDIsCreateHash {
		b.RoomID = matrix.RoomID("!" + rand.Text() + ":" + s.cfg.Name)
	}
	if version.CreatorInContent {
		if b.Content, err = mergeContent(content, map[string]any{"creator": nr.Creator}); err != nil {
			return nil, err
		}
	}
	return s.signAt(b, version, s.creationTime())
}

// creationTime is now, or a little later: no two rooms of a server are created in the same millisecond. From
// room version 12 on they would be the same room when their create events say the same.
func (s *Server) creationTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if next := s.created.Add(time.Millisecond); now.Before(next) {
		now = next
	}
	s.created = now
	return now
}

func (s *Server) firstEvents(nr NewRoom, version *matrix.RoomVersion) ([]Draft, error) {
	join, err := mergeContent(nr.JoinContent, map[string]any{"membership": matrix.Join})
	if err != nil {
		return nil, err
	}
	levels, err := powerLevels(nr, version)
	if err != nil {
		return nil, err
	}
	drafts := []Draft{
		{Type: matrix.TypeMember, StateKey: &nr.Creator, Content: join},
		{Type: matrix.TypePowerLevels, StateKey: event.StateKey(""), Content: levels},
	}
	drafts = append(drafts, nr.Initial...)
	for i := range drafts {
		drafts[i].Sender = nr.Creator
	}
	return drafts, nil
}

// powerLevels are the specification's defaults with what the client wants instead. Privileged creators stand
// above all levels and may not be named among the users.
func powerLevels(nr NewRoom, version *matrix.RoomVersion) (json.RawMessage, error) {
	users, tombstone := map[string]int{nr.Creator: 100}, 100
	if version.CreatorsPrivileged {
		users, tombstone = map[string]int{}, 150
	}
	defaults, err := json.Marshal(map[string]any{
		"users": users, "users_default": 0, "events_default": 0, "state_default": 50,
		"ban": 50, "kick": 50, "redact": 50, "invite": 0,
		"events": map[string]int{
			matrix.TypePowerLevels: 100, matrix.TypeHistoryVisibility: 100, matrix.TypeTombstone: tombstone,
			matrix.TypeServerACL: 100, matrix.TypeEncryption: 100,
			matrix.TypeName: 50, matrix.TypeAvatar: 50, matrix.TypeCanonicalAlias: 50,
		},
	})
	if err != nil || len(nr.PowerLevels) == 0 {
		return defaults, err
	}
	var overrides map[string]json.RawMessage
	if err := json.Unmarshal(nr.PowerLevels, &overrides); err != nil {
		return nil, fail(BadRequest, err, "the power levels must be a JSON object")
	}
	return mergeContent(defaults, overrides)
}

// fill puts a room's first events into it, all or none: nobody else knows the room yet.
func (s *Server) fill(r *room, create *event.PDU, drafts []Draft) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.stageLocked(r, create, nil) != Accepted {
		return failf(BadRequest, "the content of m.room.create is refused by room version %s", r.version.ID)
	}
	for _, d := range drafts {
		pdu, before, err := s.buildLocked(r, d)
		if err != nil {
			return err
		}
		if s.stageLocked(r, pdu, before) != Accepted {
			return failf(Forbidden, "the room's rules refuse this %s event", d.Type)
		}
	}
	s.mu.Lock()
	s.rooms[r.id] = r
	s.mu.Unlock()
	s.publishLocked(r)
	r.publicLocked()
	s.recordLocked(r)
	return nil
}

// mergeContent sets properties of a JSON object, which may be nil.
func mergeContent[V any](content json.RawMessage, set map[string]V) (json.RawMessage, error) {
	merged := map[string]json.RawMessage{}
	if len(content) > 0 {
		if err := json.Unmarshal(content, &merged); err != nil {
			return nil, fail(BadRequest, err, "the content must be a JSON object")
		}
	}
	if merged == nil {
		merged = map[string]json.RawMessage{}
	}
	for name, value := range set {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fail(Internal, err, "property %q cannot be encoded", name)
		}
		merged[name] = raw
	}
	return json.Marshal(merged)
}
