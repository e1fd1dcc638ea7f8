package fabric

import "meshsim/link"

// turnLimit is how many packets the scheduler moves before it gives the lock back, and turnWeight how heavy the
// superpackets among them may be: those that crossed a link whole may be cut before the next.
const (
	turnLimit  = 64
	turnWeight = 2 * chunkWeight
)

// schedule is the scheduler's goroutine: it takes packets off links when they arrive.
func (f *Fabric) schedule() {
	f.privileges = f.waiter.enter()
	defer f.waiter.leave()
	close(f.started)
	for {
		until, ok := f.turn()
		if !ok {
			return
		}
		if until != awake {
			f.waiter.wait(until)
		}
	}
}

// turn moves what is due and delivers what that made ready. It returns until when there is nothing to do,
// awake where there may be more at once, and false when the fabric is closed.
func (f *Fabric) turn() (until link.Instant, ok bool) {
	f.waiter.lock(&f.mu)
	defer f.mu.Unlock()
	if f.closed {
		return 0, false
	}
	f.wakeAt = awake
	moved := f.moveLocked()
	if len(f.ready) > 0 {
		f.deliverReadyLocked()
		return awake, true
	}
	if moved == turnLimit {
		return awake, true
	}
	f.wakeAt = f.due.next()
	return f.wakeAt, true
}

// moveLocked takes packets that have arrived off their links, up to turnLimit of them, and forwards them. It returns how
// many, and turnLimit where there may be more.
//
// A packet is forwarded at the time at which it should have arrived, not the time at which the scheduler got
// around to it: being late on one hop does not add to being late on the next.
func (f *Fabric) moveLocked() int {
	weight := 0
	for moved := range turnLimit {
		if weight > turnWeight {
			break
		}
		now := f.clock.Now()
		if f.due.next() > now {
			return moved
		}
		if f.prepareLocked(f.due[0].to, f.due[0].flights.first().dst) {
			continue // the lock was given up: look again
		}
		d, p := f.due.take()
		if p.super() {
			weight += p.weight()
		}
		f.inFlight -= footprint(p.Data)
		d.counters.arrived(p.sent, p.arrives, now)
		f.totals.Lateness.add(now.Sub(p.arrives))
		p.Hops++
		f.arriveLocked(d.to, p, p.arrives)
	}
	return turnLimit
}

// prepareLocked lets the router compute what it needs for destination dst, which may take milliseconds,
// without the lock. It is true when the lock was given up.
func (f *Fabric) prepareLocked(at, dst *node) bool {
	if !f.unpreparedLocked(at, dst) {
		return false
	}
	router, routes := f.router, f.routes
	f.mu.Unlock()
	router.NextHop(at.id, dst.id)
	f.mu.Lock()
	dst.computed = routes
	return true
}

// unpreparedLocked tells whether prepareLocked has something to do.
func (f *Fabric) unpreparedLocked(at, dst *node) bool {
	return f.router != nil && dst.computed != f.routes && at.id != dst.id
}

// wakeLocked wakes the scheduler where it sleeps past something to do.
func (f *Fabric) wakeLocked() {
	mine := f.workers == 0 && len(f.ready) > 0
	if f.wakeAt == awake || !mine && f.due.next() >= f.wakeAt {
		return
	}
	f.wakeAt = awake
	f.waiter.wake()
}
