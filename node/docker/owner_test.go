//go:build linux

package docker

import (
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwnersLiveAsLongAsTheirProcess(t *testing.T) {
	if !self().alive() {
		t.Errorf("%s, this process, is said to have ended", self())
	}
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	o := ownerOf(child.Process.Pid)
	if !o.alive() {
		t.Errorf("%s is said to have ended while it runs", o)
	}
	_, start, _ := strings.Cut(string(self()), "-")
	if reused := owner(strings.Replace(string(o), "-", "-"+start, 1)); reused.alive() {
		t.Errorf("%s is said to run: another has its process id", reused)
	}
	stdin.Close()
	awaitZombie(t, child.Process.Pid)
	if o.alive() {
		t.Errorf("%s is said to run after it ended, before its parent asked", o)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if o.alive() {
		t.Errorf("%s is said to run after it ended", o)
	}
	for _, o := range []owner{"", "x", "-", "0-0", "-1-5"} {
		if o.alive() {
			t.Errorf("owner %q is said to run", o)
		}
	}
}

// awaitZombie waits for a child to end without asking for its status.
func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}
