package homeserver

import "time"

// TokenLifetime is how long an access token is worth something that can be refreshed. Others do not expire.
const TokenLifetime = time.Hour

// expiry is what a device has whose access token expires.
type expiry struct {
	refresh tokenHash
	until   time.Time // of the access token
}

// MakeRefreshable lets the device's access token expire after [TokenLifetime] and returns the token with which
// to get another one.
func (s *Server) MakeRefreshable(device *Device) (refresh string) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	refresh = s.users.refreshableLocked(device)
	s.keepDeviceLocked(device)
	return refresh
}

func (u *users) refreshableLocked(device *Device) (refresh string) {
	if u.refresh == nil {
		u.refresh = map[tokenHash]*Device{}
	}
	u.dropRefreshLocked(device)
	refresh = newToken()
	device.expiry = &expiry{hashToken(refresh), time.Now().Add(TokenLifetime)}
	u.refresh[device.expiry.refresh] = device
	return refresh
}

// dropRefreshLocked makes a device's refresh token worthless.
func (u *users) dropRefreshLocked(device *Device) {
	if device.expiry != nil {
		delete(u.refresh, device.expiry.refresh)
		device.expiry = nil
	}
}

// Refresh exchanges a refresh token for a new access token and the next refresh token; the old ones are
// worthless from then on. It fails with UnknownToken.
func (s *Server) Refresh(refresh string) (access, next string, err error) {
	u := &s.users
	u.mu.Lock()
	defer u.mu.Unlock()
	device := u.refresh[hashToken(refresh)]
	if device == nil {
		return "", "", failf(UnknownToken, "the refresh token is worth nothing here: log in again")
	}
	access = newToken()
	u.setTokenLocked(device, access)
	next = u.refreshableLocked(device)
	s.keepDeviceLocked(device)
	return access, next, nil
}

// Expired says whether an access token was worth something until it expired: it can be refreshed.
func (s *Server) Expired(token string) bool {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	device := s.users.tokens[hashToken(token)]
	return device != nil && device.expiredLocked()
}

// expiredLocked needs users.mu.
func (d *Device) expiredLocked() bool { return d.expiry != nil && !time.Now().Before(d.expiry.until) }
