//go:build linux && docker

package docker_test

import (
	"archive/tar"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

// standinImage makes an image in which the stand-in is everything. It is removed with the test.
func standinImage(t *testing.T) string {
	t.Helper()
	const name = "meshsim/standin-test"
	binary := filepath.Join(t.TempDir(), "standin")
	build := exec.Command("go", "build", "-o", binary, "./standin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, path := range []string{"usr/bin/dendrite", "usr/bin/tuwunel"} {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	load := exec.Command("docker", "import", "--change", `ENTRYPOINT ["/usr/bin/tuwunel"]`, "-", name)
	load.Stdin = &archive
	if out, err := load.CombinedOutput(); err != nil {
		t.Skipf("not tested, because the image cannot be made: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", name).Run() })
	return name
}

// What the presets of Dendrite and Tuwunel generate is found, read and heeded by a program in their place: configuration,
// keys, data, environment, ports, readiness, the account, and the way to other servers through the gateways.
func TestPresetsWithStandIns(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	cfg.Options.Image = standinImage(t)
	for _, kind := range []string{"dendrite", "tuwunel"} {
		t.Run(kind, func(t *testing.T) {
			m := nodetest.NewMesh(t, fabric.RealClock(), 1)
			cfg := cfg
			cfg.Fabric = m.Fabric
			var err error
			if cfg.Preset, err = docker.LoadPreset(kind); err != nil {
				t.Fatal(err)
			}
			d := driver(t, cfg)
			t.Cleanup(func() { d.Close() })
			m.LinkAll(2, link.Params{})
			nodes, clients := startAll(t, m, d, d) // logs in with the account
			if mode, unseen := nodes[0].(node.Gatewayed).Gateway(); mode != node.Observed || unseen != "" {
				t.Errorf("its gateway is %s, and %q", mode, unseen)
			}
			if got := ask(t, clients[0].API, "hs1"); !strings.Contains(got, `"name":"hs1"`) {
				t.Errorf("hs1 answers hs0 with %s", got)
			}
			if got := ask(t, clients[0].API, "hs9"); !strings.Contains(got, "Bad Gateway") {
				t.Errorf("a server that is not there answers %s", got)
			}
		})
	}
}

// ask has a stand-in ask another server.
func ask(t *testing.T, api http.Handler, server string) string {
	t.Helper()
	w := httptest.NewRecorder()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://standin/ask/"+server, nil)
	if err != nil {
		t.Fatal(err)
	}
	api.ServeHTTP(w, request)
	return w.Body.String()
}
