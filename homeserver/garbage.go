package homeserver

import "sync"

// Garbage counts what another server sent that came to nothing here, and is therefore suspicious: servers that do as they
// should send little of it.
type Garbage struct {
	PDUs       int // that are no events, are not signed as they must be, or are of rooms that this server is not in
	EDUs       int // that make no sense, or are not the sender's to send
	Rejected   int // events that the rules refuse at their place in the graph
	SoftFailed int // events that the rules refuse now
	Requests   int // signed, but with a body that is not of the right form
}

// maxGarbage is how many servers are counted apart from each other; what the others send is counted under no name.
const maxGarbage = 10_000

// garbage is counted by the server that sent it.
type garbage struct {
	mu sync.Mutex
	by map[string]*Garbage
}

func (g *garbage) note(origin string, add func(*Garbage)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]*Garbage{}
	}
	if g.by[origin] == nil && len(g.by) >= maxGarbage {
		origin = ""
	}
	if g.by[origin] == nil {
		g.by[origin] = &Garbage{}
	}
	add(g.by[origin])
}

// Garbage returns what other servers sent in vain since this one was made, by server.
func (s *Server) Garbage() map[string]Garbage {
	s.garbage.mu.Lock()
	defer s.garbage.mu.Unlock()
	all := make(map[string]Garbage, len(s.garbage.by))
	for origin, g := range s.garbage.by {
		all[origin] = *g
	}
	return all
}

// NoteBadRequest counts a signed request of another server whose body is not of the right form.
func (s *Server) NoteBadRequest(origin string) {
	s.garbage.note(origin, func(g *Garbage) { g.Requests++ })
}

func (s *Server) noteOutcome(origin string, outcome Outcome) {
	switch outcome {
	case Rejected:
		s.garbage.note(origin, func(g *Garbage) { g.Rejected++ })
	case SoftFailed:
		s.garbage.note(origin, func(g *Garbage) { g.SoftFailed++ })
	}
}
