package federation

import (
	"flag"
	"runtime"
	"testing"
)

var (
	large  = flag.Int("large", 200, "servers in the room of BenchmarkRoomMemory")
	spread = flag.Int("spread", 60, "servers of TestCrowdThroughEverybody")
)

// BenchmarkRoomMemory says what a server in a room of many servers costs on top of the events that all share.
func BenchmarkRoomMemory(b *testing.B) {
	m := meshOf(b, *large)
	idle := heap()
	roomID := publicRoom(b, m.server("hs0"), "12")
	joinConcurrently(b, m, roomID, 20)
	awaitJoins(b, m, roomID)
	cost := heap() - idle
	for b.Loop() {
	}
	b.ReportMetric(float64(cost)/float64(*large), "B/server")
	b.ReportMetric(float64(m.requests()), "requests")
	runtime.KeepAlive(m)
}
