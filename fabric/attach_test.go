package fabric

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/link"
)

func TestAttachRefusesWhatIsTaken(t *testing.T) {
	cases := map[string]NodeConfig{
		"node":              {ID: 1, Addrs: []netip.Addr{v4(5)}},
		"address":           {ID: 5, Addrs: []netip.Addr{v4(5), v6(1)}},
		"mapped-address":    {ID: 5, Addrs: []netip.Addr{netip.AddrFrom16(v4(1).As16())}},
		"no-address":        {ID: 5, Addrs: []netip.Addr{{}}},
		"multicast-address": {ID: 5, Addrs: []netip.Addr{netip.MustParseAddr("224.0.0.1")}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
				var wrong *AttachError
				if _, err := l.Attach(c, &recorder{clock: l.clock}); !errors.As(err, &wrong) {
					t.Fatalf("got %v, want an AttachError", err)
				}
				if l.addrs[v4(5)] != nil {
					t.Error("an address was taken all the same")
				}
			})
		})
	}
}

func TestDetachedNodesForwardAndComeBack(t *testing.T) {
	inLine(t, 3, link.Params{Delay: time.Second}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 1, 100, 0), ipv4(0, 2, 100, 1))
		l.ends[1].Close()
		l.ends[1].Close() // idempotent
		l.sleep(time.Minute)
		if n, _ := l.NodeStats(1); n.Drops[link.DropPortClosed] != 1 {
			t.Errorf("dropped %v", n.Drops)
		}
		if n := len(l.ports[2].packets()); n != 1 {
			t.Errorf("%d packets passed the detached node, want 1", n)
		}
		l.ends[1].Send([]Packet{{Data: ipv4(1, 2, 100, 0)}})
		if n, _ := l.NodeStats(1); n.Drops[link.DropPortClosed] != 2 {
			t.Errorf("a closed attachment still sends: %v", n.Drops)
		}
		port := &recorder{clock: l.clock}
		if _, err := l.Attach(NodeConfig{ID: 1, Addrs: []netip.Addr{v4(1)}}, port); err != nil {
			t.Fatal(err)
		}
		l.send(0, ipv4(0, 1, 100, 2))
		l.sleep(time.Minute)
		if n := len(port.packets()); n != 1 {
			t.Errorf("%d packets reached the new port, want 1", n)
		}
	})
}

// A node that was away altogether when its packet was sent, and is there when it arrives, gets it.
func TestPacketsFindANodeThatWasReplaced(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		p := link.Params{Delay: time.Second}
		l.apply(Change{Set: []LinkConfig{{LinkID{0, 1}, p, p}}})
		port := &recorder{clock: l.clock}
		l.send(0, ipv4(0, 1, 100, 0))
		l.ends[1].Close()
		if _, err := l.Attach(NodeConfig{ID: 1, Addrs: []netip.Addr{v4(1)}}, port); err != nil {
			t.Fatal(err)
		}
		l.sleep(time.Minute)
		if n := len(port.packets()); n != 1 {
			t.Errorf("%d packets arrived, want 1", n)
		}
	})
}

// blocker is a port whose Deliver takes until it is released.
type blocker struct {
	entered chan struct{}
	release chan struct{}
	once    sync.Once
}

func (b *blocker) Deliver([]Packet) {
	b.once.Do(func() { close(b.entered) })
	<-b.release
}

func TestCloseWaitsForDeliver(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		l.ends[1].Close()
		port := &blocker{entered: make(chan struct{}), release: make(chan struct{})}
		a, err := l.Attach(NodeConfig{ID: 1, Addrs: []netip.Addr{v4(1)}}, port)
		if err != nil {
			t.Fatal(err)
		}
		l.send(0, ipv4(0, 1, 100, 0))
		<-port.entered
		closed := make(chan struct{})
		go func() { a.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned during Deliver")
		default:
		}
		close(port.release)
		<-closed
	})
}

func TestSlowPortsLosePackets(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		l.ends[1].Close()
		port := &blocker{entered: make(chan struct{}), release: make(chan struct{})}
		if _, err := l.Attach(NodeConfig{ID: 1, Addrs: []netip.Addr{v4(1)}}, port); err != nil {
			t.Fatal(err)
		}
		l.send(0, ipv4(0, 1, 1500, 0))
		<-port.entered
		const packets = inboxLimit/(buffer2K+flightSize) + 10
		for range packets {
			l.send(0, ipv4(0, 1, 1500, 0))
		}
		if n, _ := l.NodeStats(1); n.Drops[link.DropPortFull] != 10 {
			t.Errorf("dropped %v", n.Drops)
		}
		close(port.release)
	})
}

func TestClosedFabric(t *testing.T) {
	inLine(t, 2, link.Params{Delay: time.Second}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 1, 100, 0))
		l.Close()
		l.Close()
		l.send(0, ipv4(0, 1, 100, 0))
		l.sleep(time.Minute)
		if n := len(l.ports[1].packets()); n != 0 {
			t.Errorf("%d packets were delivered", n)
		}
		if err := l.Fabric.Apply(Change{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Apply: %v", err)
		}
		if _, err := l.Attach(NodeConfig{ID: 7}, l.ports[0]); !errors.Is(err, ErrClosed) {
			t.Errorf("Attach: %v", err)
		}
		if _, err := l.Capture(nil, OfNode(0)); !errors.Is(err, ErrClosed) {
			t.Errorf("Capture: %v", err)
		}
		l.ends[0].Close()
	})
}

func TestLoopback(t *testing.T) {
	inLine(t, 1, link.Params{}, func(t *testing.T, l *line) {
		l.send(0, ipv4(0, 0, 100, 5))
		l.sleep(0)
		if got := l.ports[0].packets(); len(got) != 1 || got[0].Hops != 0 {
			t.Errorf("got %v", got)
		}
	})
}
