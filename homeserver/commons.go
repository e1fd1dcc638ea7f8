package homeserver

import (
	"crypto/ed25519"
	"crypto/sha256"
	"sync"
	"time"
	"weak"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/stateres"
)

// Commons is what the homeservers of one process share: each immutable event is parsed and kept once, each
// signature verified once, each state snapshot kept and each conflict resolved once, each verify key fetched
// once. All of it is a pure function of bytes that every server has received itself, so sharing changes what
// a server costs, not what it does; the exception are verify keys, for which only the first server that needs
// one asks over the network. A private Commons for each server makes every one do its own work.
//
// Commons is safe for concurrent use. Beside the latest results of state resolution it keeps no event and no snapshot of
// the state alive: those that no server refers to any more are forgotten with all that was known of them, so what
// strangers send and no room takes does not stay either.
type Commons struct {
	mu       sync.RWMutex // guards what follows, and is held for writing only where something is new to the process
	known    map[weak.Pointer[event.PDU]]*knowledge
	parsed   map[[sha256.Size]byte]weak.Pointer[event.PDU] // by the hash of their canonical bytes
	events   map[matrix.EventID]forms                      // checked ones
	recalled map[int64]weak.Pointer[event.PDU]             // by their numbers in a store

	states   snapshots
	resolved resolutions // the latest results of state resolution

	shrinking sync.Mutex // held while an image is made smaller

	keyMu sync.RWMutex
	keys  map[keyName]verifyKey
}

type keyName struct{ server, id string }

type verifyKey struct {
	key        ed25519.PublicKey
	validUntil time.Time
}

// NewCommons returns an empty Commons.
func NewCommons() *Commons {
	return &Commons{
		known:    map[weak.Pointer[event.PDU]]*knowledge{},
		parsed:   map[[sha256.Size]byte]weak.Pointer[event.PDU]{},
		events:   map[matrix.EventID]forms{},
		recalled: map[int64]weak.Pointer[event.PDU]{},
		keys:     map[keyName]verifyKey{},
	}
}

// parse reads a PDU, once for all servers that receive the same bytes. It is kept once its signatures were found right:
// strangers could send any number of others.
func (c *Commons) parse(raw []byte, version *matrix.RoomVersion) (*event.PDU, error) {
	sum := sha256.Sum256(raw)
	c.mu.RLock()
	pdu := c.parsed[sum].Value()
	c.mu.RUnlock()
	if pdu != nil && pdu.Version() == version {
		return pdu, nil
	}
	return event.Parse(raw, version)
}

// keep returns the one PDU of the process with the bytes of pdu.
func (c *Commons) keep(pdu *event.PDU) *event.PDU {
	sum := sha256.Sum256(pdu.JSON())
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.parsed[sum].Value(); known != nil && known.Version() == pdu.Version() {
		return known
	}
	c.parsed[sum] = weak.Make(pdu)
	c.knowledgeLocked(pdu).sum = sum
	return pdu
}

// Recall returns the event that a store of this process has under a number, reading it once for all servers.
func (c *Commons) Recall(number int64, read func() (StoredEvent, error)) (*event.PDU, error) {
	c.mu.RLock()
	pdu := c.recalled[number].Value()
	c.mu.RUnlock()
	if pdu != nil {
		return pdu, nil
	}
	stored, err := read()
	if err != nil {
		return nil, err
	}
	version, err := matrix.LookupRoomVersion(stored.Version)
	if err != nil {
		return nil, err
	}
	if pdu, err = event.Parse(stored.JSON, version); err != nil {
		return nil, err
	}
	if stored.Redacted {
		pdu = pdu.Redact()
	} else {
		pdu = c.keep(pdu)
		c.setVerdict(pdu, true)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recalled[number] = weak.Make(pdu)
	c.knowledgeLocked(pdu).number = number
	return pdu, nil
}

// intern returns the one snapshot with these entries, nil for none. It takes the less time the less they differ from
// another snapshot, near, which may be nil.
func (c *Commons) intern(ids stateres.State, near *State) *State {
	if ids.Len() == 0 {
		return nil
	}
	if known := c.states.find(ids); known != nil {
		return known
	}
	return c.states.add(&State{ids: ids, joined: near.joinedAfter(c, ids), commons: c})
}

// Key returns a verify key of a server that is known to be valid at a time.
func (c *Commons) Key(server, id string, at time.Time) (ed25519.PublicKey, bool) {
	c.keyMu.RLock()
	defer c.keyMu.RUnlock()
	k, ok := c.keys[keyName{server, id}]
	if !ok || at.After(k.validUntil) {
		return nil, false
	}
	return k.key, true
}

// SetKey remembers a verify key of a server. A shorter validity than is known already changes nothing.
func (c *Commons) SetKey(server, id string, key ed25519.PublicKey, validUntil time.Time) {
	c.keyMu.Lock()
	defer c.keyMu.Unlock()
	known, ok := c.keys[keyName{server, id}]
	if ok && known.key.Equal(key) && known.validUntil.After(validUntil) {
		return
	}
	c.keys[keyName{server, id}] = verifyKey{key, validUntil}
}
