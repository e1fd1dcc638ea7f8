package homeserver

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// UserKeys are the public keys of one user.
type UserKeys struct {
	Devices map[string]json.RawMessage // by device id
	CrossSigning
}

// KeyAnswer is the answer of keys/query. Failures are the servers that could not be asked; clients insist on them.
type KeyAnswer struct {
	Devices     map[string]map[string]json.RawMessage `json:"device_keys"`
	Master      map[string]json.RawMessage            `json:"master_keys,omitempty"`
	SelfSigning map[string]json.RawMessage            `json:"self_signing_keys,omitempty"`
	UserSigning map[string]json.RawMessage            `json:"user_signing_keys,omitempty"`
	Failures    map[string]json.RawMessage            `json:"failures,omitzero"`
}

// KeyQuery asks for the keys of users' devices; no devices stand for all.
type KeyQuery map[string][]string

// KeyClaim asks for a one-time key of an algorithm for each device of users.
type KeyClaim map[string]map[string]string

// ClaimAnswer is the answer of keys/claim: keys by user, device and key id.
type ClaimAnswer struct {
	Keys     map[string]map[string]map[string]json.RawMessage `json:"one_time_keys"`
	Failures map[string]json.RawMessage                       `json:"failures,omitzero"`
}

// remoteUser are the keys of a user of another server as it last told them.
type remoteUser struct {
	keys  UserKeys
	stale bool // they have changed since
}

// unreachableFailure says of a server that it did not answer.
var unreachableFailure = json.RawMessage(`{"errcode":"M_UNREACHABLE","error":"the server does not answer"}`)

// keysOf returns the public keys of a local user as others see them.
func (s *Server) keysOf(user string, devices []string) (keys UserKeys, ok bool) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a := s.users.accounts[user]
	if a == nil {
		return keys, false
	}
	keys.Devices = map[string]json.RawMessage{}
	for id, device := range a.devices {
		if len(devices) > 0 && !slices.Contains(devices, id) {
			continue
		}
		if public := device.publicKeysLocked(); public != nil {
			keys.Devices[id] = public
		}
	}
	if a.identity != nil {
		keys.Master, keys.SelfSigning = a.identity.master, a.identity.selfSigning
	}
	return keys, true
}

// ServeKeys answers another server's user/keys/query.
func (s *Server) ServeKeys(q KeyQuery) KeyAnswer {
	answer := newKeyAnswer()
	for user, devices := range q {
		if keys, ok := s.keysOf(user, devices); ok {
			answer.add(user, keys)
		}
	}
	return answer
}

func newKeyAnswer() KeyAnswer {
	return KeyAnswer{
		Devices: map[string]map[string]json.RawMessage{}, Master: map[string]json.RawMessage{},
		SelfSigning: map[string]json.RawMessage{}, UserSigning: map[string]json.RawMessage{}, Failures: map[string]json.RawMessage{},
	}
}

func (a *KeyAnswer) add(user string, keys UserKeys) {
	a.Devices[user] = keys.Devices
	if keys.Master != nil {
		a.Master[user] = keys.Master
	}
	if keys.SelfSigning != nil {
		a.SelfSigning[user] = keys.SelfSigning
	}
	if keys.UserSigning != nil {
		a.UserSigning[user] = keys.UserSigning
	}
}

// QueryKeys answers a local user's keys/query, asking other servers for their users' keys at the same time.
// Keys that are known to be current are not asked for again; those of a server that does not answer are the
// last that it told.
func (s *Server) QueryKeys(ctx context.Context, asker string, q KeyQuery) KeyAnswer {
	answer := newKeyAnswer()
	elsewhere := map[string]KeyQuery{}
	for user, devices := range q {
		server := serverOf(user)
		if server == s.cfg.Name {
			if keys, ok := s.keysOf(user, devices); ok {
				answer.add(user, keys)
			}
			continue
		}
		if keys, current := s.remembered(user); current {
			answer.add(user, keys.only(devices))
			continue
		}
		if elsewhere[server] == nil {
			elsewhere[server] = KeyQuery{}
		}
		elsewhere[server][user] = devices
	}
	s.queryElsewhere(ctx, elsewhere, &answer)
	s.addPrivate(asker, &answer)
	return answer
}

// only leaves the keys of some devices, all when none are named.
func (k UserKeys) only(devices []string) UserKeys {
	if len(devices) == 0 {
		return k
	}
	some := map[string]json.RawMessage{}
	for _, id := range devices {
		if key := k.Devices[id]; key != nil {
			some[id] = key
		}
	}
	k.Devices = some
	return k
}

// remembered returns what another server last told of a user's keys, and whether it would have told of changes.
func (s *Server) remembered(user string) (keys UserKeys, current bool) {
	d := &s.users.deviceLists
	d.mu.Lock()
	known := d.remote[user]
	if known != nil {
		keys, current = known.keys, !known.stale
	}
	d.mu.Unlock()
	return keys, current && s.knows(user)
}

// queryElsewhere asks each server for all devices of its users, so that the answers can be remembered.
func (s *Server) queryElsewhere(ctx context.Context, elsewhere map[string]KeyQuery, answer *KeyAnswer) {
	askEach(elsewhere, func(server string, q KeyQuery) (map[string]UserKeys, error) {
		return s.queryServer(ctx, server, q)
	}, func(server string, got map[string]UserKeys, err error) {
		if err != nil {
			s.log.Debug("keys are not to be had", "server", server, "error", err)
		}
		for user, devices := range elsewhere[server] {
			keys, ok := got[user]
			if err != nil {
				keys, _ = s.remembered(user)
				ok = keys.Devices != nil
			}
			if ok {
				answer.add(user, keys.only(devices))
			} else if err != nil {
				answer.Failures[server] = unreachableFailure
			}
		}
	})
}

// askEach asks servers at the same time and hands on each answer, one after the other, until all are there.
func askEach[Q, A any](questions map[string]Q, ask func(server string, q Q) (A, error), each func(server string, answer A, err error)) {
	var (
		mu    sync.Mutex
		under sync.WaitGroup
	)
	for server, q := range questions {
		under.Go(func() {
			answer, err := ask(server, q)
			mu.Lock()
			defer mu.Unlock()
			each(server, answer, err)
		})
	}
	under.Wait()
}

func (s *Server) queryServer(ctx context.Context, server string, q KeyQuery) (map[string]UserKeys, error) {
	if s.cfg.Remote == nil {
		return nil, failf(Unreachable, "this server has no federation to ask %s", server)
	}
	all := KeyQuery{}
	asked := map[string]Position{}
	for user := range q {
		all[user], asked[user] = []string{}, s.deviceListAt(user)
	}
	answer, err := s.cfg.Remote.QueryKeys(ctx, server, all)
	if err != nil {
		return nil, err
	}
	got := map[string]UserKeys{}
	for user := range q {
		devices := answer.Devices[user]
		if devices == nil {
			continue
		}
		got[user] = UserKeys{devices, CrossSigning{Master: answer.Master[user], SelfSigning: answer.SelfSigning[user]}}
		s.remember(user, got[user], asked[user])
	}
	return got, nil
}

// remember keeps what another server told of a user's keys when the latest change known was at a position. They
// are stale already when there has been another since.
func (s *Server) remember(user string, keys UserKeys, at Position) {
	d := &s.users.deviceLists
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remote == nil {
		d.remote = map[string]*remoteUser{}
	}
	d.remote[user] = &remoteUser{keys: keys, stale: d.changes[user] != at}
}

// addPrivate adds what only the asker gets to see: their user-signing key, and what they signed of others.
func (s *Server) addPrivate(asker string, answer *KeyAnswer) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a := s.users.accounts[asker]
	if a == nil || a.identity == nil {
		return
	}
	if _, asked := answer.Devices[asker]; asked && a.identity.userSigning != nil {
		answer.UserSigning[asker] = a.identity.userSigning
	}
	for user, signatures := range a.identity.vouched {
		if master := answer.Master[user]; master != nil {
			if with, err := withSignatures(master, asker, signatures); err == nil {
				answer.Master[user] = with
			}
		}
	}
}

// ServeClaim answers another server's user/keys/claim.
func (s *Server) ServeClaim(claim KeyClaim) ClaimAnswer {
	answer := ClaimAnswer{Keys: map[string]map[string]map[string]json.RawMessage{}, Failures: map[string]json.RawMessage{}}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	for user, devices := range claim {
		for id, algorithm := range devices {
			device, err := s.users.deviceLocked(user, id)
			if err != nil {
				continue
			}
			if key, ok := device.keys.claim(algorithm); ok {
				answer.add(user, id, key)
				s.keepDeviceKeysLocked(device)
			}
		}
	}
	return answer
}

func (a *ClaimAnswer) add(user, device string, key namedKey) {
	if a.Keys[user] == nil {
		a.Keys[user] = map[string]map[string]json.RawMessage{}
	}
	a.Keys[user][device] = map[string]json.RawMessage{key.id: key.key}
}

// ClaimKeys answers a local user's keys/claim, asking all other servers concerned at the same time.
func (s *Server) ClaimKeys(ctx context.Context, claim KeyClaim) ClaimAnswer {
	byServer := map[string]KeyClaim{}
	for user, devices := range claim {
		server := serverOf(user)
		if byServer[server] == nil {
			byServer[server] = KeyClaim{}
		}
		byServer[server][user] = devices
	}
	answer := s.ServeClaim(byServer[s.cfg.Name])
	delete(byServer, s.cfg.Name)
	askEach(byServer, func(server string, claim KeyClaim) (ClaimAnswer, error) {
		return s.claimServer(ctx, server, claim)
	}, func(server string, got ClaimAnswer, err error) {
		if err != nil {
			s.log.Debug("keys cannot be claimed", "server", server, "error", err)
			answer.Failures[server] = unreachableFailure
		}
		for user := range byServer[server] {
			if keys := got.Keys[user]; keys != nil {
				answer.Keys[user] = keys
			}
		}
	})
	return answer
}

func (s *Server) claimServer(ctx context.Context, server string, claim KeyClaim) (ClaimAnswer, error) {
	if s.cfg.Remote == nil {
		return ClaimAnswer{}, failf(Unreachable, "this server has no federation to ask %s", server)
	}
	return s.cfg.Remote.ClaimKeys(ctx, server, claim)
}

// DeviceListing is the answer of user/devices.
type DeviceListing struct {
	User        string          `json:"user_id"`
	StreamID    Position        `json:"stream_id"`
	Devices     []ListedDevice  `json:"devices"`
	Master      json.RawMessage `json:"master_key,omitempty"`
	SelfSigning json.RawMessage `json:"self_signing_key,omitempty"`
}

// ListedDevice is a device of a user with its keys.
type ListedDevice struct {
	ID   string          `json:"device_id"`
	Name string          `json:"device_display_name,omitempty"`
	Keys json.RawMessage `json:"keys"`
}

// ServeDevices answers another server's user/devices: the devices that have keys.
func (s *Server) ServeDevices(user string) (DeviceListing, error) {
	listing := DeviceListing{User: user, StreamID: s.deviceListAt(user), Devices: []ListedDevice{}}
	keys, ok := s.keysOf(user, nil)
	if !ok {
		return listing, failf(NotFound, "there is no user %s on this server", user)
	}
	listing.Master, listing.SelfSigning = keys.Master, keys.SelfSigning
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	for id, device := range s.users.accounts[user].devices {
		if public := keys.Devices[id]; public != nil {
			listing.Devices = append(listing.Devices, ListedDevice{id, device.name, public})
		}
	}
	slices.SortFunc(listing.Devices, func(a, b ListedDevice) int { return strings.Compare(a.ID, b.ID) })
	return listing, nil
}
