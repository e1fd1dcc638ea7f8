//go:build linux && docker

package docker_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

// What is mounted is seen inside, and what is mounted :ro is not written to.
func TestMounts(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	locked, open := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(locked, "source"), []byte("a working copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Options.Mounts = []string{locked + ":/locked:ro", open + ":/open"}
	d := driver(t, cfg)
	defer d.Close()
	startNamed(t, m, d, node.Spec{Name: "mounted", Kind: d.Kind()})
	tools, err := docker.NewToolbox()
	if err != nil {
		t.Fatal(err)
	}
	defer tools.Close()
	tools.Process = os.Getpid()
	inside := func(command string) (string, error) {
		var out bytes.Buffer
		err := tools.Exec(t.Context(), "mounted", []string{"sh", "-c", command}, docker.Streams{Out: &out, Err: &out})
		return out.String(), err
	}
	if out, err := inside("cat /locked/source; cp /locked/source /open/copy"); err != nil || out != "a working copy" {
		t.Errorf("the mounted file: %q, %v", out, err)
	}
	if out, err := inside("echo other > /locked/source"); err == nil {
		t.Errorf("what is mounted :ro could be written to: %q", out)
	}
	for path, want := range map[string]string{filepath.Join(locked, "source"): "a working copy", filepath.Join(open, "copy"): "a working copy"} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", path, text, err, want)
		}
	}
}
