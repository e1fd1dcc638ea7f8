package netstack_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack"
	"meshsim/port/netstack/virtualtime"
	"meshsim/port/probe"
)

// sameAddr lets cmp look at addresses.
var sameAddr = cmpopts.EquateComparable(netip.Addr{})

// fullChain is a chain in which every node has a host.
func fullChain(t *testing.T, hops int, params link.Params) (*fabric.Fabric, []*netstack.Host) {
	c := newChain(t, hops, params)
	hosts := []*netstack.Host{c.a}
	for i := 1; i < hops; i++ {
		hosts = append(hosts, newHost(t, c.fabric, i))
	}
	return c.fabric, append(hosts, c.b)
}

func openICMP(t *testing.T, h *netstack.Host, family int) probe.Conn {
	t.Helper()
	conn, err := h.OpenICMP(h.Addrs()[family])
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func ping(ctx context.Context, conn probe.Conn, to netip.Addr, count int) ([]probe.Reply, error) {
	var replies []probe.Reply
	c := probe.PingConfig{To: to, Count: count, Interval: time.Second, Timeout: 5 * time.Second, Size: 56}
	err := probe.Ping(ctx, conn, c, func(r probe.Reply) error {
		replies = append(replies, r)
		return nil
	})
	return replies, err
}

// Ping and trace tell the path and its latency to the nanosecond, in both families, and what is not answered is lost.
func TestPingAndTrace(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		const hops, delay = 3, 20 * time.Millisecond
		f, hosts := fullChain(t, hops, link.Params{Delay: delay})
		for family, name := range []string{"IPv4", "IPv6"} {
			to := hosts[hops].Addrs()[family]
			replies, err := ping(t.Context(), openICMP(t, hosts[0], family), to, 3)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var want []probe.Reply
			for seq := 1; seq <= 3; seq++ {
				want = append(want, probe.Reply{Seq: seq, Outcome: probe.Replied, From: to, RTT: 2 * hops * delay})
			}
			if diff := cmp.Diff(want, replies, sameAddr); diff != "" {
				t.Errorf("%s: ping differs: %s", name, diff)
			}
			var trace []probe.Hop
			c := probe.TraceConfig{To: to, MaxHops: 10, Queries: 1, Timeout: time.Second}
			err = probe.Trace(t.Context(), openICMP(t, hosts[0], family), c, func(h probe.Hop) error {
				trace = append(trace, h)
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var path []probe.Hop
			for ttl := 1; ttl <= hops; ttl++ {
				r := probe.Reply{Seq: ttl, Outcome: probe.TTLExceeded, From: hosts[ttl].Addrs()[family], RTT: 2 * time.Duration(ttl) * delay}
				if ttl == hops {
					r.Outcome = probe.Replied
				}
				path = append(path, probe.Hop{TTL: ttl, Replies: []probe.Reply{r}})
			}
			if diff := cmp.Diff(path, trace, sameAddr); diff != "" {
				t.Errorf("%s: trace differs: %s", name, diff)
			}
		}
		lossy := link.Params{Delay: delay, Loss: 1}
		id := fabric.LinkID{A: 0, B: 1}
		if err := f.Apply(fabric.Change{Set: []fabric.LinkConfig{{LinkID: id, AB: lossy, BA: lossy}}}); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		replies, err := ping(t.Context(), openICMP(t, hosts[0], 0), hosts[1].Addrs()[0], 2)
		want := []probe.Reply{{Seq: 1, Outcome: probe.Lost}, {Seq: 2, Outcome: probe.Lost}}
		if diff := cmp.Diff(want, replies, sameAddr); diff != "" || err != nil {
			t.Errorf("lost requests: %v, %s", err, diff)
		}
		if took := time.Since(begun); took != 6*time.Second {
			t.Errorf("the second request was given up after %v, want 6 s", took)
		}
	})
}

// What nobody has the address of is unreachable; corrupted answers are none.
func TestPingOutcomes(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		_, hosts := fullChain(t, 1, link.Params{Corrupt: 1})
		replies, err := ping(t.Context(), openICMP(t, hosts[0], 0), hosts[1].Addrs()[0], 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range replies {
			if r.Outcome == probe.Replied {
				t.Errorf("a corrupted answer was taken for one: %+v", r)
			}
		}
		replies, err = ping(t.Context(), openICMP(t, hosts[0], 0), netip.MustParseAddr("10.0.0.77"), 1)
		if err != nil || len(replies) != 1 || replies[0].Outcome != probe.Unreachable {
			t.Errorf("an address that nobody has: %+v, %v", replies, err)
		}
	})
}

func TestICMPEnds(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		_, hosts := fullChain(t, 1, link.Params{Delay: time.Hour})
		if _, err := hosts[0].OpenICMP(hosts[1].Addrs()[0]); err == nil {
			t.Error("a socket was opened at another host's address")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := ping(ctx, openICMP(t, hosts[0], 0), hosts[1].Addrs()[0], 1)
			ended <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
		go func() {
			c := probe.PingConfig{To: hosts[1].Addrs()[1], Count: 1, Timeout: 9 * time.Hour}
			ended <- probe.Ping(t.Context(), openICMP(t, hosts[0], 1), c, func(probe.Reply) error { return nil })
		}()
		synctest.Wait()
		hosts[0].Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("its host was closed: %v", err)
		}
		conn := openICMP(t, hosts[1], 0)
		if _, err := ping(t.Context(), conn, hosts[0].Addrs()[1], 1); err == nil {
			t.Error("IPv6 was asked from IPv4")
		}
		if _, err := conn.Receive(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the socket is left open: %v", err)
		}
	})
}
