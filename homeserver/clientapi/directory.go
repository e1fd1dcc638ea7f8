package clientapi

import (
	"net/http"
	"slices"

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
	if m.Membership != matrix.Join {
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
	if m.Membership != matrix.Join {
		return nil, forbidden("%s is not in the room %s: join it first", c.user(), c.vars["roomId"])
	}
	c.server.Publish(c.vars["roomId"], in.Visibility == "public")
	return empty{}, nil
}

func publicRooms(c *call) (any, error) {
	limit, err := c.number("limit", 0)
	if err != nil {
		return nil, err
	}
	return c.listRooms(homeserver.RoomsQuery{Limit: limit, Since: c.query("since")})
}

func searchPublicRooms(c *call) (any, error) {
	var in homeserver.RoomsQuery
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Limit < 0 {
		return nil, invalid("limit %d: must not be negative", in.Limit)
	}
	return c.listRooms(in)
}

// listRooms returns a page of this server's room directory, or of another's.
func (c *call) listRooms(q homeserver.RoomsQuery) (any, error) {
	return c.server.PublicRoomsOf(c.r.Context(), c.query("server"), q)
}
