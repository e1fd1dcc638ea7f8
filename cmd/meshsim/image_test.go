//go:build linux && docker

package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"meshsim/api"
	"meshsim/node/nodetest"
)

// succeed runs a command and returns what it printed.
func succeed(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, &complaints)
	}
	return strings.TrimSpace(string(out))
}

// meshsim in a container serves the page and starts stock homeservers beside itself, as the Dockerfile says. The port is
// the machine's own here, because the engine of the tests has no bridge.
func TestInAContainer(t *testing.T) {
	wantsContainers(t)
	name := "meshsim-test-" + strings.ToLower(rand.Text()[:8])
	directory := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(directory, "meshsim"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	succeed(t, build)
	image := exec.Command("docker", "build", "--quiet", "--tag", name, "--file", "../../Dockerfile", directory)
	image.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // the engine of the tests has nothing newer
	succeed(t, image)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "--force", name).Run() })

	p := &program{t: t, addr: freeAddress(t), token: rand.Text()}
	run := append([]string{"run", "--detach", "--name", name, "--network", "host", "--pid", "host",
		"--volume", "/var/run/docker.sock:/var/run/docker.sock"}, privileges(t, name)...)
	succeed(t, exec.Command("docker", append(run, name, "--listen", p.addr, "--homeserver", "synapse")...))
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", name).Run() })

	nodetest.Eventually(t, containerPatience, "the page is served", func() bool {
		response, err := http.Get("http://" + p.addr + "/")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		return err == nil && response.StatusCode == http.StatusOK && bytes.Contains(page, []byte("<title>meshsim"))
	})
	p.add("synapse", 0)
	p.add("embedded", 10)
	if out, err := p.remotely("ping", "-W", "1m", "-c", "1", "hs1", "hs0"); err != nil {
		t.Errorf("ping: %q, %v", out, err)
	}
	if out, err := p.remotely("exec", "hs0", "ping", "-c", "1", "hs1"); err != nil {
		t.Errorf("exec: %q, %v", out, err)
	}
	var running api.Version
	p.do("GET", "/api/v1/version", "", &running)
	succeed(t, exec.Command("docker", "stop", "--time", "30", name))
	owners := succeed(t, exec.Command("docker", "ps", "--all", "--format", `{{.Label "org.meshsim.owner"}}`))
	if strings.Contains("\n"+owners, fmt.Sprintf("\n%d-", running.PID)) {
		t.Errorf("containers of process %d were left behind: %s", running.PID, owners)
	}
}

// privileges are the options for a container that may do all. Where the engine itself lacks a capability, because it is in a
// container, it cannot give that: then all others, which are what meshsim needs.
func privileges(t *testing.T, image string) []string {
	t.Helper()
	out, err := exec.Command("docker", "run", "--rm", "--privileged", image, "version").CombinedOutput()
	if err == nil {
		return []string{"--privileged"}
	}
	t.Logf("not tested with --privileged, because the engine may not give that: %v\n%s", err, out)
	return []string{"--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--device", "/dev/net/tun",
		"--security-opt", "systempaths=unconfined", "--security-opt", "seccomp=unconfined"}
}

// freeAddress is an address on loopback at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
