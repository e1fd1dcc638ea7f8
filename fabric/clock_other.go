//go:build !linux

package fabric

import (
	"runtime"
	"time"

	"meshsim/link"
)

// spinStretch is how long before its time the portable waiter stops trusting Go's timers.
const spinStretch = 2 * time.Millisecond

// realWaiter sleeps with a Go timer and spins the last stretch.
type realWaiter struct{ *timerWaiter }

func newRealWaiter(c Clock) waiter { return realWaiter{newTimerWaiter(c)} }

func (w realWaiter) enter() string {
	runtime.LockOSThread()
	return "own thread, Go timers, spinning for the last 2 ms"
}

func (w realWaiter) wait(until link.Instant) {
	if until == forever {
		w.timerWaiter.wait(forever)
		return
	}
	if until.Sub(w.clock.Now()) > spinStretch {
		w.timerWaiter.wait(until.Add(-spinStretch))
		return
	}
	for w.clock.Now() < until {
		select {
		case <-w.woken:
			return
		default:
			runtime.Gosched()
		}
	}
}
