package homeserver

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// tokenPrefix makes a leaked access token recognisable for what it is.
const tokenPrefix = "msh_"

// tokenBytes is the entropy of an access token, in bytes.
const tokenBytes = 24

// tokenHash is what is kept of an access token.
type tokenHash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h tokenHash) String() string { return hex.EncodeToString(h[:]) }

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }

// Device is one login of a user. It has at most one access token at a time. It is safe for concurrent use.
type Device struct {
	User string // full id
	ID   string

	name   string    // users.mu guards it
	token  tokenHash // users.mu guards it
	seen   atomic.Int64
	txns   transactions
	expiry *expiry     // users.mu guards it; nil while the access token is worth something for good
	inbox  []ToDevice  // users.mu guards it; ascending positions
	keys   *deviceKeys // users.mu guards it and what it leads to; nil until the device uploads any
}

// DeviceInfo is what a user is shown of one of their devices.
type DeviceInfo struct {
	ID       string
	Name     string    // chosen by the client, may be empty
	LastSeen time.Time // of the last request
}

// Login makes a device with a new access token. An empty id asks for one to be made up; naming a device that
// exists replaces its token and keeps its name.
func (s *Server) Login(user, id, name string) (device *Device, token string, err error) {
	u := &s.users
	u.mu.Lock()
	defer u.mu.Unlock()
	a, err := u.accountLocked(user)
	if err != nil {
		return nil, "", err
	}
	if id == "" {
		id = rand.Text()[:10]
	}
	device = a.devices[id]
	if device == nil {
		device = &Device{User: user, ID: id, name: name}
		if a.devices == nil {
			a.devices = map[string]*Device{}
		}
		a.devices[id] = device
	}
	token = newToken()
	u.setTokenLocked(device, token)
	u.dropRefreshLocked(device)
	device.seen.Store(time.Now().UnixMilli())
	s.keepDeviceLocked(device)
	return device, token, nil
}

func newToken() string {
	var raw [tokenBytes]byte
	rand.Read(raw[:]) // never fails (crypto/rand)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
}

func (u *users) setTokenLocked(device *Device, token string) {
	delete(u.tokens, device.token)
	if u.tokens == nil {
		u.tokens = map[tokenHash]*Device{}
	}
	device.token = hashToken(token)
	u.tokens[device.token] = device
}

// Authenticate returns the device that an access token belongs to and notes that it was seen.
func (s *Server) Authenticate(token string) (*Device, bool) {
	s.users.mu.RLock()
	device := s.users.tokens[hashToken(token)]
	worthless := device == nil || device.expiredLocked()
	s.users.mu.RUnlock()
	if worthless {
		return nil, false
	}
	device.seen.Store(time.Now().UnixMilli())
	return device, true
}

// Devices returns the devices of a local user, in no order.
func (s *Server) Devices(user string) ([]DeviceInfo, error) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return nil, err
	}
	infos := make([]DeviceInfo, 0, len(a.devices))
	for _, device := range a.devices {
		infos = append(infos, device.infoLocked())
	}
	return infos, nil
}

// DeviceOf returns one device of a local user.
func (s *Server) DeviceOf(user, id string) (DeviceInfo, error) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	device, err := s.users.deviceLocked(user, id)
	if err != nil {
		return DeviceInfo{}, err
	}
	return device.infoLocked(), nil
}

// RenameDevice gives a device of a local user another name.
func (s *Server) RenameDevice(user, id, name string) error {
	s.users.mu.Lock()
	device, err := s.users.deviceLocked(user, id)
	if err != nil {
		s.users.mu.Unlock()
		return err
	}
	device.name = name
	s.keepDeviceLocked(device)
	encrypts := device.keys != nil
	s.users.mu.Unlock()
	if encrypts {
		s.deviceChanged(user, id)
	}
	return nil
}

// Logout ends devices of a local user: their tokens are worthless from now on. No ids means all devices;
// unknown ids are ignored.
func (s *Server) Logout(user string, ids ...string) {
	for _, id := range s.endDevices(user, ids) {
		s.deviceChanged(user, id)
	}
}

// endDevices returns the ids of the devices that were there to be ended and had encryption keys.
func (s *Server) endDevices(user string, ids []string) (encrypting []string) {
	u := &s.users
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.accounts[user]
	if a == nil {
		return nil
	}
	if len(ids) == 0 {
		ids = slices.Collect(maps.Keys(a.devices))
	}
	for _, id := range ids {
		device := a.devices[id]
		if device == nil {
			continue
		}
		delete(u.tokens, device.token)
		u.dropRefreshLocked(device)
		delete(a.devices, id)
		s.dropDeviceLocked(device)
		s.dropPushersOfLocked(a, id)
		if device.keys != nil {
			encrypting = append(encrypting, id)
		}
	}
	return encrypting
}

func (u *users) deviceLocked(user, id string) (*Device, error) {
	a, err := u.accountLocked(user)
	if err != nil {
		return nil, err
	}
	device := a.devices[id]
	if device == nil {
		return nil, failf(NotFound, "%s has no device %q", user, id)
	}
	return device, nil
}

// infoLocked needs users.mu.
func (d *Device) infoLocked() DeviceInfo {
	return DeviceInfo{ID: d.ID, Name: d.name, LastSeen: time.UnixMilli(d.seen.Load())}
}
