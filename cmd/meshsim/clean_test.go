//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"meshsim/node/docker/enginetest"
)

// What belongs to a meshsim in another PID namespace or on another machine is left, and said, unless it is meant too.
func TestCleanLeavesWhatItCannotSee(t *testing.T) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	thisBoot := strings.ReplaceAll(strings.TrimSpace(string(boot)), "-", "")
	e := &enginetest.Engine{Owners: map[string]string{
		"ended":              "1-1",
		"in-a-container":     fmt.Sprintf("1-1-%d-%s-", 1, thisBoot),
		"on-another-machine": "1-1-4026531836-0123-4567",
	}}
	e.Serve(t)
	for _, c := range []struct {
		args []string
		says string
		left int // containers and volumes
	}{
		{[]string{"clean"}, "removed ended\nleft 4 containers and volumes of a meshsim that cannot be seen from here, as it may be running: " +
			"run meshsim clean where that one ran, or meshsim clean --force\n", 4},
		{[]string{"clean", "--force"}, "removed in-a-container\nremoved on-another-machine\n", 0},
		{[]string{"clean"}, "", 0},
	} {
		out, err := meshsim(t.Context(), nil, c.args...)
		if err != nil || out != c.says {
			t.Errorf("%v printed %q, %v; want %q", c.args, out, err, c.says)
		}
		if left := e.Left(); len(left) != c.left || slices.Contains(left, "ended") {
			t.Errorf("%v left %v, want %d", c.args, left, c.left)
		}
	}
}
