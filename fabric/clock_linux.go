package fabric

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"meshsim/link"
)

// realWaiter sleeps in ppoll on an eventfd, on a thread of its own, and spins the last stretch.
//
// A sleeping thread keeps its processor slot (GOMAXPROCS) when the sleep is short: a slot that is given up
// has to be won back from busy goroutines afterwards, which takes up to 20 ms. The runtime can still stop
// the thread, as its preemption signal interrupts ppoll.
type realWaiter struct {
	clock Clock
	fd    int
	woken atomic.Bool
	// spin is how long before its time the thread is woken: its usual oversleep, learnt.
	spin  time.Duration
	slots int // GOMAXPROCS before enter
}

// Bounds of the learnt spin, and the longest sleep that keeps the processor slot.
const (
	minSpin   = 10 * time.Microsecond
	maxSpin   = 100 * time.Microsecond
	firstSpin = 50 * time.Microsecond
	keepSlot  = 10 * time.Millisecond
)

// newRealWaiter falls back on Go timers where the process has no descriptor left.
func newRealWaiter(c Clock) waiter {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return newTimerWaiter(c)
	}
	return &realWaiter{clock: c, fd: fd, spin: firstSpin}
}

// enter locks the goroutine to its thread for good: the thread's priority ends with it.
func (w *realWaiter) enter() string {
	runtime.LockOSThread()
	w.slots = runtime.GOMAXPROCS(0)
	if more := slotsWanted(); more > w.slots {
		runtime.GOMAXPROCS(more)
	}
	return fmt.Sprintf("%s, %d processor slots", raiseThread(), runtime.GOMAXPROCS(0))
}

func (w *realWaiter) leave() {
	if runtime.GOMAXPROCS(0) == slotsWanted() {
		runtime.GOMAXPROCS(w.slots)
	}
	unix.Close(w.fd)
}

// slotsWanted is how many processor slots leave the scheduler one when it wakes, while a few goroutines more
// than there are processors are busy: Go lets a goroutine keep its slot for 10 ms, the kernel lets a thread
// in at once.
func slotsWanted() int { return runtime.NumCPU() + 6 }

func (w *realWaiter) wake() {
	if w.woken.Swap(true) {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	unix.Write(w.fd, one[:]) // cannot fail: the counter is reset long before it overflows
}

func (w *realWaiter) wait(until link.Instant) {
	if !w.woken.Load() && w.sleep(until) {
		w.spinUntil(until)
	}
	// In this order: a wake-up in between is found by the next wait.
	w.woken.Store(false)
	var count [8]byte
	unix.Read(w.fd, count[:])
}

func (w *realWaiter) spinUntil(until link.Instant) {
	for !w.woken.Load() && w.clock.Now() < until {
	}
}

// sleep is true when until is near, and false on a wake-up, on a signal and half-way through a long sleep.
func (w *realWaiter) sleep(until link.Instant) bool {
	if until == forever {
		w.poll(nil, false)
		return false
	}
	start := w.clock.Now()
	d := until.Sub(start) - w.spin
	if d <= 0 {
		return true
	}
	if d > keepSlot {
		ts := unix.NsecToTimespec(int64(d - keepSlot/2))
		w.poll(&ts, false)
		return false
	}
	ts := unix.NsecToTimespec(int64(d))
	if !w.poll(&ts, true) {
		return false
	}
	w.learn(w.clock.Now().Sub(start) - d)
	return true
}

// poll is true when the time was slept to its end.
func (w *realWaiter) poll(timeout *unix.Timespec, keepSlot bool) bool {
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}
	if keepSlot {
		n, errno := rawPpoll(fds, timeout)
		return n == 0 && errno == 0
	}
	n, err := unix.Ppoll(fds, timeout, nil)
	return n == 0 && err == nil
}

// learn moves spin towards the 95th percentile of the oversleep, up by nineteen steps or down by one.
func (w *realWaiter) learn(over time.Duration) {
	const step = 200 * time.Nanosecond
	if over > w.spin {
		w.spin += 19 * step
	} else {
		w.spin -= step
	}
	w.spin = max(minSpin, min(w.spin, maxSpin))
}
