package netstack_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack/virtualtime"
)

// What a connection says that it took is what the link beside it carried, to the byte: handshakes, acknowledgements,
// and repetitions included. (Superpackets: TestTCPFlow.)
func TestWireIsWhatTheLinkCarried(t *testing.T) {
	for _, c := range []struct {
		name   string
		beside link.Params // of the link beside the one that dials
		beyond link.Params // of the next one
		bytes  int
	}{
		{"slow", link.Params{Rate: 50_000, Delay: 200 * time.Millisecond}, link.Params{}, 6_000},
		{"lossy", link.Params{Rate: 1_000_000}, link.Params{Delay: 20 * time.Millisecond, Loss: 0.1}, 100_000},
	} {
		for i, family := range []string{"IPv4", "IPv6"} {
			t.Run(c.name+"/"+family, func(t *testing.T) {
				virtualtime.Test(t, func(t *testing.T) {
					n := newChain(t, 2, c.beyond)
					first := fabric.LinkID{A: 0, B: 1}
					change := fabric.Change{Router: row{}, Set: []fabric.LinkConfig{{LinkID: first, AB: c.beside, BA: c.beside}}}
					if err := n.fabric.Apply(change); err != nil {
						t.Fatal(err)
					}
					echo(t, listenAll(t, n.b))
					conn, err := n.a.DialContext(t.Context(), "tcp", netip.AddrPortFrom(addrs(2)[i], 80))
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					go func() { _, _ = conn.Write(make([]byte, c.bytes)) }()
					if _, err := io.ReadFull(conn, make([]byte, c.bytes)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute) // virtual: until the last acknowledgement has crossed
					sent, received := conn.(interface{ Wire() (int64, int64) }).Wire()
					var carried fabric.LinkStats
					n.fabric.EachLink(func(s *fabric.LinkStats) {
						if s.LinkID == first {
							carried = *s
						}
					})
					if sent != int64(carried.AB.Bytes) || received != int64(carried.BA.Bytes) {
						t.Errorf("the connection took %d and %d bytes, the link %d and %d", sent, received, carried.AB.Bytes, carried.BA.Bytes)
					}
					if sent < int64(c.bytes) || received < int64(c.bytes) {
						t.Errorf("%d bytes took %d and came back as %d", c.bytes, sent, received)
					}
				})
			})
		}
	}
}
