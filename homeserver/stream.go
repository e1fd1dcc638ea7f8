package homeserver

import "sync"

// stream hands out positions. Whatever a position stands for is written while mu is held, so that a client
// that has seen a position has seen everything up to it.
type stream struct {
	mu     sync.Mutex
	newest Position
	oldest Position // of entries from backfill, negative
}

// append runs write with the next position.
func (st *stream) append(write func(Position)) Position {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.newest++
	write(st.newest)
	return st.newest
}

// prepend runs write with the next position before all others.
func (st *stream) prepend(write func(Position)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.oldest--
	write(st.oldest)
}

// Position is the newest position on this server.
func (s *Server) Position() Position {
	s.stream.mu.Lock()
	defer s.stream.mu.Unlock()
	return s.stream.newest
}

// Bump makes a new position for something that is no room entry (account data, typing).
func (s *Server) Bump() Position { return s.stream.append(func(Position) {}) }
