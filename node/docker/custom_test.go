//go:build linux && docker

package docker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

// The example of a preset that a user writes does what ours do.
func TestCustomPreset(t *testing.T) {
	nodetest.Run(t, func(t *testing.T) nodetest.Subject {
		m := nodetest.NewMesh(t, fabric.RealClock(), 1)
		cfg := config(t, m, discard{})
		var err error
		if cfg.Preset, err = docker.ReadPreset("../../examples/preset.yaml"); err != nil {
			t.Fatal(err)
		}
		d := driver(t, cfg)
		if d.Kind() != "mine" {
			t.Errorf("its kind is %s", d.Kind())
		}
		return nodetest.Subject{Driver: d, Mesh: m, Patience: patience}
	})
}

// An account that cannot be made is said with what the command said.
func TestAccountCommandFails(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	example, err := os.ReadFile("../../examples/preset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	luckless := strings.Replace(string(example), "[python3, -m, synapse._scripts.register_new_matrix_user,", `[sh, -c, "echo no such luck >&2; exit 3",`, 1)
	path := filepath.Join(t.TempDir(), "luckless.yaml")
	if err := os.WriteFile(path, []byte(luckless), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg.Preset, err = docker.ReadPreset(path); err != nil {
		t.Fatal(err)
	}
	d := driver(t, cfg)
	t.Cleanup(func() { d.Close() })
	spec := node.Spec{Name: "luckless", Kind: d.Kind()}
	m.Name(spec)
	_, err = d.Start(context.Background(), spec, m)
	var failed *node.StartError
	if !errors.As(err, &failed) || !strings.Contains(failed.Reason, `make its account: sh ended with status 3, saying "no such luck": see account_command`) {
		t.Errorf("error %v", err)
	}
}
