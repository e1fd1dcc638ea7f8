package clientapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// resolve returns the room behind an alias and servers that are in it.
func (c *call) resolve(alias string) (roomID string, servers []string, err error) {
	if _, err := matrix.ParseRoomAlias(alias); err != nil {
		return "", nil, invalid("%v", err)
	}
	return c.server.ResolveAlias(c.r.Context(), alias)
}

func getAlias(c *call) (any, error) {
	roomID, servers, err := c.resolve(c.vars["roomAlias"])
	if err != nil {
		return nil, err
	}
	if servers == nil {
		servers = []string{}
	}
	return map[string]any{"room_id": roomID, "servers": servers}, nil
}

func putAlias(c *call) (any, error) {
	var in struct {
		RoomID string `json:"room_id"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.ownAlias(); err != nil {
		return nil, err
	}
	if _, err := matrix.ParseRoomID(in.RoomID); err != nil {
		return nil, invalid("%v", err)
	}
	m, _ := c.server.MembershipOf(c.user(), in.RoomID)
	if m.Membership != string(matrix.Join) {
		return nil, forbidden("%s is not in the room %s: join it first", c.user(), in.RoomID)
	}
	if err := c.server.SetAlias(c.vars["roomAlias"], in.RoomID, c.user()); err != nil {
		if homeserver.KindOf(err) == homeserver.AlreadyExists {
			return nil, errorf(http.StatusConflict, "M_UNKNOWN", "the alias %s leads to a room already: delete it first", c.vars["roomAlias"])
		}
		return nil, err
	}
	return empty{}, nil
}

func deleteAlias(c *call) (any, error) {
	if err := c.ownAlias(); err != nil {
		return nil, err
	}
	return empty{}, c.server.DeleteAlias(c.vars["roomAlias"], c.user())
}

// ownAlias refuses aliases of other servers, which only those can change.
func (c *call) ownAlias() error {
	alias, err := matrix.ParseRoomAlias(c.vars["roomAlias"])
	if err != nil {
		return invalid("%v", err)
	}
	if string(alias.Server()) != c.server.Name() {
		return forbidden("the alias %s belongs to %s, not to this server", alias, alias.Server())
	}
	return nil
}

func roomAliases(c *call) (any, error) {
	if _, _, err := c.server.StateFor(c.user(), c.vars["roomId"]); err != nil {
		return nil, err
	}
	aliases := slices.Sorted(slices.Values(c.server.Aliases(c.vars["roomId"])))
	if aliases == nil {
		aliases = []string{}
	}
	return map[string]any{"aliases": aliases}, nil
}

func getListing(c *call) (any, error) {
	if _, ok := c.server.Room(c.vars["roomId"]); !ok {
		return nil, notFound("this server does not know the room %s", c.vars["roomId"])
	}
	if c.server.Published(c.vars["roomId"]) {
		return map[string]string{"visibility": "public"}, nil
	}
	return map[string]string{"visibility": "private"}, nil
}

func putListing(c *call) (any, error) {
	var in struct {
		Visibility string `json:"visibility"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Visibility == "" {
		in.Visibility = "public"
	}
	if in.Visibility != "public" && in.Visibility != "private" {
		return nil, invalid("visibility %q: must be public or private", in.Visibility)
	}
	if _, ok := c.server.Room(c.vars["roomId"]); !ok {
		return nil, notFound("this server does not know the room %s", c.vars["roomId"])
	}
	m, _ := c.server.MembershipOf(c.user(), c.vars["roomId"])
	if m.Membership != string(matrix.Join) {
		return nil, forbidden("%s is not in the room %s: join it first", c.user(), c.vars["roomId"])
	}
	c.server.Publish(c.vars["roomId"], in.Visibility == "public")
	return empty{}, nil
}

// listedRoom is a room of the directory (client-server API, publicRooms).
type listedRoom struct {
	RoomID        string `json:"room_id"`
	Name          string `json:"name,omitempty"`
	Topic         string `json:"topic,omitempty"`
	Alias         string `json:"canonical_alias,omitempty"`
	AvatarURL     string `json:"avatar_url,omitempty"`
	Type          string `json:"room_type,omitempty"`
	JoinRule      string `json:"join_rule,omitempty"`
	Joined        int    `json:"num_joined_members"`
	WorldReadable bool   `json:"world_readable"`
	GuestCanJoin  bool   `json:"guest_can_join"`
}

// listing is what publicRooms is asked.
type listing struct {
	Limit  int    `json:"limit"`
	Since  string `json:"since"`
	Filter struct {
		Text string `json:"generic_search_term"`
	} `json:"filter"`
}

func publicRooms(c *call) (any, error) {
	limit, err := c.number("limit", 0)
	if err != nil {
		return nil, err
	}
	return c.listRooms(listing{Limit: limit, Since: c.query("since")})
}

func searchPublicRooms(c *call) (any, error) {
	var in listing
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Limit < 0 {
		return nil, invalid("limit %d: must not be negative", in.Limit)
	}
	return c.listRooms(in)
}

// listRooms pages through the directory; the token is the number of rooms that came before, with a sign for
// the direction.
func (c *call) listRooms(in listing) (any, error) {
	if server := c.query("server"); server != "" && server != c.server.Name() {
		return nil, errorf(http.StatusBadGateway, "M_UNKNOWN", "this server lists its own rooms only: ask %s itself", server)
	}
	rooms := []listedRoom{}
	for _, room := range c.server.PublishedRooms() {
		if listed := describe(room); listed.contains(in.Filter.Text) {
			rooms = append(rooms, listed)
		}
	}
	slices.SortStableFunc(rooms, func(a, b listedRoom) int { return b.Joined - a.Joined })
	from := 0
	if in.Since != "" {
		var err error
		if from, err = strconv.Atoi(in.Since); err != nil || from < 0 {
			return nil, invalid("since=%.40q: not a token of this server", in.Since)
		}
	}
	total := len(rooms)
	from = min(from, total)
	upto := total
	if in.Limit > 0 {
		upto = min(from+in.Limit, total)
	}
	out := map[string]any{"chunk": rooms[from:upto], "total_room_count_estimate": total}
	if upto < total {
		out["next_batch"] = strconv.Itoa(upto)
	}
	if from > 0 && in.Limit > 0 {
		out["prev_batch"] = strconv.Itoa(max(0, from-in.Limit))
	}
	return out, nil
}

func describe(room *homeserver.Room) listedRoom {
	state := room.State()
	listed := listedRoom{
		RoomID:    room.ID(),
		Name:      text(state, matrix.TypeName, "name"),
		Topic:     text(state, matrix.TypeTopic, "topic"),
		Alias:     text(state, matrix.TypeCanonicalAlias, "alias"),
		AvatarURL: text(state, matrix.TypeAvatar, "url"),
		Type:      text(state, matrix.TypeCreate, "type"),
		JoinRule:  text(state, matrix.TypeJoinRules, "join_rule"),

		WorldReadable: text(state, matrix.TypeHistoryVisibility, "history_visibility") == "world_readable",
		GuestCanJoin:  text(state, "m.room.guest_access", "guest_access") == "can_join",
	}
	for pdu := range state.Members() {
		if pdu.Membership() == matrix.Join {
			listed.Joined++
		}
	}
	return listed
}

func (l listedRoom) contains(text string) bool {
	text = strings.ToLower(text)
	for _, field := range [...]string{l.Name, l.Topic, l.Alias} {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return text == ""
}
