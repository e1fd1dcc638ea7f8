package clientapi

import (
	"slices"
	"strings"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

func getProfile(c *call) (any, error) { return c.profile(c.vars["field"]) }

func getDisplayName(c *call) (any, error) { return c.profile("displayname") }

func getAvatarURL(c *call) (any, error) { return c.profile("avatar_url") }

// profile returns a profile, or one field of it, asking the user's own server.
func (c *call) profile(field string) (any, error) {
	user := c.vars["userId"]
	id, err := matrix.ParseUserID(user)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if string(id.Server()) != c.server.Name() {
		return c.server.RemoteProfile(c.r.Context(), user, field)
	}
	profile, err := c.server.LocalProfile(user)
	if err != nil {
		return nil, err
	}
	switch {
	case field == "":
		return profile, nil
	case field == "displayname" && profile.DisplayName != "":
		return homeserver.Profile{DisplayName: profile.DisplayName}, nil
	case field == "avatar_url" && profile.AvatarURL != "":
		return homeserver.Profile{AvatarURL: profile.AvatarURL}, nil
	}
	return nil, notFound("%s has no %s", user, field)
}

// maxProfileField bounds a field of the profile, in bytes: member events carry it.
const maxProfileField = 1024

func putDisplayName(c *call) (any, error) {
	var in struct {
		Value *string `json:"displayname"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return c.editProfile("displayname", in.Value, func(p *homeserver.Profile) *string { return &p.DisplayName })
}

func putAvatarURL(c *call) (any, error) {
	var in struct {
		Value *string `json:"avatar_url"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return c.editProfile("avatar_url", in.Value, func(p *homeserver.Profile) *string { return &p.AvatarURL })
}

func (c *call) editProfile(name string, value *string, field func(*homeserver.Profile) *string) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	if value == nil {
		return nil, missing("the request lacks %s", name)
	}
	if len(*value) > maxProfileField {
		return nil, invalid("%s has more than %d bytes", name, maxProfileField)
	}
	changed, err := c.server.EditProfile(c.user(), func(p *homeserver.Profile) { *field(p) = *value })
	if err != nil || !changed {
		return empty{}, err
	}
	return empty{}, c.spreadProfile()
}

// spreadProfile tells the user's rooms (client-server API, events on change of profile information). A room
// that refuses is none of the user's business here: the profile has changed all the same.
func (c *call) spreadProfile() error {
	content := c.memberContent(c.user(), "")
	content["membership"] = matrix.Join
	for _, m := range c.server.Memberships(c.user()) {
		if m.Membership != matrix.Join {
			continue
		}
		_, err := c.server.Send(c.r.Context(), homeserver.Draft{
			RoomID:   m.RoomID,
			Sender:   c.user(),
			Type:     matrix.TypeMember,
			StateKey: event.StateKey(c.user()),
			Content:  marshal(content),
		})
		if err != nil && homeserver.KindOf(err) != homeserver.Forbidden {
			return err
		}
	}
	return nil
}

// maxFound is the most users that a search returns.
const maxFound = 50

type foundUser struct {
	User        string `json:"user_id"`
	DisplayName string `json:"display_name,omitempty"`
	AvatarURL   string `json:"avatar_url,omitempty"`
}

// searchUsers looks through the server's own accounts and through the members of the user's rooms.
func searchUsers(c *call) (any, error) {
	var in struct {
		Term  *string `json:"search_term"`
		Limit *int    `json:"limit"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Term == nil {
		return nil, missing("the request lacks search_term")
	}
	limit := maxFound
	if in.Limit != nil {
		limit = max(0, min(*in.Limit, maxFound))
	}
	known := c.knownUsers()
	found := []foundUser{}
	term := strings.ToLower(*in.Term)
	for _, user := range known {
		if user.User != c.user() && (strings.Contains(strings.ToLower(user.User), term) || strings.Contains(strings.ToLower(user.DisplayName), term)) {
			found = append(found, user)
		}
	}
	slices.SortFunc(found, func(a, b foundUser) int { return strings.Compare(a.User, b.User) })
	limited := len(found) > limit
	return map[string]any{"results": found[:min(limit, len(found))], "limited": limited}, nil
}

func (c *call) knownUsers() map[string]foundUser {
	known := map[string]foundUser{}
	for _, m := range c.server.Memberships(c.user()) {
		room, ok := c.server.Room(m.RoomID)
		if !ok || m.Membership != matrix.Join {
			continue
		}
		for pdu := range room.State().Members() {
			if pdu.Membership() == matrix.Join {
				profile, user := memberProfile(pdu), pdu.Key().StateKey
				known[user] = foundUser{user, profile["display_name"], profile["avatar_url"]}
			}
		}
	}
	for _, user := range c.server.Users() {
		if profile, err := c.server.LocalProfile(user); err == nil {
			known[user] = foundUser{user, profile.DisplayName, profile.AvatarURL}
		}
	}
	return known
}
