package homeserver

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"meshsim/matrix"
)

// maxOneTimeKeys bounds the one-time keys of a device; clients keep about 50.
const maxOneTimeKeys = 1000

// deviceKeys are the public keys of a device for end-to-end encryption. The server understands none of them.
type deviceKeys struct {
	identity json.RawMessage       // device_keys with all signatures; nil while only one-time keys are there
	oneTime  map[string][]namedKey // by algorithm, oldest first
	fallback map[string]fallbackKey
}

// namedKey is a one-time key and its id, algorithm included ("signed_curve25519:AAAAHQ").
type namedKey struct {
	id  string
	key json.RawMessage
}

type fallbackKey struct {
	namedKey
	used bool
}

// KeyUpload is what a device publishes with keys/upload. All members are optional.
type KeyUpload struct {
	Device   json.RawMessage            `json:"device_keys"`
	OneTime  map[string]json.RawMessage `json:"one_time_keys"` // by algorithm:id
	Fallback map[string]json.RawMessage `json:"fallback_keys"`
}

// UploadKeys adds public keys of a device and returns how many one-time keys there are, by algorithm. A
// one-time key whose id is taken by another is refused with InvalidParam.
func (s *Server) UploadKeys(device *Device, upload KeyUpload) (counts map[string]int, err error) {
	if err := upload.check(device); err != nil {
		return nil, err
	}
	if len(upload.Device) > 0 {
		if upload.Device, err = matrix.CanonicalJSONLenient(upload.Device); err != nil {
			return nil, fail(BadRequest, err, "device_keys are malformed")
		}
	}
	s.users.mu.Lock()
	if device.keys == nil {
		device.keys = &deviceKeys{}
	}
	changed, err := device.keys.add(upload)
	counts = device.keys.counts()
	s.keepDeviceKeysLocked(device)
	s.users.mu.Unlock()
	if changed {
		s.deviceChanged(device.User, device.ID)
	}
	return counts, err
}

// check refuses identity keys that are another device's, and ids without an algorithm.
func (u KeyUpload) check(device *Device) error {
	if len(u.Device) > 0 {
		var in struct {
			User   string `json:"user_id"`
			Device string `json:"device_id"`
		}
		if err := json.Unmarshal(u.Device, &in); err != nil {
			return fail(BadRequest, err, "device_keys must be a JSON object")
		}
		if in.User != device.User || in.Device != device.ID {
			return failf(InvalidParam, "device_keys are those of device %q of %q, not of %q of %s", in.Device, in.User, device.ID, device.User)
		}
	}
	for id := range u.OneTime {
		if algorithmOf(id) == "" {
			return failf(InvalidParam, "the key id %q does not have the form algorithm:id", id)
		}
	}
	for id := range u.Fallback {
		if algorithmOf(id) == "" {
			return failf(InvalidParam, "the key id %q does not have the form algorithm:id", id)
		}
	}
	return nil
}

func algorithmOf(id string) string {
	algorithm, _, found := strings.Cut(id, ":")
	if !found {
		return ""
	}
	return algorithm
}

// add needs users.mu. It reports whether the device's identity changed.
func (k *deviceKeys) add(u KeyUpload) (changed bool, err error) {
	for _, id := range slices.Sorted(maps.Keys(u.OneTime)) {
		if err := k.addOneTime(id, u.OneTime[id]); err != nil {
			return false, err
		}
	}
	for id, key := range u.Fallback {
		if k.fallback == nil {
			k.fallback = map[string]fallbackKey{}
		}
		k.fallback[algorithmOf(id)] = fallbackKey{namedKey: namedKey{id, key}}
	}
	if len(u.Device) == 0 || bytes.Equal(u.Device, k.identity) {
		return false, nil
	}
	k.identity = u.Device
	return true, nil
}

func (k *deviceKeys) addOneTime(id string, key json.RawMessage) error {
	algorithm := algorithmOf(id)
	for _, known := range k.oneTime[algorithm] {
		if known.id != id {
			continue
		}
		if !sameJSON(known.key, key) {
			return failf(InvalidParam, "there is another one-time key %s already", id)
		}
		return nil
	}
	if len(k.oneTime[algorithm]) >= maxOneTimeKeys {
		return failf(InvalidParam, "there are %d one-time keys already: use these first", maxOneTimeKeys)
	}
	if k.oneTime == nil {
		k.oneTime = map[string][]namedKey{}
	}
	k.oneTime[algorithm] = append(k.oneTime[algorithm], namedKey{id, key})
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	first, err := matrix.CanonicalJSONLenient(a)
	if err != nil {
		return false
	}
	second, err := matrix.CanonicalJSONLenient(b)
	return err == nil && bytes.Equal(first, second)
}

// counts needs users.mu. signed_curve25519 is always there: a client that sees no count makes no keys.
func (k *deviceKeys) counts() map[string]int {
	counts := map[string]int{"signed_curve25519": 0}
	if k == nil {
		return counts
	}
	for algorithm, keys := range k.oneTime {
		counts[algorithm] = len(keys)
	}
	return counts
}

// KeyCounts say how many one-time keys of a device are left, by algorithm, and for which algorithms its
// fallback key has not been used.
type KeyCounts struct {
	OneTime        map[string]int
	UnusedFallback []string // sorted
}

func (s *Server) keyCounts(device *Device) KeyCounts {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	counts := KeyCounts{OneTime: device.keys.counts(), UnusedFallback: []string{}}
	if device.keys == nil {
		return counts
	}
	for algorithm, key := range device.keys.fallback {
		if !key.used {
			counts.UnusedFallback = append(counts.UnusedFallback, algorithm)
		}
	}
	slices.Sort(counts.UnusedFallback)
	return counts
}

// claim needs users.mu. It gives a one-time key away, or shows the fallback key when there is none.
func (k *deviceKeys) claim(algorithm string) (namedKey, bool) {
	if k == nil {
		return namedKey{}, false
	}
	if keys := k.oneTime[algorithm]; len(keys) > 0 {
		k.oneTime[algorithm] = slices.Clone(keys[1:])
		return keys[0], true
	}
	last, ok := k.fallback[algorithm]
	if !ok {
		return namedKey{}, false
	}
	last.used = true
	k.fallback[algorithm] = last
	return last.namedKey, true
}

// publicKeysLocked returns the device's identity keys with its name, as others are shown them; nil for none.
func (d *Device) publicKeysLocked() json.RawMessage {
	if d.keys == nil || d.keys.identity == nil {
		return nil
	}
	if d.name == "" {
		return d.keys.identity
	}
	named, err := json.Marshal(map[string]string{"device_display_name": d.name})
	if err != nil {
		return d.keys.identity
	}
	with, err := matrix.SetMember(d.keys.identity, "unsigned", named)
	if err != nil {
		return d.keys.identity
	}
	return with
}
