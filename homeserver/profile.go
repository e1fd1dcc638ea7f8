package homeserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
)

// maxProfile bounds a profile, in bytes of JSON (client-server API, profiles).
const maxProfile = 64 << 10

// ErrProfileTooLarge says that a profile would exceed its bound.
var ErrProfileTooLarge = errors.New("a profile has at most 64 KiB")

// Profile is what a user tells everybody. Empty fields are not set.
type Profile struct {
	DisplayName string
	AvatarURL   string
	// Other are fields with names of their own, e.g. m.tz. The map is not changed once it is in a profile.
	Other map[string]json.RawMessage
}

// MarshalJSON implements json.Marshaler: all fields stand side by side.
func (p Profile) MarshalJSON() ([]byte, error) {
	fields := make(map[string]any, len(p.Other)+2)
	for name, value := range p.Other {
		fields[name] = value
	}
	if p.DisplayName != "" {
		fields["displayname"] = p.DisplayName
	}
	if p.AvatarURL != "" {
		fields["avatar_url"] = p.AvatarURL
	}
	return json.Marshal(fields)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Profile) UnmarshalJSON(raw []byte) error {
	var named struct {
		DisplayName string `json:"displayname"`
		AvatarURL   string `json:"avatar_url"`
	}
	if err := json.Unmarshal(raw, &named); err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	delete(fields, "displayname")
	delete(fields, "avatar_url")
	if len(fields) == 0 {
		fields = nil
	}
	*p = Profile{named.DisplayName, named.AvatarURL, fields}
	return nil
}

// Only leaves one field, all for "". It reports whether that is set.
func (p Profile) Only(field string) (Profile, bool) {
	switch field {
	case "":
		return p, true
	case "displayname":
		return Profile{DisplayName: p.DisplayName}, p.DisplayName != ""
	case "avatar_url":
		return Profile{AvatarURL: p.AvatarURL}, p.AvatarURL != ""
	}
	value, ok := p.Other[field]
	return Profile{Other: map[string]json.RawMessage{field: value}}, ok
}

// SetOther sets a field with a name of its own, or takes it out where value is nil.
func (p *Profile) SetOther(field string, value json.RawMessage) {
	other := maps.Clone(p.Other)
	if other == nil {
		other = map[string]json.RawMessage{}
	}
	delete(other, field)
	if value != nil {
		other[field] = value
	}
	p.Other = other
}

// equal says whether two profiles have the same fields, byte by byte.
func (p Profile) equal(other Profile) bool {
	return p.DisplayName == other.DisplayName && p.AvatarURL == other.AvatarURL &&
		maps.EqualFunc(p.Other, other.Other, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// LocalProfile returns the profile of a local user.
func (s *Server) LocalProfile(user string) (Profile, error) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return Profile{}, err
	}
	return a.profile, nil
}

// EditProfile changes the profile of a local user and returns whether the name or the picture differ now. The rooms that
// the user is in are not told: that is the client API's part, which sends new member events.
func (s *Server) EditProfile(user string, edit func(*Profile)) (changed bool, err error) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return false, err
	}
	after := a.profile
	edit(&after)
	if after.equal(a.profile) {
		return false, nil
	}
	if raw, err := json.Marshal(after); err != nil || len(raw) > maxProfile {
		return false, fail(TooLarge, ErrProfileTooLarge, "the profile of %s was not changed", user)
	}
	changed = after.DisplayName != a.profile.DisplayName || after.AvatarURL != a.profile.AvatarURL
	a.profile = after
	s.keepAccountLocked(a)
	return changed, nil
}
