//go:build linux

package tun_test

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"testing"

	"meshsim/link"
	"meshsim/port/tun"
)

// BenchmarkGoodput is what one TCP connection between two namespaces carries: superpackets cross links without
// impairment whole; with 1 ns of delay every packet is judged by itself.
func BenchmarkGoodput(b *testing.B) {
	for _, hops := range []int{1, 3, 5, 10} {
		b.Run(fmt.Sprintf("whole/hops=%d", hops), func(b *testing.B) { goodput(b, hops, link.Params{}) })
	}
	for _, hops := range []int{1, 3, 5, 10} {
		b.Run(fmt.Sprintf("judged/hops=%d", hops), func(b *testing.B) { goodput(b, hops, link.Params{Delay: 1}) })
	}
}

// BenchmarkKernel is the same through the kernel: a chain of namespaces that forward, with veth pairs between them and HTB
// on both ends of each, whose rate is too high to matter. scripts/compare-tcp sets it beside BenchmarkGoodput.
func BenchmarkKernel(b *testing.B) {
	for _, hops := range []int{1, 3, 5, 10} {
		b.Run(fmt.Sprintf("hops=%d", hops), func(b *testing.B) {
			from, to, address := kernelChain(b, hops)
			pump(b, from, to, address)
		})
	}
}

func goodput(b *testing.B, hops int, p link.Params) {
	f := network(b, hops, p)
	pump(b, attach(b, f, 0), attach(b, f, hops), addrs(hops)[0])
}

var congestion = flag.String("congestion", "cubic", "benchmarks: TCP's congestion control")

// control sets the congestion control of what is connected in a namespace from now on.
func control(b *testing.B, ns *tun.Namespace) {
	b.Helper()
	err := ns.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte(*congestion), 0) })
	if err != nil {
		b.Fatalf("congestion control %q: %v", *congestion, err)
	}
}

// pump sends through one TCP connection for as long as the benchmark lasts, and checks that everything arrives.
func pump(b *testing.B, from, to *tun.Namespace, at netip.Addr) {
	control(b, from)
	control(b, to)
	address := netip.AddrPortFrom(at, 80)
	ln, err := to.Listen(address)
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			received <- -1
			return
		}
		defer conn.Close()
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, 256<<10))
		received <- n
	}()
	conn, err := from.DialContext(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 256<<10)
	b.SetBytes(int64(len(block)))
	sent := int64(0)
	for b.Loop() {
		n, err := conn.Write(block)
		if err != nil {
			b.Fatal(err)
		}
		sent += int64(n)
	}
	conn.Close()
	if got := <-received; got != sent {
		b.Fatalf("%d bytes received of %d", got, sent)
	}
	b.ReportMetric(float64(sent)*8/1e9/b.Elapsed().Seconds(), "Gbit/s")
}
