package embedded

import (
	"context"
	"errors"
	"sync"
)

// valve lets requests pass while it is open and makes them wait while it is shut. Shutting it freezes a server:
// requests under way go on, and no new one begins in either direction.
//
//	shut <-> open
//	  \-> ended (every wait fails)
type valve struct {
	mu    sync.Mutex // guards what follows
	open  bool
	ended bool
	moved chan struct{} // closed and replaced at every change
}

func newValve() *valve { return &valve{moved: make(chan struct{})} }

// errEnded is returned by pass once the valve has ended.
var errEnded = errors.New("the server is gone")

// pass returns when the valve is open; it fails when ctx ends first or the valve has ended.
func (v *valve) pass(ctx context.Context) error {
	for {
		v.mu.Lock()
		open, ended, moved := v.open, v.ended, v.moved
		v.mu.Unlock()
		switch {
		case ended:
			return errEnded
		case open:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// set opens or shuts the valve.
func (v *valve) set(open bool) { v.change(open, false) }

// end makes every pass fail, now and later.
func (v *valve) end() { v.change(false, true) }

func (v *valve) change(open, ended bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended || v.open == open && !ended {
		return
	}
	v.open, v.ended = open, ended
	close(v.moved)
	v.moved = make(chan struct{})
}
