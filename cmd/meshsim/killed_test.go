//go:build linux && docker

package main

import (
	"bufio"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a meshsim that was killed with -9 leaves behind, clean removes.
func TestKilledMeshsimIsCleanedUp(t *testing.T) {
	wantsContainers(t)
	binary := filepath.Join(t.TempDir(), "meshsim")
	succeed(t, exec.Command("go", "build", "-o", binary, "."))
	command := exec.Command(binary, "--listen", "127.0.0.1:0", "--client-ports", "0", "--homeserver", "synapse")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(strings.Fields(line)[3])
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, addr: "127.0.0.1:" + address.Port()}
	p.add("synapse", 0)
	pid := command.Process.Pid
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	containers, volumes := inEngine(t, pid, "ps", "--all"), inEngine(t, pid, "volume", "ls")
	if len(containers) != 1 || len(volumes) != 1 {
		t.Errorf("it left the containers %q and the volumes %q, want one of each", containers, volumes)
	}
	said, err := meshsim(t.Context(), nil, "clean")
	if err != nil || !strings.Contains(said, "removed ") {
		t.Errorf("clean says %q, %v", said, err)
	}
	if left := append(inEngine(t, pid, "ps", "--all"), inEngine(t, pid, "volume", "ls")...); len(left) > 0 {
		t.Errorf("of %v there is still %q", pid, left)
	}
}
