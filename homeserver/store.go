package homeserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"meshsim/matrix/event"
)

// Store keeps what a server must not forget when its process ends, however it ends. A server without one
// ([Config.Store] is nil) lives in memory alone and does none of the work that recording takes.
//
// The server records each change in memory, in the order in which it takes place, and lets nothing leave that depends on
// it, neither an answer nor a request to another server, before [Store.Durable] says that it is kept.
type Store interface {
	// Record notes changes, to be kept all or none, in the order of the calls. It returns at once and takes ownership.
	Record(changes ...Change)
	// Durable waits until everything recorded so far is kept. An error says why it is not, and what to do.
	Durable(ctx context.Context) error
	// Ready says why nothing more may be done that has to be kept: what could not be written yet has become too much to
	// hold. It is nil otherwise.
	Ready() error
	// Load applies what is kept of some kinds, kind after kind: facts in the order in which they were recorded, others
	// in no order. It ends with the first error.
	Load(recall Recall, apply func(Change) error, kinds ...string) error
}

// Change is something to keep.
type Change struct {
	// Kind says what it is about. A [Fact] adds to what is kept under its key, all other kinds replace it.
	Kind string
	Key  string
	// Value is opaque to the store. nil removes the key.
	Value []byte
	// Events are what the value refers to by index. They are immutable, and a store keeps each once.
	Events []*event.PDU
}

// Fact is the kind of changes that tell the history of a room, whose id is their key.
const Fact = "fact"

// Recall returns the event that a store has under a number. read reads it, which need not be done twice.
type Recall func(number int64, read func() (StoredEvent, error)) (*event.PDU, error)

// StoredEvent is an event as it is kept.
type StoredEvent struct {
	Version  string // of its room
	Redacted bool   // JSON is the redacted form
	JSON     json.RawMessage
}

// Durable waits until all that this server has done so far is kept. It returns at once without a [Config.Store].
func (s *Server) Durable(ctx context.Context) error {
	if s.cfg.Store == nil {
		return nil
	}
	if err := s.cfg.Store.Durable(ctx); err != nil {
		return fail(NotKept, err, "%s cannot keep what was done", s.cfg.Name)
	}
	return nil
}

// Ready says why requests that change something must be refused for now: a store that cannot write holds as much as it
// may. It is nil otherwise, and always without a [Config.Store].
func (s *Server) Ready() error {
	if s.cfg.Store == nil {
		return nil
	}
	if err := s.cfg.Store.Ready(); err != nil {
		return fail(NotKept, err, "%s changes nothing for now", s.cfg.Name)
	}
	return nil
}

// Keep records a value of some kind; the parts of the key together are its name. The caller holds the lock that guards
// the value, so that the order of changes is kept.
func (s *Server) Keep(kind string, value any, key ...string) {
	if s.cfg.Store != nil {
		s.cfg.Store.Record(Kept(kind, value, key...))
	}
}

// Drop records that a value is no more.
func (s *Server) Drop(kind string, key ...string) {
	if s.cfg.Store != nil {
		s.cfg.Store.Record(Change{Kind: kind, Key: storeKey(key)})
	}
}

// Kept is the change that keeps a value of a type that JSON can express.
func Kept(kind string, value any, key ...string) Change {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("homeserver: a %s cannot be encoded: %v", kind, err)) // a type of ours that JSON cannot express
	}
	return Change{Kind: kind, Key: storeKey(key), Value: raw}
}

// storeKey joins parts so that different parts make different keys: clients choose some of them.
func storeKey(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	var key []byte
	for _, part := range parts {
		key = strconv.AppendInt(key, int64(len(part)), 10)
		key = append(key, ' ')
		key = append(append(key, part...), ' ')
	}
	return string(key)
}
