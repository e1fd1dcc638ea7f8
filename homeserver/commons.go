package homeserver

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Commons is what the homeservers of one process share: each immutable event is parsed and kept once, each
// signature verified once, each state snapshot kept and each conflict resolved once, each verify key fetched
// once. All of it is a pure function of bytes that every server has received itself, so sharing changes what
// a server costs, not what it does; the exception are verify keys, which the second server that needs one
// does not ask for over the network. A private Commons for each server makes every one do its own work.
//
// Commons is safe for concurrent use. It grows with the events of the process and is never emptied.
type Commons struct {
	mu       sync.RWMutex
	events   map[[sha256.Size]byte]*event.PDU // by the hash of their canonical bytes and the room version
	redacted map[*event.PDU]*event.PDU        // redacted forms
	verified map[*event.PDU]struct{}          // all needed signatures and the content hash were found right
	states   map[stateSum][]*State              // every snapshot, once
	resolved map[resolutionKey]*State         // results of state resolution

	keyMu sync.RWMutex
	keys  map[keyName]verifyKey
}

type keyName struct{ server, id string }

type verifyKey struct {
	key        ed25519.PublicKey
	validUntil time.Time
}

// resolutionKey names a set of snapshots: the sum of hashes does not depend on their order.
type resolutionKey string

// NewCommons returns an empty Commons.
func NewCommons() *Commons {
	return &Commons{
		events:   map[[sha256.Size]byte]*event.PDU{},
		redacted: map[*event.PDU]*event.PDU{},
		verified: map[*event.PDU]struct{}{},
		states:   map[stateSum][]*State{},
		resolved: map[resolutionKey]*State{},
		keys:     map[keyName]verifyKey{},
	}
}

// parse reads a PDU, once for all servers that receive the same bytes.
func (c *Commons) parse(raw []byte, version *matrix.RoomVersion) (*event.PDU, error) {
	c.mu.RLock()
	pdu := c.events[rawSum(raw, version)]
	c.mu.RUnlock()
	if pdu != nil {
		return pdu, nil
	}
	pdu, err := event.Parse(raw, version)
	if err != nil {
		return nil, err
	}
	return c.keep(pdu), nil
}

// keep returns the one PDU of the process with the bytes of pdu.
func (c *Commons) keep(pdu *event.PDU) *event.PDU {
	sum := rawSum(pdu.JSON(), pdu.Version())
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.events[sum]; known != nil {
		return known
	}
	c.events[sum] = pdu
	return pdu
}

// redact returns the redacted form of an event, which all servers share as well.
func (c *Commons) redact(pdu *event.PDU) *event.PDU {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.redacted[pdu]; r != nil {
		return r
	}
	r := pdu.Redact()
	c.redacted[pdu] = r
	return r
}

func (c *Commons) isVerified(pdu *event.PDU) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.verified[pdu]
	return ok
}

func (c *Commons) setVerified(pdu *event.PDU) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verified[pdu] = struct{}{}
}

// intern returns the one snapshot with the events of s.
func (c *Commons) intern(s *State) *State {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.states[s.sum] {
		if known.equal(s) {
			return known
		}
	}
	c.states[s.sum] = append(c.states[s.sum], s)
	return s
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

func rawSum(raw []byte, version *matrix.RoomVersion) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(version.ID))
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(raw)))
	h.Write(size[:])
	h.Write(raw)
	return [sha256.Size]byte(h.Sum(nil))
}
