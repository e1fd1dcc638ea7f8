package clientapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// roomWish is the body of createRoom.
type roomWish struct {
	Visibility  string            `json:"visibility"`
	Preset      string            `json:"preset"`
	AliasName   string            `json:"room_alias_name"`
	Name        string            `json:"name"`
	Topic       string            `json:"topic"`
	Invite      []string          `json:"invite"`
	Invite3PID  []json.RawMessage `json:"invite_3pid"`
	Version     string            `json:"room_version"`
	Creation    map[string]any    `json:"creation_content"`
	Initial     []wishedState     `json:"initial_state"`
	PowerLevels map[string]any    `json:"power_level_content_override"`
	Direct      bool              `json:"is_direct"`

	alias string // full, or ""
}

type wishedState struct {
	Type     string          `json:"type"`
	StateKey string          `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

// preset is a set of state events to begin with (client-server API, createRoom).
type preset struct {
	joinRule, visibility, guests string
	trusted                      bool // invited users are as powerful as the creator
}

var presets = map[string]preset{
	"private_chat":         {"invite", "shared", "can_join", false},
	"trusted_private_chat": {"invite", "shared", "can_join", true},
	"public_chat":          {"public", "shared", "forbidden", false},
}

func createRoom(c *call) (any, error) {
	var wish roomWish
	if err := c.decode(&wish); err != nil {
		return nil, err
	}
	if err := wish.check(c); err != nil {
		return nil, err
	}
	roomID, err := c.server.CreateRoom(c.r.Context(), wish.room(c))
	if err != nil {
		return nil, err
	}
	created := map[string]any{"room_id": roomID}
	if err := wish.finish(c, roomID); err != nil {
		failure := *asAPIError(err)
		failure.message, failure.extra = "the room was created, but not as asked: "+failure.message, created
		return nil, &failure
	}
	return created, nil
}

// finish does what comes after the room's first events: the alias, the directory and the invites. What fails
// here (a server of somebody invited that does not answer) does not undo the room.
func (w *roomWish) finish(c *call, roomID string) error {
	if w.alias != "" {
		if err := c.server.SetAlias(w.alias, roomID, c.user()); err != nil {
			return aliasTaken(w.alias)
		}
	}
	c.server.Publish(roomID, w.Visibility == "public")
	for _, user := range w.Invite {
		content := c.memberContent(user, "")
		if w.Direct {
			content["is_direct"] = true
		}
		if err := c.server.Invite(c.r.Context(), c.user(), user, roomID, marshal(content)); err != nil {
			return err
		}
	}
	return nil
}

func aliasTaken(alias string) error {
	return errorf(http.StatusBadRequest, "M_ROOM_IN_USE", "the alias %s is taken: choose another one", alias)
}

// check finds what is wrong with a wish before anything is made, and fills in what it left out.
func (w *roomWish) check(c *call) error {
	switch w.Visibility {
	case "":
		w.Visibility = "private"
	case "public", "private":
	default:
		return invalid("visibility %q: must be public or private", w.Visibility)
	}
	if w.Preset == "" {
		w.Preset = map[string]string{"public": "public_chat", "private": "private_chat"}[w.Visibility]
	}
	if _, ok := presets[w.Preset]; !ok {
		return invalid("preset %q: must be private_chat, trusted_private_chat or public_chat", w.Preset)
	}
	if len(w.Invite3PID) > 0 {
		return errNoAddresses
	}
	if w.Version == "" {
		w.Version = matrix.DefaultRoomVersion
	}
	if _, err := matrix.LookupRoomVersion(w.Version); err != nil {
		return errorf(http.StatusBadRequest, "M_UNSUPPORTED_ROOM_VERSION", "%v", err)
	}
	for _, user := range w.Invite {
		id, err := matrix.ParseUserID(user)
		if err != nil {
			return invalid("invite: %v", err)
		}
		if string(id.Server()) == c.server.Name() && !c.server.HasUser(user) {
			return notFound("invite: there is no user %s on this server", user)
		}
	}
	for _, state := range w.Initial {
		if state.Type == "" {
			return badJSON("an event of initial_state lacks a type")
		}
		if len(state.Content) == 0 || state.Content[0] != '{' {
			return badJSON("the content of %s in initial_state must be an object", state.Type)
		}
	}
	return w.checkAlias(c)
}

func (w *roomWish) checkAlias(c *call) error {
	if w.AliasName == "" {
		return nil
	}
	w.alias = "#" + w.AliasName + ":" + c.server.Name()
	if _, err := matrix.ParseRoomAlias(w.alias); err != nil || strings.Contains(w.AliasName, ":") {
		return invalid("room_alias_name %q: give the part between # and : only", w.AliasName)
	}
	if _, _, err := c.server.ResolveAlias(c.r.Context(), w.alias); err == nil {
		return aliasTaken(w.alias)
	}
	return nil
}

// room says what to create; the order of events is the specification's.
func (w *roomWish) room(c *call) homeserver.NewRoom {
	preset := presets[w.Preset]
	room := homeserver.NewRoom{
		Creator:     c.user(),
		Version:     w.Version,
		PowerLevels: marshal(w.powerLevels(c.user(), preset)),
		JoinContent: marshal(c.memberContent(c.user(), "")),
		Content:     marshal(w.creation(preset)),
	}
	if w.alias != "" {
		w.add(&room, matrix.TypeCanonicalAlias, map[string]any{"alias": w.alias})
	}
	w.add(&room, matrix.TypeJoinRules, map[string]any{"join_rule": preset.joinRule})
	w.add(&room, matrix.TypeHistoryVisibility, map[string]any{"history_visibility": preset.visibility})
	w.add(&room, "m.room.guest_access", map[string]any{"guest_access": preset.guests})
	for _, state := range w.Initial {
		room.Initial = append(room.Initial, homeserver.Draft{Type: state.Type, StateKey: event.StateKey(state.StateKey), Content: state.Content})
	}
	if w.Name != "" {
		w.add(&room, matrix.TypeName, map[string]any{"name": w.Name})
	}
	if w.Topic != "" {
		w.add(&room, matrix.TypeTopic, map[string]any{"topic": w.Topic})
	}
	return room
}

// add appends a state event, unless initial_state has its own of the type: one is enough.
func (w *roomWish) add(room *homeserver.NewRoom, kind string, content map[string]any) {
	if w.hasInitial(kind) {
		return
	}
	room.Initial = append(room.Initial, homeserver.Draft{Type: kind, StateKey: event.StateKey(""), Content: marshal(content)})
}

func (w *roomWish) hasInitial(kind string) bool {
	for _, state := range w.Initial {
		if state.Type == kind && state.StateKey == "" {
			return true
		}
	}
	return false
}

// creation is the content of m.room.create. Where creators are privileged, a trusted chat's invited users
// are creators, too (room version 12).
func (w *roomWish) creation(p preset) map[string]any {
	content := map[string]any{}
	for name, value := range w.Creation {
		content[name] = value
	}
	delete(content, "room_version")
	delete(content, "creator")
	if p.trusted && len(w.Invite) > 0 && w.creatorsPrivileged() {
		creators, _ := content["additional_creators"].([]any)
		for _, user := range w.Invite {
			creators = append(creators, user)
		}
		content["additional_creators"] = creators
	}
	return content
}

// powerLevels is what differs from the default content of m.room.power_levels.
func (w *roomWish) powerLevels(creator string, p preset) map[string]any {
	levels := map[string]any{}
	if p.trusted && len(w.Invite) > 0 && !w.creatorsPrivileged() {
		users := map[string]any{creator: 100}
		for _, user := range w.Invite {
			users[user] = 100
		}
		levels["users"] = users
	}
	for name, value := range w.PowerLevels {
		levels[name] = value
	}
	return levels
}

func (w *roomWish) creatorsPrivileged() bool {
	version, err := matrix.LookupRoomVersion(w.Version)
	return err == nil && version.CreatorsPrivileged
}

// marshal encodes what always can be: maps and structs of plain values.
func marshal(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("clientapi: " + err.Error())
	}
	return text
}
