package homeserver

import "sync"

// stream hands out positions. Whatever a position stands for is written while mu is held, so that a client
// that has seen a position has seen everything up to it.
type stream struct {
	mu     sync.Mutex
	newest Position
	// ceiling is the position up to which positions may be handed out: what is kept of them is a number above all that
	// anybody has seen. reserve records another one; nil without a store.
	ceiling Position
	reserve func(ceiling Position)
	oldest  Position // of entries from backfill, negative
}

// reservedPositions is how many positions are reserved at a time, and so how many a restart may skip.
const reservedPositions = 1000

// append runs write with the next position.
func (st *stream) append(write func(Position)) Position {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.newest++
	if st.reserve != nil && st.newest > st.ceiling {
		st.ceiling = st.newest + reservedPositions
		st.reserve(st.ceiling)
	}
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
