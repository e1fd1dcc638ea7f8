package gateway

import (
	"maps"
	"sync"

	"meshsim/lowband/coap"
)

// lines are the bottlenecks of a gateway's paths: what it sends to several peers queues at one link, and the
// low-bandwidth transport's timers must know of all of it.
type lines struct {
	mu sync.Mutex // guards what follows
	by map[Bottleneck]*coap.Line
}

// maxLines is how many are kept before those are forgotten of which nobody waits for anything.
const maxLines = 64

func (l *lines) line(b Bottleneck) *coap.Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line := l.by[b]; line != nil {
		return line
	}
	if l.by == nil {
		l.by = make(map[Bottleneck]*coap.Line)
	}
	if len(l.by) >= maxLines {
		maps.DeleteFunc(l.by, func(_ Bottleneck, line *coap.Line) bool { return line.Idle() })
	}
	line := &coap.Line{}
	l.by[b] = line
	return line
}
