package federation

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Backlog is what waits for one server, and what came from it in vain.
type Backlog struct {
	Server  string
	Rooms   int // that both are joined to
	PDUs    int // those of a transaction under way, or to be repeated, included
	EDUs    int
	Sending bool          // a transaction is under way
	NextTry time.Time     // of a transaction that failed; zero while one is under way
	Wait    time.Duration // between the last try and the next; 0 where none has failed
	Failure string        // of the last try; empty where none has failed

	// What came from there in vain, see homeserver.Garbage.
	DroppedPDUs, DroppedEDUs, Rejected, SoftFailed, BadRequests int
}

// Backlogs returns what waits for every server that a room is shared with, that something waits for, or that sent
// something in vain, by name.
func (p *Peer) Backlogs() []Backlog {
	by := p.Sender.backlogs()
	for _, room := range p.Server.Rooms() {
		if !room.Joined() {
			continue
		}
		for _, server := range room.State().JoinedServers() {
			b := by[server]
			b.Server, b.Rooms = server, b.Rooms+1
			by[server] = b
		}
	}
	for server, g := range p.Server.Garbage() {
		b := by[server]
		b.Server = server
		b.DroppedPDUs, b.DroppedEDUs, b.Rejected, b.SoftFailed, b.BadRequests = g.PDUs, g.EDUs, g.Rejected, g.SoftFailed, g.Requests
		by[server] = b
	}
	delete(by, p.Server.Name())
	return slices.SortedFunc(maps.Values(by), func(a, b Backlog) int { return cmp.Compare(a.Server, b.Server) })
}

func (s *Sender) backlogs() map[string]Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := make(map[string]Backlog, len(s.queues))
	for _, q := range s.queues {
		by[q.server] = q.backlog()
	}
	return by
}

func (q *queue) backlog() Backlog {
	b := Backlog{Server: q.server, PDUs: len(q.pending), EDUs: len(q.edus), Sending: q.busy, Wait: q.wait, Failure: q.failure}
	if q.txn != nil {
		b.PDUs += len(q.txn.pdus)
		b.EDUs += len(q.txn.edus)
	}
	if q.timer != nil && !q.cooling {
		b.NextTry = q.nextTry
	}
	return b
}
