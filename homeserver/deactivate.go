package homeserver

import (
	"context"

	"meshsim/matrix"
)

// Deactivate ends a local user's account for good: nobody can log in to it, its devices, keys and data are gone, and it
// leaves its rooms. The name stays taken, as others know it. Rooms that cannot be left are logged and stay as they are.
func (s *Server) Deactivate(ctx context.Context, user string) error {
	s.users.mu.Lock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		s.users.mu.Unlock()
		return err
	}
	a.password = ""
	s.keepAccountLocked(a)
	s.users.mu.Unlock()
	s.Logout(user)
	for _, m := range s.Memberships(user) {
		switch m.Membership {
		case matrix.Join, matrix.Invite, matrix.Knock:
			if err := s.Leave(ctx, user, m.RoomID, nil); err != nil {
				s.log.Info("a deactivated user stays in a room", "user", user, "room", m.RoomID, "error", err)
			}
		}
	}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	s.dropPersonalLocked(a)
	a.profile, a.data, a.filters, a.identity, a.backups, a.pushers = Profile{}, nil, nil, nil, nil, nil
	s.keepAccountLocked(a)
	return nil
}
