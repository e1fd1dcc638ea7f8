package homeserver

import (
	"fmt"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
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

// A message that comes after one that follows it, which another server told the state for, is no extremity.
func TestLateEventIsNoExtremity(t *testing.T) {
	built := eventtest.New(t, "11", "@u:a", nil)
	say := func(text string, prev *event.PDU) *event.PDU {
		return built.Event(matrix.TypeMessage, "@u:a", map[string]any{"body": text}, eventtest.Prev(prev), eventtest.Auth(built.Create))
	}
	late := say("late", built.Create)
	follower := say("follower", late)
	for _, c := range []struct {
		name string
		mark mark // of the follower
		want int
	}{{"followed", 0, 1}, {"followed by a soft-failed event", softFailed, 2}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom("!r:a", built.Version)
			place := func(pdu *event.PDU, m mark) {
				n := &node{pdu: pdu, mark: m}
				r.nodes[pdu.ID()] = n
				r.advanceLocked(n)
			}
			r.setEdgeLocked(follower.PrevEvents(), nil)
			place(follower, c.mark)
			place(late, 0)
			if len(r.extremities) != c.want {
				t.Errorf("%d extremities, want %d", len(r.extremities), c.want)
			}
		})
	}
}
