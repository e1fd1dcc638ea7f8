package clientapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

func getProfile(c *call) (any, error) { return c.profile("") }

func getProfileField(c *call) (any, error) { return c.profile(c.vars["field"]) }

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
	shown, ok := profile.Only(field)
	if !ok {
		return nil, notFound("%s has no %s", user, field)
	}
	return shown, nil
}

// Bounds on a profile, in bytes. Member events carry the name and the picture.
const (
	maxProfileField = 1024
	maxProfileKey   = 255
)

// profileKey is the grammar of common namespaced identifiers.
var profileKey = regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`)

// putProfileField sets one field: the body holds it under its own name.
func putProfileField(c *call) (any, error) {
	field, err := c.profileField()
	if err != nil {
		return nil, err
	}
	var in map[string]json.RawMessage
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	value, ok := in[field]
	if !ok {
		return nil, missing("the request lacks %s", field)
	}
	return c.setProfileField(field, value)
}

// deleteProfileField removes one field, if it is set.
func deleteProfileField(c *call) (any, error) {
	field, err := c.profileField()
	if err != nil {
		return nil, err
	}
	return c.setProfileField(field, nil)
}

func (c *call) profileField() (string, error) {
	field := c.vars["field"]
	if err := c.own("userId"); err != nil {
		return "", err
	}
	if len(field) > maxProfileKey {
		return "", errorf(http.StatusBadRequest, "M_KEY_TOO_LARGE", "the field's name has more than %d bytes", maxProfileKey)
	}
	if !profileKey.MatchString(field) {
		return "", invalid("%q cannot name a field of a profile: it must be a-z followed by any of a-z, 0-9, _, - and .", field)
	}
	return field, nil
}

// setProfileField sets a field, or removes it where value is nil.
func (c *call) setProfileField(field string, value json.RawMessage) (any, error) {
	edit := func(p *homeserver.Profile) { p.SetOther(field, value) }
	if field == "displayname" || field == "avatar_url" {
		text, err := profileText(field, value)
		if err != nil {
			return nil, err
		}
		edit = func(p *homeserver.Profile) {
			if field == "displayname" {
				p.DisplayName = text
			} else {
				p.AvatarURL = text
			}
		}
	}
	changed, err := c.server.EditProfile(c.user(), edit)
	if errors.Is(err, homeserver.ErrProfileTooLarge) {
		return nil, errorf(http.StatusBadRequest, "M_PROFILE_TOO_LARGE", "%v", err)
	}
	if err != nil || !changed {
		return empty{}, err
	}
	return empty{}, c.spreadProfile()
}

// profileText reads a field that rooms are told of; none is "".
func profileText(field string, value json.RawMessage) (text string, err error) {
	if value != nil && json.Unmarshal(value, &text) != nil {
		return "", badJSON("%s must be a JSON string", field)
	}
	if len(text) > maxProfileField {
		return "", invalid("%s has more than %d bytes", field, maxProfileField)
	}
	return text, nil
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
