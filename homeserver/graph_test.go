package homeserver

import (
	"fmt"
	"testing"

	"meshsim/matrix"
)

func TestEdgesAreBounded(t *testing.T) {
	r := newRoom("!r:a", nil)
	gap := func(i int) []matrix.EventID { return []matrix.EventID{matrix.EventID(fmt.Sprintf("$%d", i))} }
	for i := range maxEdges + 5 {
		r.setEdgeLocked(gap(i), nil)
		r.setEdgeLocked(gap(i), nil) // is there already
	}
	if len(r.edges) != maxEdges {
		t.Errorf("%d edges are kept", len(r.edges))
	}
	for i, want := range map[int]bool{0: true, 1: false, 5: false, 6: true, maxEdges + 4: true} {
		if _, known := r.edgeLocked(gap(i)); known != want {
			t.Errorf("edge %d is known: %v", i, known)
		}
	}
}
