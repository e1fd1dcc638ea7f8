package federation

import (
	"fmt"
	"runtime"
	"testing"

	"meshsim/homeserver"
)

// BenchmarkWork says what servers cost that share a Commons, and what they cost that do all work by themselves: a message
// until 49 others have it, and the memory of each.
func BenchmarkWork(b *testing.B) {
	for _, c := range []struct {
		name string
		own  bool
	}{{"shared", false}, {"own", true}} {
		b.Run(c.name, func(b *testing.B) {
			const servers = 50
			m := newMesh(b, 1)
			before := heap()
			for i := range servers {
				commons := m.common
				if c.own {
					commons = homeserver.NewCommons()
				}
				m.add(fmt.Sprintf("hs%d", i), commons)
			}
			roomID := publicRoom(b, m.server("hs0"), "12")
			joinConcurrently(b, m, roomID, 1)
			awaitJoins(b, m, roomID)
			cost := heap() - before
			for b.Loop() {
				id := string(say(b, m.server("hs0"), roomID, "hello").ID())
				for _, name := range m.names {
					for _, known := room(b, m.server(name), roomID).Event(id); !known; _, known = room(b, m.server(name), roomID).Event(id) {
						runtime.Gosched()
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/(servers-1), "us/receiver")
			b.ReportMetric(float64(cost)/servers/1024, "KB/server")
			runtime.KeepAlive(m)
		})
	}
}
