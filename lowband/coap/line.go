package coap

import (
	"sync"
	"time"
)

// Line is the slowest link on the way to one peer or to several: what associations send one after the other queues there.
// Those that share one know of each other, so that no timer runs out for a datagram that has not left yet, or for an
// answer that stands behind others. The zero Line is idle. It is safe for concurrent use.
type Line struct {
	mu      sync.Mutex    // guards what follows
	busy    time.Time     // when what was sent so far has left
	replies time.Duration // how long the answers to everything outstanding take on the way back
}

// maxQueued bounds what a line is taken to hold, in bytes: six times what links hold that nobody has set otherwise. A link
// drops what comes beyond, so whoever has more sent, for instance by asking faster than the answers leave, must not put
// off the timers of all others until that would have left.
const maxQueued = 64 << 10

// send notes that a datagram which takes so long is sent now, and returns when it will have left: after most at the latest.
func (l *Line) send(takes, most time.Duration) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.busy.Before(now) {
		l.busy = now
	}
	l.busy = l.busy.Add(takes)
	if last := now.Add(most); l.busy.After(last) {
		l.busy = last
	}
	return l.busy
}

// expect notes an answer that takes so long, and returns how long all take that are outstanding.
func (l *Line) expect(takes time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replies += takes
	return l.replies
}

// waiting is how long the answers take that are outstanding.
func (l *Line) waiting() time.Duration { return l.expect(0) }

// Idle tells whether nothing queues and no answer is outstanding.
func (l *Line) Idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.replies == 0 && !l.busy.After(time.Now())
}
