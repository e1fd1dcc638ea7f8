package fabric

import (
	"sync"
	"testing"
	"time"

	"meshsim/link"
)

// A test in real time, for the race detector and for the real clock: many senders, edits and readers at
// once. It asserts nothing about time, and that every packet arrives.
func TestEverythingAtOnce(t *testing.T) {
	const nodes, senders, packets = 5, 4, 500
	l := newLine(t, RealClock(), nodes, link.Params{Delay: 100 * time.Microsecond})
	defer l.Close()
	var arrived, group sync.WaitGroup
	arrived.Add(senders * packets)
	for _, port := range l.ports {
		port.on = func(Packet) { arrived.Done() }
	}
	for s := range senders {
		group.Go(func() {
			for i := range packets {
				l.send(s, ipv4(s, (s+1+i%(nodes-1))%nodes, 100, uint32(i)))
			}
		})
	}
	group.Go(func() { l.editAndRead(t, 200) })
	group.Wait()
	arrived.Wait()
	if n := l.Totals().Drops.Total(); n != 0 {
		t.Errorf("%d packets were dropped", n)
	}
	if l.Privileges() == "" {
		t.Error("no word about privileges")
	}
}

// editAndRead changes links and reads counters.
func (l *line) editAndRead(t *testing.T, times int) {
	for i := range times {
		l.set(2, 3, link.Params{Delay: time.Duration(i%3) * 50 * time.Microsecond})
		l.EachLink(func(s *LinkStats) {
			if s.B != s.A+1 {
				t.Errorf("link %d-%d", s.A, s.B)
			}
		})
	}
}

func TestCloseWithPacketsOnTheirWay(t *testing.T) {
	for _, clock := range []Clock{RealClock(), TimerClock()} {
		l := newLine(t, clock, 3, link.Params{Delay: time.Minute})
		for range 100 {
			l.send(0, ipv4(0, 2, 100, 0))
		}
		l.Close()
	}
}
