package homeserver

import (
	"encoding/json"
	"slices"
)

// maxPushers is how many pushers a user has at most.
const maxPushers = 100

// Pusher says where a client wants to be told of notifications. This server keeps and shows pushers, and tells nobody:
// what they name is outside of the mesh.
type Pusher struct {
	Key        string          `json:"pushkey"`
	Kind       string          `json:"kind"`
	AppID      string          `json:"app_id"`
	AppName    string          `json:"app_display_name"`
	DeviceName string          `json:"device_display_name"`
	ProfileTag string          `json:"profile_tag,omitempty"`
	Lang       string          `json:"lang"`
	Data       json.RawMessage `json:"data"`

	// Device is the device that set it: when that is gone, so is the pusher.
	Device string `json:"-"`
}

func (p Pusher) is(appID, key string) bool { return p.AppID == appID && p.Key == key }

// Pushers returns the pushers of a local user.
func (s *Server) Pushers(user string) []Pusher {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return nil
	}
	return slices.Clone(a.pushers)
}

// SetPusher adds a pusher in place of the user's other one for the same app and key. alone takes it from the other users
// of this server too.
func (s *Server) SetPusher(user string, pusher Pusher, alone bool) error {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return err
	}
	s.dropPusherLocked(a, pusher.AppID, pusher.Key)
	if len(a.pushers) >= maxPushers {
		return failf(LimitExceeded, "%s has %d pushers, which is as many as there may be: remove one", user, maxPushers)
	}
	if alone {
		for _, other := range s.users.accounts {
			s.dropPusherLocked(other, pusher.AppID, pusher.Key)
		}
	}
	a.pushers = append(a.pushers, pusher)
	s.keepAccountLocked(a)
	return nil
}

// dropPushersOfLocked removes what a device has set that is no more.
func (s *Server) dropPushersOfLocked(a *account, device string) {
	kept := slices.DeleteFunc(slices.Clone(a.pushers), func(p Pusher) bool { return p.Device == device })
	if len(kept) != len(a.pushers) {
		a.pushers = kept
		s.keepAccountLocked(a)
	}
}

// DropPusher removes a pusher, if there is one.
func (s *Server) DropPusher(user, appID, key string) error {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err == nil {
		s.dropPusherLocked(a, appID, key)
	}
	return err
}

func (s *Server) dropPusherLocked(a *account, appID, key string) {
	kept := slices.DeleteFunc(slices.Clone(a.pushers), func(p Pusher) bool { return p.is(appID, key) })
	if len(kept) != len(a.pushers) {
		a.pushers = kept
		s.keepAccountLocked(a)
	}
}
