package homeserver

// Profile is what a user tells everybody. Empty fields are not set.
type Profile struct {
	DisplayName string `json:"displayname,omitempty"`
	AvatarURL   string `json:"avatar_url,omitempty"`
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

// EditProfile changes the profile of a local user and returns whether it differs now. The rooms that the
// user is in are not told: that is the client API's part, which sends new member events.
func (s *Server) EditProfile(user string, edit func(*Profile)) (changed bool, err error) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return false, err
	}
	before := a.profile
	edit(&a.profile)
	if changed = a.profile != before; changed {
		s.keepAccountLocked(a)
	}
	return changed, nil
}
