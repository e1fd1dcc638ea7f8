package telemetry

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by [Subscription.Next] once the hub or the subscription has been closed and everything
// that was waiting has been read.
var ErrClosed = errors.New("the event stream is closed")

// gatherTime is how long notifications are gathered into one batch. It leaves the other half of MaxDelay for
// timers that fire late and for grouping.
const gatherTime = MaxDelay / 2

// The bounds of a hub, in notifications.
const (
	maxPending = 1 << 16 // gathered for one batch
	maxBacklog = 1 << 17 // waiting for one subscriber
)

// Hub carries notifications from observers to subscribers. All methods are safe for concurrent use. It runs no
// goroutine of its own, and while nobody subscribes it drops what is published.
type Hub struct {
	audience atomic.Int32 // subscriptions

	gathering sync.Mutex
	pending   []Notification
	excess    uint64 // notifications that found pending full
	timer     *time.Timer
	armed     bool // the timer will call flush
	closed    bool

	delivery      sync.Mutex // taken before gathering; keeps batches in order
	spare         []Notification
	subscriptions map[*Subscription]struct{}
}

var _ Publisher = (*Hub)(nil)

// NewHub returns a hub without subscribers.
func NewHub() *Hub {
	return &Hub{subscriptions: make(map[*Subscription]struct{})}
}

// Publish hands a notification to everyone who subscribes now, within [MaxDelay]. It never blocks for long:
// it appends to a list.
func (h *Hub) Publish(n Notification) {
	if h.audience.Load() == 0 {
		return
	}
	h.gathering.Lock()
	defer h.gathering.Unlock()
	if h.closed {
		return
	}
	if len(h.pending) >= maxPending {
		h.excess++
		return
	}
	h.pending = append(h.pending, n)
	if h.armed {
		return
	}
	h.armed = true
	if h.timer == nil {
		h.timer = time.AfterFunc(gatherTime, h.flush)
	} else {
		h.timer.Reset(gatherTime)
	}
}

// flush hands what was gathered to all subscribers.
func (h *Hub) flush() {
	h.delivery.Lock()
	defer h.delivery.Unlock()

	h.gathering.Lock()
	notifications, excess := h.pending, h.excess
	h.pending, h.excess, h.armed = h.spare[:0], 0, false
	h.gathering.Unlock()

	if len(notifications) == 0 {
		return
	}
	queued := queuedBatch{batch: group(notifications), size: len(notifications)}
	for s := range h.subscriptions {
		s.deliver(queued, excess)
	}
	clear(notifications)
	h.spare = notifications
}

// Subscribe returns a subscription to everything published from now on. It must be closed.
func (h *Hub) Subscribe() *Subscription {
	s := &Subscription{hub: h, wake: make(chan struct{}, 1)}
	h.delivery.Lock()
	defer h.delivery.Unlock()
	h.gathering.Lock()
	defer h.gathering.Unlock()
	if h.closed {
		s.closed = true
		return s
	}
	h.subscriptions[s] = struct{}{}
	h.audience.Add(1)
	return s
}

// Close hands out what is pending and ends all subscriptions. It is idempotent.
func (h *Hub) Close() {
	h.flush()
	h.gathering.Lock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.gathering.Unlock()
	h.flush()

	h.delivery.Lock()
	defer h.delivery.Unlock()
	for s := range h.subscriptions {
		h.removeLocked(s)
	}
}

// removeLocked ends a subscription; delivery is held.
func (h *Hub) removeLocked(s *Subscription) {
	if _, subscribed := h.subscriptions[s]; !subscribed {
		return
	}
	delete(h.subscriptions, s)
	h.audience.Add(-1)
	s.end()
}

// Subscription is one reader of a hub. It is for one goroutine, except that any may close it.
type Subscription struct {
	hub  *Hub
	wake chan struct{} // capacity 1: there is something new

	mu      sync.Mutex
	queue   []queuedBatch
	waiting int // notifications in queue
	lost    uint64
	closed  bool
}

type queuedBatch struct {
	batch Batch
	size  int // notifications
}

// Next waits for a batch. It fails with ctx's error, and with [ErrClosed].
func (s *Subscription) Next(ctx context.Context) (Batch, error) {
	for {
		if b, ok, err := s.take(); ok || err != nil {
			return b, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

func (s *Subscription) take() (b Batch, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		if s.closed {
			return Batch{}, false, ErrClosed
		}
		return Batch{}, false, nil
	}
	b = s.queue[0].batch
	b.Lost, s.lost = s.lost, 0
	s.dropOldestLocked()
	return b, true, nil
}

// Close ends the subscription. It is idempotent.
func (s *Subscription) Close() {
	s.hub.delivery.Lock()
	defer s.hub.delivery.Unlock()
	s.hub.removeLocked(s)
}

func (s *Subscription) end() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
}

// deliver queues a batch, at the cost of the oldest where the reader has fallen behind.
func (s *Subscription) deliver(b queuedBatch, excess uint64) {
	s.mu.Lock()
	s.lost += excess
	for len(s.queue) > 0 && s.waiting+b.size > maxBacklog {
		s.lost += uint64(s.queue[0].size)
		s.dropOldestLocked()
	}
	s.queue = append(s.queue, b)
	s.waiting += b.size
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) dropOldestLocked() {
	s.waiting -= s.queue[0].size
	s.queue[0] = queuedBatch{}
	s.queue = s.queue[1:]
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
