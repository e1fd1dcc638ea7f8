//go:build linux && docker

package docker_test

import (
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

// The memory of servers that run side by side is merged, and they and the machine say how much. They work as others do.
func TestMergedServers(t *testing.T) {
	merging, err := docker.NewMerging()
	if err != nil {
		t.Skipf("not tested, because: %v", err)
	}
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	cfg.Merging = merging
	d := driver(t, cfg)
	defer d.Close()
	nodes, clients := startAll(t, m, d, d)
	room := create(t, clients[0], "11", nil)
	clients[0].Send(t, room, "merged")
	shows(t, clients[0], room, "merged")
	nodetest.Eventually(t, 5*time.Minute, "the kernel has merged memory", func() bool {
		used, err := nodes[0].(node.Meter).Usage(t.Context())
		if err != nil || used.Merged == nil {
			t.Fatalf("used: %+v, %v", used, err)
		}
		saved, err := merging.Savings()
		if err != nil {
			t.Fatal(err)
		}
		return *used.Merged > 4<<20 && saved.Saved > 4<<20
	})
	for _, n := range nodes {
		if err := n.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
