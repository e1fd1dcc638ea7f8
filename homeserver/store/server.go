package store

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync/atomic"

	"meshsim/homeserver"
)

// Server is the store of one server. It implements homeserver.Store.
type Server struct {
	db   *DB
	name string
	num  int64
	key  ed25519.PrivateKey

	last atomic.Pointer[batch] // that has a change of this server
}

var _ homeserver.Store = (*Server)(nil)

// Key is the server's signing key.
func (s *Server) Key() ed25519.PrivateKey { return s.key }

// Record implements homeserver.Store.
func (s *Server) Record(changes ...homeserver.Change) {
	db := s.db
	db.mu.Lock()
	for _, c := range changes {
		db.next.changes = append(db.next.changes, change{s.num, c})
		size := db.sizeLocked(c)
		db.next.bytes += size
		db.waiting += size
	}
	s.last.Store(db.next)
	db.mu.Unlock()
	db.rouse()
}

// sizeLocked is about how many bytes a change takes in memory: with its events, which the servers share, only while the
// database cannot be written, as nobody would have them otherwise.
func (db *DB) sizeLocked(c homeserver.Change) int {
	const itself = 100
	size := itself + len(c.Key) + len(c.Value) + 8*len(c.Events)
	if db.failure == nil {
		return size
	}
	for _, pdu := range c.Events {
		if _, counted := db.counted[pdu]; !counted {
			db.counted[pdu] = struct{}{}
			size += len(pdu.JSON())
		}
	}
	return size
}

// Ready implements homeserver.Store. While the database can be written, who waits for Durable is bound enough.
func (s *Server) Ready() error {
	db := s.db
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.failure == nil || db.waiting <= db.bound {
		return nil
	}
	if !db.refuses {
		db.refuses = true
		db.log.Error("requests that change something are refused until the homeservers' data can be written", "bytes", db.waiting, "error", db.failure)
	}
	return fmt.Errorf("%d MB wait to be written, and no more are held: %w", db.waiting>>20, db.failure)
}

// Durable implements homeserver.Store. While the database cannot be written it fails; what was recorded is written
// later, when it can.
func (s *Server) Durable(ctx context.Context) error {
	b := s.last.Load()
	if b == nil {
		return nil
	}
	select {
	case <-b.done:
	case <-s.db.written: // nothing is written any more
	case <-ctx.Done():
		return ctx.Err()
	}
	return b.failure()
}

// failure says why a batch that was tried is not kept.
func (b *batch) failure() error {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	if b.kept {
		return nil
	}
	return cmp.Or(b.db.failure, errClosed)
}

var errClosed = errors.New("the database of the homeservers is closed")
