package coap

import (
	"container/list"
	"context"
)

// maxWindow bounds how many exchanges are outstanding on a path that loses nothing.
const maxWindow = 16

// window bounds the outstanding exchanges: one at first (NSTART, RFC 7252 section 4.7), one more for each window of
// successes, half as many after a loss. The association's lock guards it.
type window struct {
	size    float64
	used    int
	waiting list.List // of chan struct{}, closed when the place is theirs
}

func newWindow() window { return window{size: 1} }

// enterLocked takes a place or says what to wait for.
func (w *window) enterLocked() (wait chan struct{}) {
	if w.used < int(w.size) && w.waiting.Len() == 0 {
		w.used++
		return nil
	}
	wait = make(chan struct{})
	w.waiting.PushBack(wait)
	return wait
}

// leaveLocked gives a place back.
func (w *window) leaveLocked() {
	w.used--
	for w.used < int(w.size) && w.waiting.Len() > 0 {
		w.used++
		close(w.waiting.Remove(w.waiting.Front()).(chan struct{}))
	}
}

// abandonLocked is for a caller that waits no longer. Its place may have come at the same moment.
func (w *window) abandonLocked(wait chan struct{}) {
	for e := w.waiting.Front(); e != nil; e = e.Next() {
		if e.Value == wait {
			w.waiting.Remove(e)
			return
		}
	}
	w.leaveLocked()
}

func (w *window) success() { w.size = min(maxWindow, w.size+1/w.size) }
func (w *window) loss()    { w.size = max(1, w.size/2) }

// enter waits for a place in the window.
func (a *Association) enter(ctx context.Context) error {
	a.mu.Lock()
	wait := a.window.enterLocked()
	a.mu.Unlock()
	if wait == nil {
		return nil
	}
	var err error
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-a.ctx.Done():
		err = ErrClosed
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.window.abandonLocked(wait)
	return err
}
