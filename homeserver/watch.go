package homeserver

import (
	"context"
	"sync"
	"time"

	"meshsim/matrix"
)

// watchers are the syncs that wait for something to happen. A sync is woken only by what may concern its
// user, so that a busy room costs nothing to those who are not in it. The zero value has none.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

// watcher is one waiting sync. wake holds a value when it should look again.
type watcher struct {
	user string
	wake chan struct{}
}

// watch registers a sync. It must be registered before it looks: then nothing falls between looking and
// waiting.
func (w *watchers) watch(user string) *watcher {
	mine := &watcher{user: user, wake: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[mine] = struct{}{}
	return mine
}

func (w *watchers) unwatch(mine *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, mine)
}

// alert wakes the syncs of those whom something concerns. It never blocks.
func (w *watchers) alert(concerned func(user string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for watcher := range w.all {
		if !concerned(watcher.user) {
			continue
		}
		select {
		case watcher.wake <- struct{}{}:
		default: // it is going to look already
		}
	}
}

// anybody is concerned by what only a look can tell.
func anybody(string) bool { return true }

// alertUser wakes the syncs of one user.
func (s *Server) alertUser(user string) {
	s.users.watchers.alert(func(other string) bool { return other == user })
}

// alertRoom wakes the syncs of the users in a room.
func (s *Server) alertRoom(roomID string) {
	s.users.watchers.alert(func(user string) bool {
		m, ok := s.MembershipOf(user, roomID)
		return ok && m.Membership == matrix.Join
	})
}

// wait returns true once there may be something new, false at the deadline, and ctx's error when that ends
// first. A server that is closed ends the wait like a deadline: there is nothing more to come.
func (s *Server) wait(ctx context.Context, w *watcher, deadline time.Time) (bool, error) {
	left := time.Until(deadline)
	if left <= 0 {
		return false, nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-w.wake:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-s.ctx.Done():
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
