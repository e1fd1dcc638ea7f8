//go:build linux

package docker

import (
	"os"
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
	if reused := owner(strings.Replace(string(o), "-", "-1", 1)); reused.alive() {
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

// Whether a process runs is told only of those that can be seen from here.
func TestFatesOfOwnersElsewhere(t *testing.T) {
	there := place{namespace: "4026531836", boot: "b1", machine: "m1"}
	with := func(namespace, boot, machine string) owner {
		return owner("1-1").at(place{namespace: namespace, boot: boot, machine: machine}) // nobody has started then
	}
	for slug, c := range map[string]struct {
		owner owner
		want  fate
	}{
		"ended-here":                      {with("4026531836", "b1", "m1"), ended},
		"ended-here-image-without-id":     {with("4026531836", "b1", ""), ended},
		"other-namespace":                 {with("4026532000", "b1", "m1"), unseen},
		"namespace-not-known":             {with("", "b1", "m1"), unseen},
		"before-a-reboot":                 {with("4026531836", "b0", "m1"), ended},
		"before-a-reboot-other-namespace": {with("4026532000", "b0", "m1"), ended},
		"other-machine":                   {with("4026531836", "b0", "m2"), unseen},
		"other-boot-of-a-machine-no-name": {with("4026531836", "b0", ""), unseen},
		"nothing-known-of-it":             {with("", "", ""), unseen},
		"none":                            {"", ended},
	} {
		if got := c.owner.seenFrom(there); got != c.want {
			t.Errorf("%s: the fate of %q is %v, want %v", slug, c.owner, got, c.want)
		}
	}
	if nameless := (place{boot: "b1"}); with("4026531836", "b0", "").seenFrom(nameless) != unseen {
		t.Error("two machines without an id are taken to be one")
	}
	if got := owner("1-1").fate(); got != ended {
		t.Errorf("one that names no place is judged %v, want as if it were here", got)
	}
	if started, at := self().split(); at != here() || started.process() != os.Getpid() {
		t.Errorf("this process is %q at %+v", started, at)
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
