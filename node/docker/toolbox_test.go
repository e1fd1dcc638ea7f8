//go:build linux && docker

package docker_test

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"meshsim/node/docker"
)

// What a user runs inside a server's network: names resolve in both directions, and the paths are the mesh's.
func TestToolsInsideAServer(t *testing.T) {
	newPair(t)
	tools, err := docker.NewToolbox()
	if err != nil {
		t.Fatal(err)
	}
	defer tools.Close()
	tools.Process = os.Getpid() // another process may have servers of the same names
	cases := []struct {
		command string
		in      string
		want    string // of what it prints, a pattern
	}{
		{"getent ahostsv4 hs1", "", `^10\.0\.0\.2 `},
		{"getent ahostsv6 hs1", "", `^fd6d:6573:6873::2 `},
		{"getent hosts 10.0.0.2", "", `hs1`},
		{"ping -c 1 -w 20 hs1", "", `1 received`},
		{"ping -c 1 -w 20 -4 hs1", "", `1 received`},
		{"traceroute -4 -w 5 hs1", "", ` 1  hs1 \(10\.0\.0\.2\)`},
		{"traceroute -6 -w 5 hs1", "", ` 1  hs1 \(fd6d:6573:6873::2\)`},
		{"cat", "what comes in", `^what comes in$`},
	}
	for _, c := range cases {
		t.Run(c.command, func(t *testing.T) {
			var out bytes.Buffer
			s := docker.Streams{Out: &out, Err: &out}
			if c.in != "" {
				s.In = strings.NewReader(c.in)
			}
			if err := tools.Exec(t.Context(), "hs0", strings.Fields(c.command), s); err != nil {
				t.Errorf("%v: %s", err, &out)
			}
			if !regexp.MustCompile(c.want).Match(out.Bytes()) {
				t.Errorf("it prints %q, without %s", &out, c.want)
			}
		})
	}
	var out bytes.Buffer
	s := docker.Streams{Out: &out, Err: &out}
	var status *docker.StatusError
	if err := tools.Exec(t.Context(), "hs0", []string{"sh", "-c", "exit 3"}, s); !errors.As(err, &status) || status.Status != 3 {
		t.Errorf("a command that fails: %v", err)
	}
	if err := tools.Logs(t.Context(), "hs0", false, s); err != nil || !strings.Contains(out.String(), "STARTING SERVER") {
		t.Errorf("the log is %q, %v", &out, err)
	}
	const nobody = "no server nobody runs in a container"
	if err := tools.Exec(t.Context(), "nobody", []string{"true"}, s); err == nil || err.Error() != nobody {
		t.Errorf("error %v, want %q", err, nobody)
	}
	if err := tools.Logs(t.Context(), "nobody", false, s); err == nil || err.Error() != nobody {
		t.Errorf("error %v, want %q", err, nobody)
	}
}
