//go:build linux && docker

package docker_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
	"meshsim/port/probe"
)

// startNamed starts a server that ends with its driver.
func startNamed(t *testing.T, m *nodetest.Mesh, d node.Driver, spec node.Spec) node.Node {
	t.Helper()
	m.Name(spec)
	n, err := d.Start(t.Context(), spec, m)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What one does with a container: read its log, see what it uses, type into a shell, ping from it, kill it.
func TestTools(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	d := driver(t, config(t, m, discard{}))
	defer d.Close()
	n := startNamed(t, m, d, node.Spec{ID: 0, Name: "tools0", Kind: d.Kind()})
	other := startNamed(t, m, d, node.Spec{ID: 1, Name: "tools1", Kind: d.Kind()})
	m.Link(0, 1, link.Params{Delay: 5 * time.Millisecond})

	t.Run("log", func(t *testing.T) { readsLog(t, n.(node.LogReader)) })
	t.Run("usage", func(t *testing.T) {
		used, err := n.(node.Meter).Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if (used.Memory == nil || used.CPU == nil) != (used.Note != "") {
			t.Errorf("what is not known is not said, or the other way round: %+v", used)
		}
		if used.Memory != nil && *used.Memory < 10<<20 || used.CPU != nil && *used.CPU < 100*time.Millisecond {
			t.Errorf("a Synapse uses less than it can: %+v", used)
		}
	})
	t.Run("shell", func(t *testing.T) { typesIntoShell(t, n.(node.ShellHost)) })
	t.Run("exec-on-a-terminal", func(t *testing.T) {
		tools, err := docker.NewToolbox()
		if err != nil {
			t.Fatal(err)
		}
		defer tools.Close()
		tools.Process = os.Getpid()
		in, typing := io.Pipe()
		defer typing.Close()
		var out bytes.Buffer
		at := docker.Terminal{In: in, Out: &out, Size: node.TerminalSize{Rows: 21, Columns: 77}}
		// It waits to be typed into: by then its terminal has its size.
		command := []string{"sh", "-c", "read line; stty size; tty; exit $line"}
		go func() { _, _ = io.WriteString(typing, "7\n") }()
		var status *docker.StatusError
		if err := tools.ExecTerminal(t.Context(), "tools0", command, at); !errors.As(err, &status) || status.Status != 7 {
			t.Errorf("it ended with %v, want status 7", err)
		}
		if shown := out.String(); !strings.Contains(shown, "21 77") || !strings.Contains(shown, "/dev/pts/") {
			t.Errorf("it shows %q", shown)
		}
	})
	t.Run("ping", func(t *testing.T) {
		from, _ := node.Addrs(0)
		to, _ := node.Addrs(1)
		conn, err := n.(node.Prober).OpenICMP(from)
		if err != nil {
			t.Fatal(err)
		}
		c := probe.PingConfig{To: to, Count: 3, Interval: 10 * time.Millisecond, Timeout: patience, Size: 56}
		err = probe.Ping(t.Context(), conn, c, func(r probe.Reply) error {
			if r.Outcome != probe.Replied || r.RTT < 10*time.Millisecond {
				t.Errorf("reply %+v", r)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("kill", func(t *testing.T) {
		if err := other.(node.Killer).Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-other.Done():
		case <-time.After(patience):
			t.Fatal("a killed server is said to run")
		}
		if err := other.(node.Killer).Kill(t.Context()); err == nil || err.Error() != "it is not running" {
			t.Errorf("killed again: %v", err)
		}
		var died *node.StartError
		if !errors.As(other.Err(), &died) || !strings.HasPrefix(died.Reason, "tools1 was killed, as asked") || len(died.LogTail) == 0 {
			t.Errorf("Err is %#v", other.Err())
		}
	})
}

// readsLog follows the log from its first line on until it is called off.
func readsLog(t *testing.T, n node.LogReader) {
	enough := errors.New("enough")
	var first []string
	err := n.ReadLog(t.Context(), 10000, true, func(line string) error {
		first = append(first, line)
		if strings.Contains(line, "STARTING SERVER") {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("the log ended with %v after %q", err, first)
	}
	asked := 0
	if err := n.ReadLog(t.Context(), 10000, false, func(line string) error {
		asked += strings.Count(line, "GET /_matrix/client/versions")
		return nil
	}); err != nil || asked == 0 {
		t.Errorf("its clients' requests are not in the log: %v", err)
	}
	lines := 0
	if err := n.ReadLog(t.Context(), 2, false, func(string) error { lines++; return nil }); err != nil || lines != 2 {
		t.Errorf("%d last lines of 2, %v", lines, err)
	}
}

// typesIntoShell has a shell of a known size, and leaves a process in it that must end with it.
func typesIntoShell(t *testing.T, host node.ShellHost) {
	s, err := host.OpenShell(t.Context(), node.TerminalSize{Rows: 31, Columns: 101})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resize(t.Context(), node.TerminalSize{Rows: 33, Columns: 102}); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(s, "stty size; echo mark-$((1000+1)); exec sleep 98765\n"); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	buffer := make([]byte, 4096)
	for !bytes.Contains(shown.Bytes(), []byte("mark-1001")) {
		n, err := s.Read(buffer)
		shown.Write(buffer[:n])
		if err != nil {
			t.Fatalf("%v after %q", err, shown.String())
		}
	}
	if !strings.Contains(shown.String(), "33 102") {
		t.Errorf("the size is not that of the terminal: %q", shown.String())
	}
	sleeps := func() bool { return exec.Command("pgrep", "-fx", "sleep 98765").Run() == nil }
	nodetest.Eventually(t, patience, "the shell runs a command", sleeps)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	nodetest.Eventually(t, patience, "the shell has ended", func() bool { return !sleeps() })
	if _, err := s.Read(buffer); !errors.Is(err, io.EOF) {
		t.Errorf("reading from a shell that was closed: %v", err)
	}
}
