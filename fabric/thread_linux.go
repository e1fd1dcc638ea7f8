package fabric

import (
	"strings"

	"golang.org/x/sys/unix"
)

// threadSlice is the scheduler slice asked for without privilege: a thread with a short slice is let in
// sooner beside busy ones (Linux 6.12 and later).
const threadSlice = 100_000 // ns

// threadNice is the nice value asked for when a real-time priority is refused.
const threadNice = -15

// raiseThread asks for everything that makes the calling thread punctual and says what it got.
func raiseThread() string {
	got := []string{"own thread"}
	if unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) == nil {
		got = append(got, "timer slack 1 ns")
	}
	if unix.SchedSetAttr(0, &unix.SchedAttr{
		Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0) == nil {
		return strings.Join(append(got, "real-time priority 1"), ", ")
	}
	nice := int32(0)
	if unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), threadNice) == nil {
		nice = threadNice
		got = append(got, "nice -15")
	}
	if unix.SchedSetAttr(0, &unix.SchedAttr{
		Policy: unix.SCHED_NORMAL, Nice: nice, Runtime: threadSlice, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0) == nil {
		got = append(got, "slice 100 us asked for")
	}
	return strings.Join(append(got, "no real-time priority"), ", ")
}
