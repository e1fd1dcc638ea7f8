//go:build linux && docker

package docker_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/docker"
)

// What a user runs inside a server's network: names resolve in both directions, and the paths are the mesh's.
func TestToolsInsideAServer(t *testing.T) {
	p := newPair(t)
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
	out.Reset()
	var absent *docker.NoProgramError
	if err := tools.Exec(t.Context(), "hs0", []string{"nosuch"}, s); !errors.As(err, &absent) || out.Len() > 0 {
		t.Errorf("a command that is not there: %v, and it prints %q", err, &out)
	}
	at := docker.Terminal{In: strings.NewReader(""), Out: &out}
	if err := tools.ExecTerminal(t.Context(), "hs0", []string{"/nosuch"}, at); !errors.As(err, &absent) || out.Len() > 0 {
		t.Errorf("a command that is not there, on a terminal: %v, and it prints %q", err, &out)
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
	p.inARow(t, tools)
}

// row leads packets along servers in a row, 0, 1, 2, …
type row struct{}

// NextHop implements fabric.Router.
func (row) NextHop(at, dst fabric.NodeID) (fabric.NodeID, bool) {
	if dst > at {
		return at + 1, true
	}
	return at - 1, true
}

// inARow puts two servers more behind those of a pair: the tools name every hop on the way, with its round trip.
func (p *pair) inARow(t *testing.T, tools *docker.Toolbox) {
	delays := []time.Duration{10 * time.Millisecond, 30 * time.Millisecond, 50 * time.Millisecond}
	along := fabric.Change{Router: row{}}
	for i, delay := range delays {
		if id := i + 1; id >= len(p.nodes) {
			spec := node.Spec{ID: id, Name: fmt.Sprint("hs", id), Kind: p.drivers[1].Kind()}
			p.mesh.Name(spec)
			if n, _ := started(t, p.mesh, p.drivers[1], spec); n == nil {
				t.FailNow()
			}
		}
		params := link.Params{Delay: delay}
		id := fabric.LinkID{A: node.FabricNode(i), B: node.FabricNode(i + 1)}
		along.Set = append(along.Set, fabric.LinkConfig{LinkID: id, AB: params, BA: params})
	}
	if err := p.mesh.Fabric.Apply(along); err != nil {
		t.Fatal(err)
	}
	const slack = 40 * time.Millisecond // of a busy machine, and less than there is between two hops
	inside := func(command ...string) func(docker.Streams) error {
		return func(s docker.Streams) error { return tools.Exec(t.Context(), "hs0", command, s) }
	}
	outside := func(command ...string) func(docker.Streams) error {
		return func(s docker.Streams) error { return tools.ExecOutside(t.Context(), "hs0", command, s) }
	}
	const (
		four = `\(10\.0\.0\.%d\)`
		six  = `\(fd6d:6573:6873::%d\)`
	)
	cases := []struct {
		slug  string
		run   func(docker.Streams) error
		line  string // of a hop: its number, its number in names, the end of its address
		times string // in what comes after that, but for the deviation that mtr ends with
	}{
		{"traceroute", inside("traceroute", "-4", "-w", "5", "hs3"), `(?m)^ *%d  hs%d ` + four + `(.*)$`, `([\d.]+) ms`},
		{"traceroute-6", inside("traceroute", "-6", "-w", "5", "hs3"), `(?m)^ *%d  hs%d ` + six + `(.*)$`, `([\d.]+) ms`},
		{"mtr", outside("mtr", "-4", "--report", "--report-wide", "--show-ips", "--report-cycles", "3", "--interval", "0.2", "--gracetime", "1", "hs3"),
			`(?m)^ *%d\.\|-- hs%d ` + four + ` +0\.0%% +3 (.*) [\d.]+ *$`, `([\d.]+)`},
	}
	for _, c := range cases {
		t.Run("in-a-row/"+c.slug, func(t *testing.T) {
			if _, err := exec.LookPath("mtr"); err != nil && c.slug == "mtr" {
				t.Skip("not tested, because mtr is missing (Debian's mtr-tiny)")
			}
			var out bytes.Buffer
			if err := c.run(docker.Streams{Out: &out, Err: &out}); err != nil {
				t.Errorf("%v: %s", err, &out)
			}
			var rtt time.Duration
			for i, delay := range delays {
				hop := i + 1
				rtt += 2 * delay
				line := regexp.MustCompile(fmt.Sprintf(c.line, hop, hop, hop+1)).FindStringSubmatch(out.String())
				if line == nil {
					t.Fatalf("hop %d is not hs%d:\n%s", hop, hop, &out)
				}
				if got := quickest(t, line[1], c.times); got < rtt || got > rtt+slack {
					t.Errorf("hop %d is %v away, want %v:\n%s", hop, got, rtt, &out)
				}
			}
		})
	}
}

// quickest is the least of the times in a line, in milliseconds.
func quickest(t *testing.T, line, pattern string) time.Duration {
	t.Helper()
	var all []time.Duration
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(line, -1) {
		ms, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Duration(ms*float64(time.Millisecond)))
	}
	if len(all) == 0 {
		t.Fatalf("there are no times in %q", line)
	}
	return slices.Min(all)
}
