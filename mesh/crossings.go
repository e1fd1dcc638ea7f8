package mesh

import (
	"time"

	"meshsim/link"
	"meshsim/topo"
)

// Crossing is one link on a path, in the direction of the path.
type Crossing struct {
	From, To int
	Delay    time.Duration // propagation, without queueing and jitter
	Rate     link.BitRate
}

// Crossings spells out the links of the path between two servers by the route table of a version, as [Mesh.PathNodes] does
// with the servers.
func (m *Mesh) Crossings(routes uint64, from, to int) ([]Crossing, bool) {
	r := m.routing.Load().of(routes)
	nodes, ok := r.table.Path(from, to)
	if !ok {
		return nil, false
	}
	crossings := make([]Crossing, 0, max(0, len(nodes)-1))
	for i := range len(nodes) - 1 {
		l, _ := r.graph.Link(topo.PairOf(nodes[i], nodes[i+1]))
		params := l.From(nodes[i])
		crossings = append(crossings, Crossing{From: nodes[i], To: nodes[i+1], Delay: params.Delay, Rate: params.Rate})
	}
	return crossings, true
}
