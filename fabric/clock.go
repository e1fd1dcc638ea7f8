package fabric

import (
	"runtime"
	"sync"
	"time"

	"meshsim/link"
)

// Clock tells a fabric's time and wakes its scheduler. There are two: [RealClock] and [TimerClock].
type Clock interface {
	// Now is the time since the clock was made. It never goes back.
	Now() link.Instant

	newWaiter() waiter
	// workers is how many goroutines deliver beside the scheduler.
	workers() int
}

// waiter is what a scheduler sleeps on.
type waiter interface {
	// enter prepares the scheduler's goroutine, which calls it first, and says in words what it obtained.
	enter() string
	// wait returns at until, when woken, or earlier for no reason. Only the scheduler calls it.
	wait(until link.Instant)
	// wake ends the present or the next wait. It does not block.
	wake()
	// lock locks mu for the scheduler.
	lock(mu *sync.Mutex)
	// leave gives back what enter took; the scheduler's goroutine ends then.
	leave()
}

// since is a clock that counts from its making. In a synctest bubble it counts virtual time.
type since struct{ start time.Time }

func (s since) Now() link.Instant { return link.Instant(time.Since(s.start)) }

// RealClock is a clock for real time: the scheduler has an operating system thread of its own, sleeps short
// and spins the last stretch, so that packets arrive within a fraction of a millisecond of their time. On
// Linux the thread asks for a real-time priority and, failing that, for a nice value and a short slice, and
// GOMAXPROCS is raised while the fabric runs; [Fabric.Privileges] says what was obtained. On other systems
// the sleep is a Go timer's.
func RealClock() Clock { return realClock{since{time.Now()}} }

type realClock struct{ since }

func (c realClock) newWaiter() waiter { return newRealWaiter(c) }
func (realClock) workers() int        { return runtime.GOMAXPROCS(0) }

// TimerClock is a clock made of Go timers. Made inside a testing/synctest bubble, together with the fabric,
// it runs in virtual time; all deliveries are made by one goroutine there, so that a seed gives one order of
// events. Outside a bubble it serves, about a millisecond late.
func TimerClock() Clock { return timerClock{since{time.Now()}} }

type timerClock struct{ since }

func (c timerClock) newWaiter() waiter { return newTimerWaiter(c) }
func (timerClock) workers() int        { return 0 }

// timerWaiter waits with a Go timer.
type timerWaiter struct {
	clock Clock
	timer *time.Timer
	woken chan struct{}
}

func newTimerWaiter(c Clock) *timerWaiter {
	w := &timerWaiter{clock: c, timer: time.NewTimer(time.Hour), woken: make(chan struct{}, 1)}
	w.timer.Stop()
	return w
}

func (w *timerWaiter) enter() string { return "Go timers" }

func (w *timerWaiter) wait(until link.Instant) {
	if until == forever {
		<-w.woken
		return
	}
	w.timer.Reset(until.Sub(w.clock.Now()))
	select {
	case <-w.timer.C:
	case <-w.woken:
	}
}

func (w *timerWaiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

func (w *timerWaiter) lock(mu *sync.Mutex) { mu.Lock() }

func (w *timerWaiter) leave() { w.timer.Stop() }
