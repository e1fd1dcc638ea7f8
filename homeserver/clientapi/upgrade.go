package clientapi

import (
	"encoding/json"
	"net/http"
	"slices"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// carried is the state that a room's successor begins with (client-server API, room upgrades).
var carried = [...]string{
	matrix.TypeServerACL, matrix.TypeEncryption, matrix.TypeName, matrix.TypeAvatar, matrix.TypeTopic,
	"m.room.guest_access", matrix.TypeHistoryVisibility, matrix.TypeJoinRules,
}

// upgrade is the replacement of a room by one of another version.
type upgrade struct {
	*call
	old      *homeserver.Room
	state    *homeserver.State
	version  *matrix.RoomVersion
	creators []string // beside the user
}

// upgradeRoom replaces a room by one of another version: the new room is made, then the old one points to it and is
// closed, and aliases move.
func upgradeRoom(c *call) (any, error) {
	u, err := c.upgrade()
	if err != nil {
		return nil, err
	}
	successor, err := c.server.CreateRoom(c.r.Context(), u.successor())
	if err != nil {
		return nil, err
	}
	if _, err := c.server.Send(c.r.Context(), u.tombstone(successor)); err != nil {
		return nil, err
	}
	if err := u.moveAliases(successor); err != nil {
		return nil, err
	}
	if c.server.Published(u.old.ID()) {
		c.server.Publish(u.old.ID(), false)
		c.server.Publish(successor, true)
	}
	u.closeOld()
	return map[string]string{"replacement_room": successor}, nil
}

// upgrade reads the request and refuses it before anything is made.
func (c *call) upgrade() (*upgrade, error) {
	var in struct {
		Version  string   `json:"new_version"`
		Creators []string `json:"additional_creators"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Version == "" {
		return nil, missing("the request lacks new_version")
	}
	version, err := matrix.LookupRoomVersion(in.Version)
	if err != nil {
		return nil, errorf(http.StatusBadRequest, "M_UNSUPPORTED_ROOM_VERSION", "%v", err)
	}
	for _, user := range in.Creators {
		if _, err := matrix.ParseUserID(user); err != nil {
			return nil, invalid("additional_creators: %v", err)
		}
	}
	if err := c.inRoom(); err != nil {
		return nil, err
	}
	u := &upgrade{call: c, version: version, creators: in.Creators}
	if u.old, u.state, err = c.server.StateFor(c.user(), c.vars["roomId"]); err != nil {
		return nil, err
	}
	return u, c.server.MaySend(u.tombstone(u.old.ID()))
}

func (u *upgrade) tombstone(successor string) homeserver.Draft {
	return homeserver.Draft{
		RoomID: u.old.ID(), Sender: u.user(), Type: matrix.TypeTombstone, StateKey: event.StateKey(""),
		Content: marshal(map[string]string{"body": "This room has been replaced", "replacement_room": successor}),
	}
}

// successor says what the new room is like.
func (u *upgrade) successor() homeserver.NewRoom {
	room := homeserver.NewRoom{
		Creator: u.user(), Version: u.version.ID, Content: u.creation(),
		PowerLevels: marshal(u.powerLevels()), JoinContent: marshal(u.memberContent(u.user(), "")),
	}
	for _, kind := range carried {
		if pdu := u.state.Get(kind, ""); pdu != nil {
			room.Initial = append(room.Initial, homeserver.Draft{Type: kind, StateKey: event.StateKey(""), Content: pdu.Content()})
		}
	}
	for pdu := range u.state.All() {
		if pdu.Type() == "m.space.child" {
			room.Initial = append(room.Initial, homeserver.Draft{Type: pdu.Type(), StateKey: event.StateKey(pdu.Key().StateKey), Content: pdu.Content()})
		}
	}
	return room
}

// creation is the old room's creation content with what leads back to it.
func (u *upgrade) creation() json.RawMessage {
	content := u.object(matrix.TypeCreate)
	for _, name := range [...]string{"room_version", "creator", "predecessor", "additional_creators"} {
		delete(content, name)
	}
	predecessor := map[string]string{"room_id": u.old.ID()}
	if last := u.old.Extremities(); len(last) > 0 {
		predecessor["event_id"] = last[0]
	}
	content["predecessor"] = marshal(predecessor)
	if len(u.creators) > 0 && u.version.CreatorsPrivileged {
		content["additional_creators"] = marshal(u.creators)
	}
	return marshal(content)
}

// powerLevels are the old room's. Creators, whose power is not theirs by the power levels in some versions, keep it.
func (u *upgrade) powerLevels() map[string]json.RawMessage {
	levels := u.object(matrix.TypePowerLevels)
	users := map[string]json.RawMessage{}
	if raw := levels["users"]; raw != nil {
		_ = json.Unmarshal(raw, &users) // power levels in force have users of the right form
	}
	privileged := append(slices.Clone(u.creators), u.user())
	for _, user := range privileged {
		if u.version.CreatorsPrivileged {
			delete(users, user)
		}
	}
	if !u.version.CreatorsPrivileged {
		users[u.user()] = marshal(100)
	}
	levels["users"] = marshal(users)
	return levels
}

// object is the content of a state event with an empty key.
func (u *upgrade) object(kind string) map[string]json.RawMessage {
	content := map[string]json.RawMessage{}
	if pdu := u.state.Get(kind, ""); pdu != nil {
		_ = json.Unmarshal(pdu.Content(), &content) // an event's content is an object
	}
	return content
}

// moveAliases points the room's aliases on this server to the new one, and its canonical alias.
func (u *upgrade) moveAliases(successor string) error {
	for _, alias := range u.server.Aliases(u.old.ID()) {
		if u.server.DeleteAlias(alias, u.user()) != nil {
			continue // not this user's to move
		}
		if err := u.server.SetAlias(alias, successor, u.user()); err != nil {
			return err
		}
	}
	canonical := u.state.Get(matrix.TypeCanonicalAlias, "")
	if canonical == nil {
		return nil
	}
	draft := homeserver.Draft{RoomID: successor, Sender: u.user(), Type: matrix.TypeCanonicalAlias, StateKey: event.StateKey(""), Content: canonical.Content()}
	_, err := u.server.Send(u.r.Context(), draft)
	return err
}

// closeOld raises what it takes to speak in the old room and to invite to it. Who may not do that leaves it open.
func (u *upgrade) closeOld() {
	levels := u.object(matrix.TypePowerLevels)
	number := func(name string, otherwise int64) int64 {
		value := otherwise
		_ = json.Unmarshal(levels[name], &value) // no number: the default holds
		return value
	}
	closed := max(50, number("users_default", 0)+1)
	for _, name := range [...]string{"events_default", "invite"} {
		levels[name] = marshal(max(closed, number(name, 0)))
	}
	// When it is refused, the tombstone tells clients all the same.
	_, _ = u.server.Send(u.r.Context(), homeserver.Draft{
		RoomID: u.old.ID(), Sender: u.user(), Type: matrix.TypePowerLevels, StateKey: event.StateKey(""), Content: marshal(levels),
	})
}
