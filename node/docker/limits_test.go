//go:build linux && docker

package docker_test

import (
	"os/exec"
	"strings"
	"testing"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/node/nodetest"
)

// A container starts with the limits that its user wants of memory and processors, and with ours of processes and of its log.
func TestLimits(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	cfg.Options.Memory, cfg.Options.CPUs = 300<<20, 0.5
	d := driver(t, cfg)
	t.Cleanup(func() { d.Close() })
	spec := node.Spec{Name: "limited", Kind: d.Kind()}
	m.Name(spec)
	if n, _ := started(t, m, d, spec); n == nil {
		t.FailNow()
	}
	id := strings.Fields(kept(t, spec.Name))[0]
	out, err := exec.Command("docker", "inspect", "--format",
		"{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config}}", id).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != "314572800 500000000 4096 json-file map[max-file:2 max-size:10m]" {
		t.Errorf("limits %s", got)
	}
}
