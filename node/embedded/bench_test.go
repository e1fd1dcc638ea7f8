package embedded_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"meshsim/node"
)

// BenchmarkStart starts many servers, as many side by side as there are processors, and reports how long that takes
// and what the process holds afterwards, idle.
func BenchmarkStart(b *testing.B) {
	for _, servers := range []int{100, 1000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			for range b.N {
				s := newSubject(b, silent{})
				before := memory()
				b.StartTimer()
				nodes := startAll(b, s.Driver, s.Mesh, servers)
				b.StopTimer()
				b.ReportMetric(float64(memory()-before)/float64(servers)/1024, "KB/server")
				b.ReportMetric(float64(memory())/(1<<20), "MB")
				b.ReportMetric(float64(runtime.NumGoroutine())/float64(servers), "goroutines/server")
				for _, n := range nodes {
					if err := n.Stop(b.Context()); err != nil {
						b.Error(err)
					}
				}
				if err := s.Driver.Close(); err != nil {
					b.Error(err)
				}
			}
		})
	}
}

func startAll(b *testing.B, d node.Driver, mesh node.Network, servers int) []node.Node {
	nodes := make([]node.Node, servers)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var starting sync.WaitGroup
	for i := range nodes {
		slots <- struct{}{}
		starting.Go(func() {
			defer func() { <-slots }()
			n, err := d.Start(b.Context(), node.Spec{ID: i, Name: fmt.Sprintf("hs%d", i), Kind: d.Kind()}, mesh)
			if err != nil {
				b.Error(err)
				return
			}
			nodes[i] = n
		})
	}
	starting.Wait()
	return nodes
}

// memory is what the process holds in heap and stacks after a collection, in bytes.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
