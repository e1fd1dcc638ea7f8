package meshes

import (
	"strings"
	"testing"

	"meshsim/mesh/meshfile"
	"meshsim/topo"
)

// Every example is one connected mesh with words about it.
func TestExamplesAreMeshes(t *testing.T) {
	all := All()
	if len(all) < 5 {
		t.Fatalf("%d examples", len(all))
	}
	for _, e := range all {
		if e.Title == "" || !strings.HasSuffix(e.Description, ".") {
			t.Errorf("%s says %q, %q of itself", e.Name, e.Title, e.Description)
		}
		plan, err := meshfile.Decode([]byte(e.Text))
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		if parts := parts(plan); parts != 1 {
			t.Errorf("%s is in %d parts", e.Name, parts)
		}
	}
}

func parts(plan meshfile.Plan) int {
	var nodes []topo.Node
	part := make(map[int]int)
	for _, s := range plan.Servers {
		nodes = append(nodes, topo.Node{ID: s.ID, X: s.X, Y: s.Y})
		part[s.ID] = s.ID
	}
	count := len(nodes)
	for _, l := range topo.Build(plan.Settings, nodes, plan.Pins).Links {
		a, b := part[l.A], part[l.B]
		if a == b {
			continue
		}
		count--
		for id, p := range part {
			if p == b {
				part[id] = a
			}
		}
	}
	return count
}
