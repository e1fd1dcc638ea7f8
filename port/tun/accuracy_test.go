//go:build linux

package tun_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"meshsim/link"
)

// BenchmarkRoundTrip is how much longer than 100 ms a datagram takes between two namespaces and back, over a link of
// 50 ms: what the two kernels, two devices and the fabric add.
func BenchmarkRoundTrip(b *testing.B) {
	const delay = 50 * time.Millisecond
	f := network(b, 1, link.Params{Delay: delay})
	near, far := attach(b, f, 0), attach(b, f, 1)
	to := netip.AddrPortFrom(addrs(1)[0], 7)
	server, err := far.ListenPacket(to)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	go echoDatagrams(server)
	client, err := near.ListenPacket(netip.AddrPortFrom(addrs(0)[0], 8))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	var late []time.Duration
	buf := make([]byte, 64)
	for b.Loop() {
		begun := time.Now()
		if _, err := client.WriteTo(buf[:56], net.UDPAddrFromAddrPort(to)); err != nil {
			b.Fatal(err)
		}
		if _, _, err := client.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
		late = append(late, time.Since(begun)-2*delay)
	}
	slices.Sort(late)
	at := func(share float64) float64 {
		return float64(late[int(share*float64(len(late)-1))].Microseconds()) / 1000
	}
	if late[0] < 0 {
		b.Errorf("a round trip took %v less than the link allows", -late[0])
	}
	b.ReportMetric(at(0.5), "ms-late-p50")
	b.ReportMetric(at(0.99), "ms-late-p99")
}

// echoDatagrams answers until the socket is closed.
func echoDatagrams(conn net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if _, err := conn.WriteTo(buf[:n], from); err != nil {
			return
		}
	}
}
