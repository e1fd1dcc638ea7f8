package embedded

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

type unread struct{}

func (unread) Publish(telemetry.Notification) {}

// BenchmarkWarmConnection is the memory of one idle connection between two gateways, both ends and everything below
// them included.
func BenchmarkWarmConnection(b *testing.B) {
	ca, err := gateway.NewCA()
	if err != nil {
		b.Fatal(err)
	}
	mesh := nodetest.NewMesh(b, fabric.TimerClock(), 1)
	d := New(Config{Fabric: mesh.Fabric, CA: ca, Rooms: gateway.NewRooms(), Publisher: unread{}})
	const servers = 40
	nodes := make([]*running, servers)
	for i := range nodes {
		spec := node.Spec{ID: i, Name: fmt.Sprintf("hs%d", i)}
		mesh.Name(spec)
		n, err := d.Start(b.Context(), spec, mesh)
		if err != nil {
			b.Fatal(err)
		}
		nodes[i] = n.(*running)
	}
	mesh.LinkAll(servers, link.Params{})
	before := held()
	count := 0
	for range b.N {
		for i, n := range nodes {
			for j := range nodes {
				if i != j {
					ask(b, n.gateway, fmt.Sprintf("hs%d", j))
					count++
				}
			}
		}
	}
	b.ReportMetric(float64(held()-before)/1024/float64(servers*(servers-1)), "KB/connection")
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(count), "us/request")
	b.ReportMetric(float64(runtime.NumGoroutine())/float64(servers*(servers-1)), "goroutines/connection")
	for _, n := range nodes {
		if err := n.Stop(b.Context()); err != nil {
			b.Error(err)
		}
	}
	if err := d.Close(); err != nil {
		b.Error(err)
	}
}

func ask(b *testing.B, via http.RoundTripper, server string) {
	b.Helper()
	req, err := http.NewRequest(http.MethodGet, "https://"+server+"/_matrix/federation/v1/version", nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := via.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
