package mesh

import (
	"meshsim/link"
	"meshsim/node"
	"meshsim/route"
	"meshsim/topo"
)

var _ node.Network = (*Mesh)(nil)

// Lookup returns the id of the server with a name, running or not. Removed servers are not found.
func (m *Mesh) Lookup(name string) (int, bool) {
	id, ok := m.names.Load(name)
	if !ok {
		return 0, false
	}
	_, ok = m.Snapshot().Server(id.(int))
	return id.(int), ok
}

// NameOf returns the name of a server, running or not. Removed servers are not found.
func (m *Mesh) NameOf(id int) (string, bool) {
	s, ok := m.Snapshot().Server(id)
	return s.Name, ok
}

// Path sums up the path in force between two servers and back, and is false where there is none.
func (m *Mesh) Path(from, to int) (node.Path, bool) {
	r := m.routing.Load().current()
	there, ok := r.table.Path(from, to)
	if !ok {
		return node.Path{}, false
	}
	back, ok := r.table.Path(to, from)
	if !ok {
		return node.Path{}, false
	}
	p := node.Path{Routes: r.version, Hops: len(there) - 1}
	sum(&p, r.graph, there)
	sum(&p, r.graph, back)
	return p, true
}

// sum adds the links along a path to what is told of it.
func sum(p *node.Path, g *topo.Graph, nodes []int) {
	for i := range len(nodes) - 1 {
		l, _ := g.Link(topo.PairOf(nodes[i], nodes[i+1]))
		params := l.From(nodes[i])
		p.RTT += params.Delay
		if rate := worst(p.Rate, params.Rate); rate != p.Rate {
			p.Rate, p.Slowest = rate, [2]int{l.A, l.B}
		}
	}
}

// PathNodes spells out the path between two servers by the route table of a version: the servers, both ends
// included. Where that table is no longer kept it answers by the one in force; it is false where there is no
// path.
func (m *Mesh) PathNodes(routes uint64, from, to int) ([]int, bool) {
	return m.routing.Load().of(routes).table.Path(from, to)
}

// Routes returns the route table in force and its version.
func (m *Mesh) Routes() (*route.Table, uint64) {
	r := m.routing.Load().current()
	return r.table, r.version
}

// worst is the lower of two rates.
func worst(a, b link.BitRate) link.BitRate {
	if a == link.Unlimited || b != link.Unlimited && b < a {
		return b
	}
	return a
}
