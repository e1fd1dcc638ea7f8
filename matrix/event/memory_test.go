package event_test

import (
	"runtime"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

// BenchmarkLiveSize reports how much memory one message event holds beyond its canonical bytes.
func BenchmarkLiveSize(b *testing.B) {
	const n = 2000
	room := eventtest.New(b, "12", alice, nil)
	join := room.Member(alice, alice, matrix.Join)
	var raws [][]byte
	prev := join
	for i := range n {
		prev = room.Event(matrix.TypeMessage, alice, map[string]any{"body": "hello", "n": i}, eventtest.Prev(prev), eventtest.Auth(join))
		raws = append(raws, prev.JSON())
	}
	for b.Loop() {
		kept := make([]*event.PDU, 0, n)
		before := heap()
		bytes := 0
		for _, raw := range raws {
			p, err := event.Parse(raw, room.Version)
			if err != nil {
				b.Fatal(err)
			}
			bytes += len(p.JSON())
			kept = append(kept, p)
		}
		grown := heap() - before
		runtime.KeepAlive(kept)
		b.ReportMetric(float64(grown)/n, "B/event")
		b.ReportMetric(float64(bytes)/n, "JSON-B/event")
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
