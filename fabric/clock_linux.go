package fabric

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"meshsim/link"
)

// realWaiter sleeps in ppoll on an eventfd, on a thread of its own, and spins the last stretch.
type realWaiter struct {
	clock Clock
	fd    int
	woken atomic.Bool
	// spin is how long before its time the thread is woken: its usual oversleep, learnt.
	spin   time.Duration
	credit time.Duration // what may be spent on spinning
	seen   link.Instant  // when credit was given last
	slots  int           // GOMAXPROCS before enter
}

// Bounds of the learnt spin. The upper one limits what it costs when the machine has little to spare.
const (
	minSpin   = 10 * time.Microsecond
	maxSpin   = 100 * time.Microsecond
	firstSpin = 50 * time.Microsecond
)

// A waiter spins for no more than a twentieth of the time. While there is so much traffic that packets arrive at ever
// other times, spinning before each would take a processor from those who have to do with the packets; they then arrive
// late by the usual oversleep, some 50 us.
const (
	spinShare = 20
	maxCredit = 5 * time.Millisecond // so much may be spent at once, after a quiet time
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

// slotsWanted is how many processor slots (GOMAXPROCS) leave one free for the scheduler when it wakes, while
// up to a dozen goroutines are busy. With fewer it would wait until a busy goroutine is made to give one up,
// which Go does after 10 ms; with more slots than processors the kernel chooses instead, and that lets a
// thread of higher priority in at once.
func slotsWanted() int { return runtime.NumCPU() + 14 }

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
	start := w.clock.Now()
	now := start
	for now < until && !w.woken.Load() {
		now = w.clock.Now()
	}
	w.credit -= now.Sub(start)
}

// lead is how long before its time the thread is to be woken now: not at all when it has spun too much.
func (w *realWaiter) lead(now link.Instant) time.Duration {
	w.credit = min(w.credit+now.Sub(w.seen)/spinShare, maxCredit)
	w.seen = now
	if w.credit <= 0 {
		return 0
	}
	return w.spin
}

// sleep is true when until is near, and false on a wake-up and on a signal.
func (w *realWaiter) sleep(until link.Instant) bool {
	if until == forever {
		w.poll(nil)
		return false
	}
	start := w.clock.Now()
	d := until.Sub(start) - w.lead(start)
	if d <= 0 {
		return true
	}
	timeout := unix.NsecToTimespec(int64(d))
	if !w.poll(&timeout) {
		return false
	}
	w.learn(w.clock.Now().Sub(start) - d)
	return true
}

// poll is true when the time was slept to its end.
func (w *realWaiter) poll(timeout *unix.Timespec) bool {
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}
	n, err := unix.Ppoll(fds, timeout, nil)
	return n == 0 && err == nil
}

// How often lock tries before it queues up like everybody else, and how long it naps in between.
const (
	lockSpins = 32
	lockNaps  = 64
	lockNap   = 5 * time.Microsecond
)

// lock naps instead of waiting in mu's queue. The lock is held for microseconds only, but whoever holds it may
// have been suspended in favour of this thread, and a goroutine that is bound to a thread is woken from the
// queue through two others, which takes milliseconds on a busy machine.
func (w *realWaiter) lock(mu *sync.Mutex) {
	nap := unix.NsecToTimespec(int64(lockNap))
	for i := range lockSpins + lockNaps {
		if mu.TryLock() {
			return
		}
		if i >= lockSpins {
			unix.Nanosleep(&nap, nil)
		}
	}
	mu.Lock()
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
