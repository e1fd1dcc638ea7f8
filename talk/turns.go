package talk

import (
	"context"
	"sync"
)

// turns let only so many newcomers into a room at a time, where its servers are not made for crowds.
type turns struct {
	mu     sync.Mutex     // guards what follows
	inside map[string]int // newcomers on their way, by room
	left   chan struct{}  // closed and replaced when one has arrived or given up
}

func newTurns() *turns { return &turns{inside: make(map[string]int), left: make(chan struct{})} }

// enter waits until fewer than most newcomers are on their way into a room. It asks for most each time; 0 is any number.
func (t *turns) enter(ctx context.Context, room string, most func() int) error {
	for {
		left, entered := t.tryEnter(room, most())
		if entered {
			return nil
		}
		select {
		case <-left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryEnter enters or returns what is closed when it may be tried again.
func (t *turns) tryEnter(room string, most int) (left <-chan struct{}, entered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if most > 0 && t.inside[room] >= most {
		return t.left, false
	}
	t.inside[room]++
	return nil, true
}

// leave ends what enter began.
func (t *turns) leave(room string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inside[room]--; t.inside[room] == 0 {
		delete(t.inside, room)
	}
	close(t.left)
	t.left = make(chan struct{})
}
