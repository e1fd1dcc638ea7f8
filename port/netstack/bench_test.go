package netstack_test

import (
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"testing"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/port/netstack"
)

// BenchmarkGoodput is what one TCP connection carries across links without limits.
func BenchmarkGoodput(b *testing.B) {
	for _, hops := range []int{1, 5} {
		b.Run(fmt.Sprintf("hops=%d", hops), func(b *testing.B) {
			c := newChainWith(b, hops, link.Params{}, fabric.RealClock())
			ln := listenAll(b, c.b)
			received := make(chan int64)
			go func() {
				conn, err := ln.Accept()
				if err != nil {
					received <- -1
					return
				}
				n, _ := io.CopyBuffer(writerOnly{io.Discard}, readerOnly{conn}, make([]byte, 128<<10))
				conn.Close()
				received <- n
			}()
			conn, err := c.a.DialContext(b.Context(), "tcp", netip.AddrPortFrom(c.b.Addrs()[0], 80))
			if err != nil {
				b.Fatal(err)
			}
			block := make([]byte, 128<<10)
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
		})
	}
}

// writerOnly and readerOnly hide WriteTo and ReadFrom, so that the buffer is used.
type (
	writerOnly struct{ io.Writer }
	readerOnly struct{ io.Reader }
)

// BenchmarkIdleStack is the memory of a stack with one host that listens on two ports.
func BenchmarkIdleStack(b *testing.B) {
	f := fabric.New(fabric.Config{Clock: fabric.TimerClock()})
	defer f.Close()
	var stacks []*netstack.Stack
	before := heap()
	goroutines := runtime.NumGoroutine()
	for i := 0; b.Loop(); i++ {
		s, err := netstack.New(netstack.Config{})
		if err != nil {
			b.Fatal(err)
		}
		stacks = append(stacks, s)
		addrs := []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}
		h, err := s.Add(f, fabric.NodeConfig{ID: fabric.NodeID(i), Addrs: addrs})
		if err != nil {
			b.Fatal(err)
		}
		for _, port := range []uint16{80, 443} {
			if _, err := h.Listen(netip.AddrPortFrom(addrs[0], port)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(heap()-before)/float64(b.N), "heap-B/stack")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(b.N), "goroutines/stack")
	for _, s := range stacks {
		s.Close()
	}
}

// heap is what is in use, stacks of goroutines included.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
