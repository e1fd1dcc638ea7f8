package homeserver

import (
	"context"
	"sync"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// grace is how long a transaction waits, in all, for events that are missing before anybody is asked for them. Where
// many servers send at the same time, an event often overtakes those before it: they are on their way, and asking for
// them would only make it longer.
const grace = time.Second

// newGrace returns a context that ends with ctx, or when grace has passed since it was called first.
func newGrace(ctx context.Context) func() context.Context {
	return sync.OnceValue(func() context.Context {
		waiting, cancel := context.WithTimeout(ctx, grace)
		context.AfterFunc(waiting, cancel)
		return waiting
	})
}

// awaited is an event that others wait for.
type awaited struct {
	placed  chan struct{} // closed when it has got its place
	waiters int
}

// await waits until an event can be put into the room because all before it have come, and puts it there. It gives up when
// the context ends, or when it has got its turn to fetch what is missing, which the caller then gives back; nil is no turn.
func (s *Server) await(ctx context.Context, r *room, origin string, pdu *event.PDU, turn chan<- struct{}) (complete, mine bool, err error) {
	for {
		id, placed := r.awaitMissing(pdu)
		if placed == nil {
			complete, err = s.tryIntegrate(r, origin, pdu)
			return complete, false, err
		}
		select {
		case <-placed:
			continue
		case turn <- struct{}{}:
			mine = true
		case <-ctx.Done():
		}
		r.giveUp(id)
		return false, mine, nil
	}
}

// awaitMissing returns the first event before another that has no place yet, and what is closed when it gets one; nil
// when none is missing.
func (r *room) awaitMissing(pdu *event.PDU) (matrix.EventID, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range pdu.PrevEvents() {
		if r.placedLocked(id) != nil || r.recallableLocked(id) != nil {
			continue // what is recallable does not come, but takes no asking either
		}
		if r.awaited == nil {
			r.awaited = map[matrix.EventID]*awaited{}
		}
		a := r.awaited[id]
		if a == nil {
			a = &awaited{placed: make(chan struct{})}
			r.awaited[id] = a
		}
		a.waiters++
		return id, a.placed
	}
	return "", nil
}

// giveUp is called by who waits no longer for an event that has not come.
func (r *room) giveUp(id matrix.EventID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.awaited[id]; a != nil {
		if a.waiters--; a.waiters == 0 {
			delete(r.awaited, id)
		}
	}
}

// cameLocked wakes those who wait for an event.
func (r *room) cameLocked(id matrix.EventID) {
	if a := r.awaited[id]; a != nil {
		close(a.placed)
		delete(r.awaited, id)
	}
}
