package nodetest

import (
	"maps"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
)

// Mesh is a small network for servers under test: a fabric whose links are set one by one, without transit. It
// implements node.Network and is safe for concurrent use.
type Mesh struct {
	Fabric *fabric.Fabric

	t  testing.TB
	mu sync.Mutex // guards what follows

	names  map[string]int
	links  map[fabric.LinkID]link.Params
	routes uint64
}

var _ node.Network = (*Mesh)(nil)

// NewMesh makes a mesh that is closed at the end of the test. The seed decides what its links do to packets.
func NewMesh(t testing.TB, clock fabric.Clock, seed uint64) *Mesh {
	m := &Mesh{
		Fabric: fabric.New(fabric.Config{Seed: seed, Clock: clock}),
		t:      t,
		names:  make(map[string]int),
		links:  make(map[fabric.LinkID]link.Params),
	}
	t.Cleanup(m.Fabric.Close)
	return m
}

// Name makes a server known by its name.
func (m *Mesh) Name(spec node.Spec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names[spec.Name] = spec.ID
}

// Lookup implements node.Network.
func (m *Mesh) Lookup(name string) (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.names[name]
	return id, ok
}

// NameOf implements node.Network.
func (m *Mesh) NameOf(id int) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, of := range m.names {
		if of == id {
			return name, true
		}
	}
	return "", false
}

// Path implements node.Network.
func (m *Mesh) Path(from, to int) (node.Path, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.links[linkOf(node.FabricNode(from), node.FabricNode(to))]
	return node.Path{
		Routes: m.routes, Hops: 1, RTT: 2 * p.Delay, Rate: p.Rate, Slowest: [2]int{min(from, to), max(from, to)},
	}, ok
}

// Link links two servers, or changes their link.
func (m *Mesh) Link(a, b int, p link.Params) {
	m.set(p, linkOf(node.FabricNode(a), node.FabricNode(b)))
}

// LinkClient links a server to its client side.
func (m *Mesh) LinkClient(id int, p link.Params) {
	m.set(p, linkOf(node.FabricNode(id), node.ClientFabricNode(id)))
}

// LinkAll links every two of the servers 0 to n-1.
func (m *Mesh) LinkAll(n int, p link.Params) {
	var ids []fabric.LinkID
	for a := range n {
		for b := range a {
			ids = append(ids, linkOf(node.FabricNode(a), node.FabricNode(b)))
		}
	}
	m.set(p, ids...)
}

func (m *Mesh) set(p link.Params, ids ...fabric.LinkID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var c fabric.Change
	for _, id := range ids {
		m.links[id] = p
		c.Set = append(c.Set, fabric.LinkConfig{LinkID: id, AB: p, BA: p})
	}
	m.applyLocked(c)
}

// Cut takes away the link between two servers.
func (m *Mesh) Cut(a, b int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := linkOf(node.FabricNode(a), node.FabricNode(b))
	delete(m.links, id)
	m.applyLocked(fabric.Change{Remove: []fabric.LinkID{id}})
}

func (m *Mesh) applyLocked(c fabric.Change) {
	m.routes++
	c.Router = neighbours{links: maps.Clone(m.links)}
	if err := m.Fabric.Apply(c); err != nil {
		m.t.Errorf("change the network: %v", err)
	}
}

// neighbours routes to direct neighbours alone.
type neighbours struct{ links map[fabric.LinkID]link.Params }

// NextHop implements fabric.Router.
func (n neighbours) NextHop(at, dst fabric.NodeID) (fabric.NodeID, bool) {
	_, ok := n.links[linkOf(at, dst)]
	return dst, ok
}

func linkOf(a, b fabric.NodeID) fabric.LinkID {
	return fabric.LinkID{A: min(a, b), B: max(a, b)}
}

// Eventually calls f until it returns true, and fails the test when it does not within limit. It is for what another
// server does in its own time; in a synctest bubble the pauses cost nothing.
func Eventually(t testing.TB, limit time.Duration, what string, f func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	pause := time.NewTicker(min(limit/500, 100*time.Millisecond))
	defer pause.Stop()
	for !f() {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		<-pause.C
	}
}
