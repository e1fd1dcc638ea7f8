package embedded_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
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

// arrivals counts receipts of one event and notes how late each was.
type arrivals struct {
	mu    sync.Mutex
	start time.Time
	late  []time.Duration
	left  int
	done  chan struct{}
}

// Publish implements telemetry.Publisher.
func (a *arrivals) Publish(n telemetry.Notification) {
	r, ok := n.(telemetry.Received)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left > 0 && r.Event.Type == "m.room.message" {
		a.late = append(a.late, r.At.Sub(a.start))
		if a.left--; a.left == 0 {
			close(a.done)
		}
	}
}

// expect starts to count n receipts of messages.
func (a *arrivals) expect(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.start, a.late, a.left, a.done = time.Now(), nil, n, make(chan struct{})
}

const roomSize = 100

// BenchmarkRoom lets 100 servers join a room, side by side, and then sends messages from one of them, connections warm.
// All links have a delay of 10 ms and no limit of bandwidth.
func BenchmarkRoom(b *testing.B) {
	const (
		servers = roomSize
		delay   = 10 * time.Millisecond
	)
	seen := &arrivals{}
	s := newSubjectOn(b, seen, fabric.RealClock(), 1)
	nodes := startAll(b, s.Driver, s.Mesh, servers)
	for i := range nodes {
		s.Mesh.Name(node.Spec{ID: i, Name: fmt.Sprintf("hs%d", i)})
	}
	s.Mesh.LinkAll(servers, link.Params{Delay: delay})
	clients := make([]*nodetest.Client, servers)
	for i, n := range nodes {
		clients[i] = &nodetest.Client{API: n.Client()}
		if err := clients[i].Login(b.Context(), node.AccountUser, node.AccountPassword); err != nil {
			b.Fatal(err)
		}
	}
	room := clients[0].CreateRoom(b)
	start := time.Now()
	var joining sync.WaitGroup
	for _, c := range clients[1:] {
		joining.Go(func() { c.Join(b, room, "hs0") })
	}
	joining.Wait()
	joined := time.Since(start)
	// Who joined at the same time through the same server learns of each other with the next events: each names 20 of
	// the joins as those before it.
	nodetest.Eventually(b, time.Minute, "all see all", func() bool {
		clients[0].Send(b, room, "all here?")
		return !slices.ContainsFunc(clients, func(c *nodetest.Client) bool { return c.Members(b, room) < servers })
	})
	converged := time.Since(start)
	var late []time.Duration
	message := func() {
		seen.expect(servers - 1)
		clients[0].Send(b, room, "hello")
		<-seen.done
	}
	time.Sleep(time.Second) // what was said meanwhile arrives
	message()
	b.ResetTimer()
	for b.Loop() {
		message()
		late = append(late, seen.late...)
	}
	b.StopTimer()
	b.ReportMetric(joined.Seconds(), "s-joining")
	b.ReportMetric(converged.Seconds(), "s-until-all-see-all")
	slices.Sort(late)
	b.ReportMetric(float64((late[len(late)/2] - delay).Milliseconds()), "ms-p50-over-path")
	b.ReportMetric(float64((late[len(late)-1] - delay).Milliseconds()), "ms-max-over-path")
	b.ReportMetric(float64(memory())/(1<<20), "MB")
	for _, n := range nodes {
		if err := n.Stop(b.Context()); err != nil {
			b.Error(err)
		}
	}
	if err := s.Driver.Close(); err != nil {
		b.Error(err)
	}
}

// memory is what the process holds in heap and stacks after a collection, in bytes.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
