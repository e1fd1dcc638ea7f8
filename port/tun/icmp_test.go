//go:build linux

package tun_test

import (
	"testing"
	"time"

	"meshsim/link"
	"meshsim/port/probe"
)

// A socket in a namespace pings and traces across the mesh, in both families.
func TestICMP(t *testing.T) {
	const hops = 2
	f := network(t, hops, link.Params{Delay: time.Millisecond})
	ns := attach(t, f, 0)
	for i := 1; i <= hops; i++ {
		stack(t, f, i)
	}
	for family, to := range addrs(hops) {
		for range 2 { // the first is closed by then
			conn, err := ns.OpenICMP(addrs(0)[family])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			var path []probe.Outcome
			c := probe.TraceConfig{To: to, MaxHops: 5, Queries: 1, Timeout: 10 * time.Second, Size: 32}
			err = probe.Trace(t.Context(), conn, c, func(h probe.Hop) error {
				path = append(path, h.Replies[0].Outcome)
				if r := h.Replies[0]; r.From != addrs(h.TTL)[family] || r.RTT < 2*time.Duration(h.TTL)*time.Millisecond {
					t.Errorf("hop %d: %+v", h.TTL, r)
				}
				return nil
			})
			if err != nil || len(path) != hops || path[hops-1] != probe.Replied {
				t.Errorf("trace to %v: %v, %v", to, path, err)
			}
		}
	}
	if _, err := ns.OpenICMP(addrs(1)[0]); err == nil {
		t.Error("a socket was opened at an address that is not there")
	}
}
