package api

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshsim/fabric"
	"meshsim/link"
)

func TestCountersSinceTheFrameBefore(t *testing.T) {
	var told directionTotals
	stats := fabric.DirectionStats{Packets: 10, Bytes: 1000}
	stats.Fidelity.Requested, stats.Fidelity.Achieved = 200*time.Millisecond, 210*time.Millisecond
	before := told.appendMoved(nil, 1, 2, &stats, use{limit: 64_000})
	want := []LinkCounters{{From: 1, To: 2, Packets: 10, Bytes: 1000}}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("what a link took before it was known counts as use (-want +got):\n%s", diff)
	}

	stats.Packets, stats.Bytes, stats.QueueBytes = 14, 2000, 500
	moved := told.appendMoved(nil, 1, 2, &stats, use{limit: 64_000, elapsed: 250 * time.Millisecond})
	want = []LinkCounters{{From: 1, To: 2, Packets: 14, Bytes: 2000, QueueBytes: 500, RateBPS: 32_000, UtilisationPct: 50}}
	if diff := cmp.Diff(want, moved); diff != "" {
		t.Errorf("a frame after 250 ms (-want +got):\n%s", diff)
	}

	told.appendMoved(nil, 1, 2, &stats, use{limit: 64_000, elapsed: 250 * time.Millisecond})
	if at := told.appendMoved(nil, 1, 2, &stats, use{limit: 64_000, elapsed: 250 * time.Millisecond}); at != nil {
		t.Errorf("a link at rest is told of: %+v", at)
	}
}

func TestMeanDelays(t *testing.T) {
	before := delays{arrived: 10, requested: 200 * time.Millisecond, achieved: 230 * time.Millisecond}
	after := delays{arrived: 14, requested: 320 * time.Millisecond, achieved: 354 * time.Millisecond}
	for _, c := range []struct {
		name                string
		now, then           delays
		requested, achieved float64
	}{
		{"four arrived", after, before, 30, 31},
		{"none arrived", after, after, 0, 0},
		{"since the beginning", before, delays{}, 20, 23},
		{"another link by the same name", before, after, 0, 0},
	} {
		if requested, achieved := c.now.means(c.then); requested != c.requested || achieved != c.achieved {
			t.Errorf("%s: asked for %v ms, had %v ms, want %v and %v", c.name, requested, achieved, c.requested, c.achieved)
		}
	}
	if (use{limit: link.Unlimited, elapsed: time.Second}).share(1e6) != 0 {
		t.Error("an unlimited link is in use by a share")
	}
}
