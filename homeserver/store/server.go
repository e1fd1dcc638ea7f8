package store

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
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
	}
	s.last.Store(db.next)
	db.mu.Unlock()
	db.rouse()
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
