package mesh

import (
	"context"
	"slices"
	"time"
)

// DefaultKeepRemoved is long enough to notice that the wrong server was removed.
const DefaultKeepRemoved = 10 * time.Minute

// maxRemoved is of how many removed servers data is kept at most: a whole large mesh can be removed by mistake.
const maxRemoved = 1000

// forgetLimit is how long a driver may take to delete what it keeps of a server while the mesh runs.
const forgetLimit = time.Minute

// removal is a removed server whose data is kept.
type removal struct {
	server *server
	until  time.Time
}

// bury ends a removal. What is kept of the server is forgotten later, so that the removal can be undone.
func (o *owner) bury(s *server) {
	o.setState(s, Gone)
	if o.ending {
		o.forget(s)
		return
	}
	o.removed = append(o.removed, removal{server: s, until: time.Now().Add(o.config.KeepRemoved)})
	o.expire()
}

// expire forgets what has been kept for long enough, and the oldest of what is too many.
func (o *owner) expire() {
	now := time.Now()
	for len(o.removed) > maxRemoved || len(o.removed) > 0 && !now.Before(o.removed[0].until) {
		s := o.removed[0].server
		o.removed = slices.Delete(o.removed, 0, 1)
		o.forget(s)
	}
}

// expiring fires when something that is kept of a removed server is to be forgotten.
func (o *owner) expiring() <-chan time.Time {
	if len(o.removed) == 0 {
		return nil
	}
	return time.After(time.Until(o.removed[0].until))
}

func (o *owner) restore(id int) error {
	if id < 0 || id >= len(o.servers) || o.servers[id].absent {
		return noServer(id)
	}
	s := o.servers[id]
	switch {
	case s.wish == toRemove:
		s.wish = toRestart
	case s.forgotten:
		return errorf(Conflict, "server %s cannot be restored: its data is deleted, as that of removed servers is kept for %v, and of the last %d at most; add a new server",
			s.Name, o.config.KeepRemoved, maxRemoved)
	case s.State == Gone:
		o.removed = slices.DeleteFunc(o.removed, func(r removal) bool { return r.server == s })
		o.setState(s, Starting)
		o.enqueueStart(s)
	default:
		return errorf(Conflict, "server %s cannot be restored because it was not removed", s.Name)
	}
	return nil
}

// forget has a driver delete what it keeps of a removed server, for good.
func (o *owner) forget(s *server) {
	s.forgotten = true
	driver, spec, limit, log := o.drivers[s.Kind], s.spec(), forgetLimit, o.config.Logger
	if o.ending {
		limit = o.config.StopTimeout
	}
	o.enqueue(s, func() report {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := driver.Forget(ctx, spec); err != nil {
			log.Warn("what is kept of a removed server could not be deleted", "server", spec.Name, "error", err)
		}
		return func(*owner) {}
	})
}
