package federation

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"meshsim/homeserver"
)

// meshOf is a mesh of n servers without delays.
func meshOf(b *testing.B, n int) *mesh {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("hs%d", i)
	}
	return newMesh(b, 1, names...)
}

// joinConcurrently lets all servers but the first join through the first, at most width at a time.
func joinConcurrently(b *testing.B, m *mesh, roomID string, width int) {
	var work sync.WaitGroup
	slots := make(chan struct{}, width)
	for _, name := range m.names[1:] {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			if err := m.server(name).Join(context.Background(), "@u:"+name, roomID, []string{m.names[0]}, nil); err != nil {
				b.Errorf("%s cannot join: %v", name, err)
			}
		})
	}
	work.Wait()
}

// awaitJoins polls until every server knows that all servers have joined. Benchmarks run in real time.
func awaitJoins(b *testing.B, m *mesh, roomID string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		complete := 0
		for _, name := range m.names {
			if len(room(b, m.server(name), roomID).State().JoinedServers()) == len(m.names) {
				complete++
			}
		}
		if complete == len(m.names) {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("only %d of %d servers know of all joins", complete, len(m.names))
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	for _, n := range []int{20, 100} {
		for _, width := range []int{1, 100} {
			b.Run(fmt.Sprintf("servers=%d/atonce=%d", n, width), func(b *testing.B) {
				for b.Loop() {
					m := meshOf(b, n)
					roomID := publicRoom(b, m.server("hs0"), "12")
					joinConcurrently(b, m, roomID, width)
					awaitJoins(b, m, roomID)
					b.ReportMetric(float64(m.requests()), "requests/op")
					m.close()
				}
			})
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	m := meshOf(b, 100)
	roomID := publicRoom(b, m.server("hs0"), "12")
	joinConcurrently(b, m, roomID, 1)
	awaitJoins(b, m, roomID)
	for b.Loop() {
		pdu := say(b, m.server("hs0"), roomID, "hello")
		for _, name := range m.names {
			for {
				if _, ok := room(b, m.server(name), roomID).Event(string(pdu.ID())); ok {
					break
				}
				runtime.Gosched()
			}
		}
	}
}

func BenchmarkIdleServer(b *testing.B) {
	commons := homeserver.NewCommons()
	m := newMesh(b, 1)
	before := heap()
	for i := range 1000 {
		m.add(fmt.Sprintf("hs%d", i), commons)
	}
	cost := heap() - before
	for b.Loop() {
	}
	b.ReportMetric(float64(cost)/1000, "B/server")
	runtime.KeepAlive(m)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
