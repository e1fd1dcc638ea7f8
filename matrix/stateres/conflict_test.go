package stateres

import (
	"maps"
	"slices"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

// chain is a set of events for a resolver.
type chain map[matrix.EventID]*event.PDU

func (c chain) Event(id matrix.EventID) *event.PDU { return c[id] }
func (c chain) Rejected(matrix.EventID) bool       { return false }

func reversed(list []matrix.EventID) []matrix.EventID {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// Of a chain of events e0 <- e1 <- ... <- e6 with a side branch from e2, all between two conflicted ones belong
// to the subgraph, whichever of them the search meets first.
func TestConflictedStateSubgraph(t *testing.T) {
	const creator matrix.UserID = "@a:hs1"
	room := eventtest.New(t, "12", creator, nil)
	known := chain{}
	topic := func(auth ...*event.PDU) *event.PDU {
		p := room.Event(matrix.TypeTopic, creator, map[string]any{"n": len(known)}, eventtest.State(""), eventtest.Auth(auth...))
		known[p.ID()] = p
		return p
	}
	e := []*event.PDU{topic()}
	for i := range 6 {
		e = append(e, topic(e[i]))
	}
	side := topic(e[2])
	id := func(i int) matrix.EventID { return e[i].ID() }
	cases := []struct {
		name       string
		conflicted []matrix.EventID
		want       []matrix.EventID
	}{
		{"alone", []matrix.EventID{id(3)}, []matrix.EventID{id(3)}},
		{"neighbours", []matrix.EventID{id(3), id(4)}, []matrix.EventID{id(3), id(4)}},
		{"far", []matrix.EventID{id(1), id(5)}, []matrix.EventID{id(1), id(2), id(3), id(4), id(5)}},
		{"three", []matrix.EventID{id(1), id(3), id(4)}, []matrix.EventID{id(1), id(2), id(3), id(4)}},
		{"side", []matrix.EventID{id(1), side.ID()}, []matrix.EventID{id(1), id(2), side.ID()}},
		{"apart", []matrix.EventID{id(6), side.ID()}, []matrix.EventID{id(6), side.ID()}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conflicted := idSet{}
			for _, id := range c.conflicted {
				conflicted.add(id)
			}
			for _, order := range [][]matrix.EventID{c.conflicted, reversed(c.conflicted)} {
				r := &resolver{version: room.Version, events: known, known: map[matrix.EventID]*event.PDU{}}
				leads := map[matrix.EventID]bool{}
				for _, id := range order {
					r.leadsToConflict(id, conflicted, leads)
				}
				maps.DeleteFunc(leads, func(_ matrix.EventID, on bool) bool { return !on })
				if got := slices.Sorted(maps.Keys(leads)); !slices.Equal(got, slices.Sorted(slices.Values(c.want))) {
					t.Errorf("in order %v: got %v, want %v", order, got, c.want)
				}
			}
		})
	}
}
