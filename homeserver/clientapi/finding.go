package clientapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// knock asks to be let into a room named by id or alias.
func knock(c *call) (any, error) {
	roomID, via, err := c.named()
	if err != nil {
		return nil, err
	}
	reason, err := c.reason()
	if err != nil {
		return nil, err
	}
	m, _ := c.server.MembershipOf(c.user(), roomID)
	content := marshal(c.memberContent(c.user(), reason))
	if err := c.server.Knock(c.r.Context(), c.user(), roomID, c.routes(roomID, m, via), content); err != nil {
		return nil, err
	}
	return map[string]string{"room_id": roomID}, nil
}

// named is the room that a request is about, by id or alias, and the servers that should be in it.
func (c *call) named() (roomID string, via []string, err error) {
	roomID = c.vars["roomIdOrAlias"]
	via = slices.Concat(c.r.URL.Query()["via"], c.r.URL.Query()["server_name"])
	if !strings.HasPrefix(roomID, "#") {
		return roomID, via, nil
	}
	id, servers, err := c.resolve(roomID)
	return id, append(via, servers...), err
}

// roomSummary describes a room that the user may know of, also one that this server is not in.
func roomSummary(c *call) (any, error) {
	roomID, via, err := c.named()
	if err != nil {
		return nil, err
	}
	m, known := c.server.MembershipOf(c.user(), roomID)
	summary, err := c.server.RoomSummaryFor(c.r.Context(), c.user(), roomID, c.routes(roomID, m, via))
	if err != nil {
		return nil, err
	}
	out := struct {
		homeserver.RoomSummary
		Membership matrix.Membership `json:"membership,omitempty"`
	}{RoomSummary: summary}
	if known {
		out.Membership = m.Membership
	}
	return out, nil
}

// maxMutual is how many rooms a page of rooms in common has.
const maxMutual = 100

// mutualRooms lists the rooms that both the user and another are in. A token is the number of rooms that came before.
func mutualRooms(c *call) (any, error) {
	other := c.query("user_id")
	if _, err := matrix.ParseUserID(other); err != nil {
		return nil, invalid("user_id: %v", err)
	}
	if other == c.user() {
		return nil, invalid("user_id is %s, who asks: name another user", other)
	}
	from, err := c.number("from", 0)
	if err != nil {
		return nil, err
	}
	rooms := []string{}
	for _, m := range c.server.Memberships(c.user()) {
		room, ok := c.server.Room(m.RoomID)
		if ok && m.Membership == matrix.Join && room.State().Membership(other) == matrix.Join {
			rooms = append(rooms, m.RoomID)
		}
	}
	slices.Sort(rooms)
	from = min(from, len(rooms))
	upto := min(from+maxMutual, len(rooms))
	out := map[string]any{"joined": rooms[from:upto], "count": len(rooms)}
	if upto < len(rooms) {
		out["next_batch"] = strconv.Itoa(upto)
	}
	return out, nil
}

// Bounds on a page of a space's hierarchy.
const (
	defaultHierarchy = 50
	maxHierarchy     = 1000
	maxSpaceDepth    = 20
)

// hierarchy lists the rooms below a space. A token is the number of rooms that came before.
func hierarchy(c *call) (any, error) {
	limit, err := c.number("limit", defaultHierarchy)
	if err != nil {
		return nil, err
	}
	depth, err := c.number("max_depth", maxSpaceDepth)
	if err != nil {
		return nil, err
	}
	suggested, err := c.flag("suggested_only")
	if err != nil {
		return nil, err
	}
	from, err := c.number("from", 0)
	if err != nil {
		return nil, err
	}
	from, limit = min(from, maxHierarchy), max(1, min(limit, maxHierarchy))
	rooms, err := c.server.Hierarchy(c.r.Context(), homeserver.HierarchyQuery{
		User: c.user(), RoomID: c.vars["roomId"], SuggestedOnly: suggested,
		MaxDepth: min(depth, maxSpaceDepth), Limit: min(from+limit+1, maxHierarchy),
	})
	if err != nil {
		return nil, err
	}
	from = min(from, len(rooms))
	upto := min(from+limit, len(rooms))
	out := map[string]any{"rooms": rooms[from:upto]}
	if upto < len(rooms) {
		out["next_batch"] = strconv.Itoa(upto)
	}
	return out, nil
}

// timestampToEvent finds the event closest to a moment.
func timestampToEvent(c *call) (any, error) {
	at, err := strconv.ParseInt(c.query("ts"), 10, 64)
	if err != nil {
		return nil, invalid("ts=%.40s: must be a number of milliseconds since 1970", c.query("ts"))
	}
	dir := c.query("dir")
	if dir != "b" && dir != "f" {
		return nil, invalid("dir=%.40s: must be b or f", dir)
	}
	return c.server.MomentFor(c.r.Context(), c.user(), c.vars["roomId"], at, dir == "b")
}

// openIDToken makes a token with which others can ask who the user is.
func openIDToken(c *call) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	if _, err := c.body(); err != nil {
		return nil, err
	}
	return map[string]any{
		"access_token": c.server.OpenIDToken(c.user()), "token_type": "Bearer",
		"matrix_server_name": c.server.Name(), "expires_in": int(homeserver.OpenIDLifetime.Seconds()),
	}, nil
}

// tagData is the type of account data that room tags are.
const tagData = "m.tag"

// maxTags bounds a user's tags of one room.
const maxTags = 100

func (c *call) tags() (map[string]json.RawMessage, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	var in struct {
		Tags map[string]json.RawMessage `json:"tags"`
	}
	stored, err := c.server.AccountDataOf(c.user(), c.vars["roomId"], tagData)
	if err == nil && json.Unmarshal(stored, &in) != nil || in.Tags == nil {
		in.Tags = map[string]json.RawMessage{}
	}
	return in.Tags, nil
}

func getTags(c *call) (any, error) {
	tags, err := c.tags()
	return map[string]any{"tags": tags}, err
}

func putTag(c *call) (any, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	if err := checkChosen("the tag", c.vars["tag"]); err != nil {
		return nil, err
	}
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	if _, known := tags[c.vars["tag"]]; !known && len(tags) >= maxTags {
		return nil, invalid("the room has %d tags already: remove one first", maxTags)
	}
	tags[c.vars["tag"]] = body
	return c.setAccountData(tagData, marshal(map[string]any{"tags": tags}))
}

func deleteTag(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	delete(tags, c.vars["tag"])
	return c.setAccountData(tagData, marshal(map[string]any{"tags": tags}))
}
