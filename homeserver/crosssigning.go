package homeserver

import (
	"cmp"
	"encoding/json"
	"maps"

	"meshsim/matrix"
)

// identity is a user's cross-signing keys (client-server API, cross-signing), and what the user signed of
// others. The lock of users guards it.
type identity struct {
	master, selfSigning, userSigning json.RawMessage
	// vouched are the user's signatures on master keys of other users, which only they get to see: user, key id,
	// signature.
	vouched map[string]map[string]json.RawMessage
}

// CrossSigning are a user's cross-signing keys, nil for those that there are not.
type CrossSigning struct {
	Master      json.RawMessage `json:"master_key,omitempty"`
	SelfSigning json.RawMessage `json:"self_signing_key,omitempty"`
	UserSigning json.RawMessage `json:"user_signing_key,omitempty"` // only the user themselves get to see it
}

// identityLocked needs users.mu.
func (a *account) identityLocked() *identity {
	if a.identity == nil {
		a.identity = &identity{}
	}
	return a.identity
}

// CrossSigningOf returns the cross-signing keys of a local user.
func (s *Server) CrossSigningOf(user string) CrossSigning {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	if a := s.users.accounts[user]; a != nil && a.identity != nil {
		return CrossSigning{a.identity.master, a.identity.selfSigning, a.identity.userSigning}
	}
	return CrossSigning{}
}

// SetCrossSigning replaces those of a user's cross-signing keys that are given. It fails with MissingParam where there is
// no master key, and with InvalidSignature where that has not signed the others ("POST /keys/device_signing/upload").
func (s *Server) SetCrossSigning(user string, keys CrossSigning) error {
	for _, key := range [...]*json.RawMessage{&keys.Master, &keys.SelfSigning, &keys.UserSigning} {
		if err := checkCrossSigning(user, key); err != nil {
			return err
		}
	}
	s.users.mu.Lock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		s.users.mu.Unlock()
		return err
	}
	id := a.identityLocked()
	if id.master == nil && keys.Master == nil {
		s.users.mu.Unlock()
		return failf(MissingParam, "%s has no master key yet: upload it with the others", user)
	}
	if err := keys.checkSigned(user, cmp.Or(string(keys.Master), string(id.master))); err != nil {
		s.users.mu.Unlock()
		return err
	}
	replace(&id.master, keys.Master)
	replace(&id.selfSigning, keys.SelfSigning)
	replace(&id.userSigning, keys.UserSigning)
	s.keepIdentityLocked(a)
	s.users.mu.Unlock()
	s.identityChanged(user)
	return nil
}

// replace leaves a key that is uploaded again what it is: it may have got signatures since.
func replace(key *json.RawMessage, by json.RawMessage) {
	if by != nil && !samePublic(*key, by) {
		*key = by
	}
}

func samePublic(key, other json.RawMessage) bool {
	var a, b struct {
		Keys map[string]string `json:"keys"`
	}
	return key != nil && json.Unmarshal(key, &a) == nil && json.Unmarshal(other, &b) == nil && maps.Equal(a.Keys, b.Keys)
}

// checkCrossSigning refuses what is no cross-signing key of the user, and makes the others canonical.
func checkCrossSigning(user string, key *json.RawMessage) (err error) {
	if *key == nil {
		return nil
	}
	var in struct {
		User string            `json:"user_id"`
		Keys map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(*key, &in); err != nil {
		return fail(BadRequest, err, "a cross-signing key must be a JSON object")
	}
	if in.User != user || len(in.Keys) != 1 {
		return failf(InvalidParam, "a cross-signing key of %s needs this user_id and exactly one key, not %q and %d", user, in.User, len(in.Keys))
	}
	if *key, err = matrix.CanonicalJSONLenient(*key); err != nil {
		return fail(BadRequest, err, "a cross-signing key is malformed")
	}
	return nil
}

// checkSigned refuses keys that the master key has not signed.
func (k CrossSigning) checkSigned(user, master string) error {
	var in struct {
		Keys map[matrix.KeyID]string `json:"keys"`
	}
	if err := json.Unmarshal([]byte(master), &in); err != nil {
		return fail(BadRequest, err, "a cross-signing key is malformed")
	}
	for _, key := range [...]json.RawMessage{k.SelfSigning, k.UserSigning} {
		if key == nil {
			continue
		}
		for id, text := range in.Keys { // there is one
			public, err := matrix.DecodeBase64(text)
			if err != nil {
				return fail(InvalidParam, err, "the master key of %s is no Base64", user)
			}
			if err := matrix.VerifyJSON(key, matrix.ServerName(user), id, public); err != nil {
				return fail(InvalidSignature, err, "the master key of %s must sign the others", user)
			}
		}
	}
	return nil
}

// identityChanged tells clients and other servers that a local user has other cross-signing keys.
func (s *Server) identityChanged(user string) {
	s.keysChanged(user)
	keys := s.CrossSigningOf(user)
	s.sendEDU(EDU{Type: eduSigningKey, Key: user}, struct {
		User string `json:"user_id"`
		CrossSigning
	}{user, CrossSigning{Master: keys.Master, SelfSigning: keys.SelfSigning}}, s.serversWith(user))
}

// Signatures are signed objects by the user whose keys they are and by key or device id.
type Signatures map[string]map[string]json.RawMessage

// AddSignatures adds what a local user signed: their own devices and master key, and master keys of others. It
// returns why signatures were refused, in the same order of things.
func (s *Server) AddSignatures(user string, signed Signatures) (refused map[string]map[string]error) {
	refused = map[string]map[string]error{}
	var devices []string
	for owner, objects := range signed {
		for id, object := range objects {
			err := s.signKey(user, owner, id, object)
			if err == nil && owner == user {
				devices = append(devices, id)
			}
			if err == nil {
				continue
			}
			if refused[owner] == nil {
				refused[owner] = map[string]error{}
			}
			refused[owner][id] = err
		}
	}
	s.signaturesChanged(user, signed, devices)
	return refused
}

// signaturesChanged tells whom it concerns: everybody of a user's own devices, the user alone of others.
func (s *Server) signaturesChanged(user string, signed Signatures, devices []string) {
	for _, id := range devices {
		if _, err := s.DeviceOf(user, id); err == nil {
			s.deviceChanged(user, id)
		} else {
			s.identityChanged(user)
		}
	}
	for owner := range signed {
		if owner != user {
			s.keysChanged(owner)
		}
	}
}

func (s *Server) signKey(user, owner, id string, object json.RawMessage) error {
	var in struct {
		Signatures map[string]map[string]json.RawMessage `json:"signatures"`
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return fail(BadRequest, err, "a signed key must be a JSON object")
	}
	signatures := in.Signatures[user]
	if len(signatures) == 0 {
		return failf(InvalidParam, "the key %s has no signature of %s", id, user)
	}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return err
	}
	if owner != user {
		a.identityLocked().vouch(owner, signatures)
		s.keepIdentityLocked(a)
		return nil
	}
	if device := a.devices[id]; device != nil && device.keys != nil && device.keys.identity != nil {
		device.keys.identity, err = withSignatures(device.keys.identity, user, signatures)
		s.keepDeviceKeysLocked(device)
		return err
	}
	if a.identity == nil || !hasKey(a.identity.master, id) {
		return failf(NotFound, "%s has neither a device nor a master key %s", user, id)
	}
	a.identity.master, err = withSignatures(a.identity.master, user, signatures)
	s.keepIdentityLocked(a)
	return err
}

func (i *identity) vouch(owner string, signatures map[string]json.RawMessage) {
	if i.vouched == nil {
		i.vouched = map[string]map[string]json.RawMessage{}
	}
	if i.vouched[owner] == nil {
		i.vouched[owner] = map[string]json.RawMessage{}
	}
	maps.Copy(i.vouched[owner], signatures)
}

// hasKey says whether a cross-signing key is the one with an id, which is its public key.
func hasKey(key json.RawMessage, id string) bool {
	var in struct {
		Keys map[string]string `json:"keys"`
	}
	if json.Unmarshal(key, &in) != nil {
		return false
	}
	for name := range in.Keys {
		if name == "ed25519:"+id || name == id {
			return true
		}
	}
	return false
}

// withSignatures returns a signed object with further signatures of a user.
func withSignatures(object json.RawMessage, user string, signatures map[string]json.RawMessage) (json.RawMessage, error) {
	var in struct {
		Signatures map[string]map[string]json.RawMessage `json:"signatures"`
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return nil, fail(BadRequest, err, "a signed key must be a JSON object")
	}
	if in.Signatures == nil {
		in.Signatures = map[string]map[string]json.RawMessage{}
	}
	if in.Signatures[user] == nil {
		in.Signatures[user] = map[string]json.RawMessage{}
	}
	maps.Copy(in.Signatures[user], signatures)
	raw, err := json.Marshal(in.Signatures)
	if err != nil {
		return nil, fail(Internal, err, "signatures cannot be encoded")
	}
	with, err := matrix.SetMember(object, "signatures", raw)
	return with, err
}

// Same says whether uploading other would change nothing.
func (k CrossSigning) Same(other CrossSigning) bool {
	same := func(key, given json.RawMessage) bool { return given == nil || samePublic(key, given) }
	return same(k.Master, other.Master) && same(k.SelfSigning, other.SelfSigning) && same(k.UserSigning, other.UserSigning)
}
