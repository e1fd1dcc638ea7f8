package clientapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// memberContent is what a member event about a user says beside the membership: the profile of a local user,
// and why.
func (c *call) memberContent(user, reason string) map[string]any {
	content := map[string]any{}
	if profile, err := c.server.LocalProfile(user); err == nil {
		if profile.DisplayName != "" {
			content["displayname"] = profile.DisplayName
		}
		if profile.AvatarURL != "" {
			content["avatar_url"] = profile.AvatarURL
		}
	}
	if reason != "" {
		content["reason"] = reason
	}
	return content
}

// joinAny joins a room named by id or alias.
func joinAny(c *call) (any, error) {
	named := c.vars["roomIdOrAlias"]
	via := slices.Concat(c.r.URL.Query()["via"], c.r.URL.Query()["server_name"])
	if !strings.HasPrefix(named, "#") {
		return c.join(named, via)
	}
	roomID, servers, err := c.resolve(named)
	if err != nil {
		return nil, err
	}
	return c.join(roomID, append(via, servers...))
}

func joinRoom(c *call) (any, error) {
	return c.join(c.vars["roomId"], nil)
}

func (c *call) join(roomID string, via []string) (any, error) {
	if _, err := matrix.ParseRoomID(roomID); err != nil {
		return nil, invalid("%v", err)
	}
	reason, err := c.reason()
	if err != nil {
		return nil, err
	}
	done := map[string]string{"room_id": roomID}
	m, known := c.server.MembershipOf(c.user(), roomID)
	if known && m.Membership == matrix.Join {
		return done, nil
	}
	content := marshal(c.memberContent(c.user(), reason))
	if err := c.server.Join(c.r.Context(), c.user(), roomID, c.routes(roomID, m, via), content); err != nil {
		return nil, err
	}
	return done, nil
}

// routes returns the servers through which to join: those the client names, that of who invited the user, and
// the room id's own, each once and never this one.
func (c *call) routes(roomID string, m homeserver.Membership, via []string) []string {
	if m.Event != nil && m.Membership == matrix.Invite {
		via = append(via, string(m.Event.Sender().Server()))
	}
	via = append(via, string(matrix.RoomID(roomID).Server()))
	var routes []string
	for _, server := range via {
		if server != c.server.Name() && matrix.ServerName(server).Valid() && !slices.Contains(routes, server) {
			routes = append(routes, server)
		}
	}
	return routes
}

// reason reads a body that has nothing but an optional reason.
func (c *call) reason() (string, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	err := c.decode(&in)
	return in.Reason, err
}

func leaveRoom(c *call) (any, error) {
	reason, err := c.reason()
	if err != nil {
		return nil, err
	}
	return empty{}, c.server.Leave(c.r.Context(), c.user(), c.vars["roomId"], marshal(leaving(reason)))
}

// leaving is the content of a member event that ends a membership: it repeats no profile.
func leaving(reason string) map[string]any {
	if reason == "" {
		return map[string]any{}
	}
	return map[string]any{"reason": reason}
}

func forgetRoom(c *call) (any, error) {
	if _, err := c.body(); err != nil {
		return nil, err
	}
	err := c.server.Forget(c.user(), c.vars["roomId"])
	if homeserver.KindOf(err) == homeserver.BadRequest && err != nil {
		return nil, errorf(http.StatusBadRequest, "M_UNKNOWN", "%v", err)
	}
	return empty{}, err
}

// target is the body of the requests about another user.
type target struct {
	UserID  string `json:"user_id"`
	Reason  string `json:"reason"`
	Medium  string `json:"medium"`  // of an invite of an address
	Address string `json:"address"` // likewise
}

// errNoAddresses refuses invites of addresses ("Inviting users to a room", third-party identifiers).
var errNoAddresses = errorf(http.StatusBadRequest, "M_THREEPID_DENIED", "there is no identity server that knows addresses: invite by user id")

func (c *call) target() (target, error) {
	var in target
	if err := c.decode(&in); err != nil {
		return in, err
	}
	if in.UserID == "" && in.Medium+in.Address != "" {
		return in, errNoAddresses
	}
	if in.UserID == "" {
		return in, missing("the request does not say whom: give user_id")
	}
	if _, err := matrix.ParseUserID(in.UserID); err != nil {
		return in, invalid("%v", err)
	}
	return in, nil
}

func inviteUser(c *call) (any, error) {
	in, err := c.target()
	if err != nil {
		return nil, err
	}
	return empty{}, c.invite(in.UserID, in.Reason)
}

func (c *call) invite(user, reason string) error {
	return c.server.Invite(c.r.Context(), c.user(), user, c.vars["roomId"], marshal(c.memberContent(user, reason)))
}

func kickUser(c *call) (any, error) {
	return c.expel(matrix.Leave, matrix.Join, matrix.Invite, matrix.Knock)
}

func banUser(c *call) (any, error) { return c.expel(matrix.Ban) }

func unbanUser(c *call) (any, error) { return c.expel(matrix.Leave, matrix.Ban) }

// expel gives another user a new membership. from lists what the user must be for that; nothing allows all.
func (c *call) expel(to matrix.Membership, from ...matrix.Membership) (any, error) {
	in, err := c.target()
	if err != nil {
		return nil, err
	}
	_, state, err := c.server.StateFor(c.user(), c.vars["roomId"])
	if err != nil {
		return nil, err
	}
	now := matrix.Membership(state.Membership(in.UserID))
	if len(from) > 0 && !slices.Contains(from, now) {
		return nil, forbidden("%s has the membership %q in this room, not one of %q", in.UserID, now, from)
	}
	content := leaving(in.Reason)
	content["membership"] = to
	_, err = c.server.Send(c.r.Context(), homeserver.Draft{
		RoomID:   c.vars["roomId"],
		Sender:   c.user(),
		Type:     matrix.TypeMember,
		StateKey: event.StateKey(in.UserID),
		Content:  marshal(content),
	})
	return empty{}, err
}

func joinedRooms(c *call) (any, error) {
	rooms := []string{}
	for _, m := range c.server.Memberships(c.user()) {
		if m.Membership == matrix.Join {
			rooms = append(rooms, m.RoomID)
		}
	}
	slices.Sort(rooms)
	return map[string][]string{"joined_rooms": rooms}, nil
}

// members lists the room's member events, at a point of its history if the client names one.
func members(c *call) (any, error) {
	room, state, err := c.server.StateFor(c.user(), c.vars["roomId"])
	if err != nil {
		return nil, err
	}
	at, err := c.optionalToken("at")
	if err != nil {
		return nil, err
	}
	if at != nil {
		state = room.StateAt(*at)
	}
	with, without := matrix.Membership(c.query("membership")), matrix.Membership(c.query("not_membership"))
	present := c.presenter(room)
	chunk := []any{}
	for pdu := range state.Members() {
		now := pdu.Membership()
		if (with == "" || now == with) && (without == "" || now != without) {
			chunk = append(chunk, present.state(pdu))
		}
	}
	return map[string]any{"chunk": chunk}, nil
}

// joinedMembers lists who is in a room; only members may ask.
func joinedMembers(c *call) (any, error) {
	_, state, err := c.server.StateFor(c.user(), c.vars["roomId"])
	if err != nil {
		return nil, err
	}
	if state.Membership(c.user()) != matrix.Join {
		return nil, forbidden("%s is not in the room %s: join it first", c.user(), c.vars["roomId"])
	}
	joined := map[string]map[string]string{}
	for pdu := range state.Members() {
		if pdu.Membership() == matrix.Join {
			joined[pdu.Key().StateKey] = memberProfile(pdu)
		}
	}
	return map[string]any{"joined": joined}, nil
}

func memberProfile(pdu *event.PDU) map[string]string {
	var content struct {
		DisplayName any `json:"displayname"`
		AvatarURL   any `json:"avatar_url"`
	}
	profile := map[string]string{}
	if json.Unmarshal(pdu.Content(), &content) != nil {
		return profile
	}
	if name, ok := content.DisplayName.(string); ok {
		profile["display_name"] = name
	}
	if url, ok := content.AvatarURL.(string); ok {
		profile["avatar_url"] = url
	}
	return profile
}
