//go:build linux && docker

package docker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/embedded"
	"meshsim/node/nodetest"
)

// Two Synapses join through an embedded server at the same moment. All learn of each other though nobody says anything
// afterwards: a Synapse drops what comes while it is still joining, and is told again.
func TestJoinsOfTheSameMoment(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	d := driver(t, cfg)
	t.Cleanup(func() { d.Close() })
	e := embedded.New(embedded.Config{Fabric: m.Fabric, CA: cfg.CA, Rooms: cfg.Rooms, Publisher: cfg.Publisher})
	t.Cleanup(func() { e.Close() })
	_, clients := startAll(t, m, e, d, d)
	m.LinkAll(len(clients), link.Params{})
	for round := range 3 {
		room := create(t, clients[0], "12", nil)
		var joining sync.WaitGroup
		for _, c := range clients[1:] {
			joining.Go(func() { c.Join(t, room, "hs0") })
		}
		joining.Wait()
		for _, c := range clients {
			eventually(t, fmt.Sprintf("round %d: %s knows all members", round, c.User), func() bool { return c.Members(t, room) == 3 })
		}
	}
}

// startAll starts a server by each driver until the test ends, and logs in there.
func startAll(t *testing.T, m *nodetest.Mesh, drivers ...node.Driver) ([]node.Node, []*nodetest.Client) {
	t.Helper()
	nodes, clients := make([]node.Node, len(drivers)), make([]*nodetest.Client, len(drivers))
	var starting sync.WaitGroup
	for i, by := range drivers {
		spec := node.Spec{ID: i, Name: fmt.Sprint("hs", i), Kind: by.Kind()}
		m.Name(spec)
		starting.Go(func() { nodes[i], clients[i] = started(t, m, by, spec) })
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return nodes, clients
}

// started does it for one; nil where that fails.
func started(t *testing.T, m *nodetest.Mesh, by node.Driver, spec node.Spec) (node.Node, *nodetest.Client) {
	n, err := by.Start(t.Context(), spec, m)
	if err != nil {
		t.Errorf("%s: %v", spec.Name, err)
		return nil, nil
	}
	t.Cleanup(func() { _ = n.Stop(context.Background()) })
	c := &nodetest.Client{API: n.Client()}
	if err := c.Login(t.Context(), node.AccountUser, node.AccountPassword); err != nil {
		t.Errorf("%s: %v", spec.Name, err)
		return nil, nil
	}
	return n, c
}
