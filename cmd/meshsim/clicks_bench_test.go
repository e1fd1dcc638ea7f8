//go:build linux && docker

package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkClicks is how long it takes from a click until Synapse answers: one server, then ten that are clicked at once.
func BenchmarkClicks(b *testing.B) {
	for b.Loop() {
		p := startWithContainers(b)
		one := p.click(1)
		ten := p.click(10)
		p.endContainers()
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(one.Seconds(), "s-one")
		b.ReportMetric(ten.Seconds(), "s-ten-at-once")
	}
}

// click adds servers side by side and returns how long it takes until all run. The original's request is answered then.
func (p *program) click(n int) time.Duration {
	p.t.Helper()
	begun := time.Now()
	var clicks sync.WaitGroup
	for i := range n {
		clicks.Go(func() { p.do("POST", "/server", fmt.Sprintf(`{"x":%d,"y":0}`, 5*i), nil) })
	}
	clicks.Wait()
	return time.Since(begun)
}
