//go:build linux && docker

package docker_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take that a server does in its own time: a guard, for machines that do much else.
const patience = 5 * time.Minute

// config is that of a driver of Synapse on a mesh of its own. The test is skipped where there is no image: Debian
// cannot make one every day.
func config(t testing.TB, m *nodetest.Mesh, publisher telemetry.Publisher) docker.Config {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("containers of the mesh need root")
	}
	preset, err := docker.LoadPreset("synapse")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := gateway.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return docker.Config{Preset: preset, Fabric: m.Fabric, CA: ca, Rooms: gateway.NewRooms(), Publisher: publisher}
}

func driver(t testing.TB, cfg docker.Config) *docker.Driver {
	t.Helper()
	d, err := docker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context()); err != nil {
		d.Close()
		t.Skipf("not tested, because: %v", err)
	}
	return d
}

// discard takes what is published and forgets it.
type discard struct{}

func (discard) Publish(telemetry.Notification) {}

func TestConformance(t *testing.T) {
	nodetest.Run(t, func(t *testing.T) nodetest.Subject {
		m := nodetest.NewMesh(t, fabric.RealClock(), 1)
		return nodetest.Subject{Driver: driver(t, config(t, m, discard{})), Mesh: m, Patience: patience}
	})
}

// kept lists what the engine keeps for a server.
func kept(t *testing.T, server string) string {
	t.Helper()
	var all bytes.Buffer
	for _, args := range [][]string{{"ps", "--all", "--quiet"}, {"volume", "ls", "--quiet"}} {
		command := exec.Command("docker", append(args, "--filter", "label=org.meshsim.server="+server)...)
		command.Stdout = &all
		if err := command.Run(); err != nil {
			t.Fatal(err)
		}
	}
	return strings.TrimSpace(all.String())
}

// A server whose process is killed says so with its last words, and comes back with what it had. What is forgotten is
// gone.
func TestKilledServer(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	d := driver(t, config(t, m, discard{}))
	spec := node.Spec{ID: 4, Name: "killed", Kind: d.Kind()}
	m.Name(spec)
	start := func() (node.Node, *nodetest.Client) {
		t.Helper()
		n, err := d.Start(t.Context(), spec, m)
		if err != nil {
			t.Fatal(err)
		}
		c := &nodetest.Client{API: n.Client()}
		if err := c.Login(t.Context(), node.AccountUser, node.AccountPassword); err != nil {
			t.Fatal(err)
		}
		return n, c
	}
	n, c := start()
	room := c.CreateRoom(t)
	if err := n.Err(); err != nil {
		t.Errorf("Err while it runs: %v", err)
	}
	containers := strings.Fields(kept(t, spec.Name))
	if err := exec.Command("docker", "kill", containers[0]).Run(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.Done():
	case <-time.After(patience):
		t.Fatal("a killed server is said to run")
	}
	var died *node.StartError
	if !errors.As(n.Err(), &died) || !strings.HasPrefix(died.Reason, "killed was killed (signal 9) from outside meshsim") || len(died.LogTail) == 0 {
		t.Errorf("Err is %#v", n.Err())
	}
	n, c = start()
	if members := c.Members(t, room); members != 1 {
		t.Errorf("its room has %d members after it came back, want 1", members)
	}
	if err := n.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Forget(t.Context(), spec); err != nil {
		t.Error(err)
	}
	if left := kept(t, spec.Name); left != "" {
		t.Errorf("Forget left %s", left)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Each thing that is missing is said in one sentence with its remedy.
func TestErrors(t *testing.T) {
	cases := []struct {
		slug    string
		host    string
		options docker.Options
		want    string
	}{
		{slug: "no-engine", host: "unix:///nonexistent.sock", want: "no Docker engine answers at unix:///nonexistent.sock: start one"},
		{slug: "no-image", options: docker.Options{Image: "nowhere.invalid/none"}, want: "make one with images/synapse/build"},
		{slug: "does-not-start", options: docker.Options{Environment: []string{"PYTHONHOME=/nonexistent"}}, want: "broken died: its process ended with status 1"},
		{slug: "bad-mount", options: docker.Options{Mounts: []string{"nothing"}}, want: `a mount is "nothing": it must be HOST-PATH`},
		{slug: "mount-of-nothing", options: docker.Options{Mounts: []string{"/nonexistent:/x"}}, want: "bind source path does not exist"},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			m := nodetest.NewMesh(t, fabric.RealClock(), 1)
			cfg := config(t, m, discard{})
			driver(t, cfg).Close()
			if c.host != "" {
				t.Setenv("DOCKER_HOST", c.host)
			}
			cfg.Options = c.options
			d, err := docker.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err = d.Start(ctx, node.Spec{Name: "broken"}, m)
			var failed *node.StartError
			if !errors.As(err, &failed) || !strings.Contains(failed.Reason, c.want) || strings.Contains(failed.Reason, "\n") {
				t.Errorf("error %#v, want %q in it", err, c.want)
			}
			if c.slug == "does-not-start" && len(failed.LogTail) == 0 {
				t.Error("its last words are missing")
			}
			if err := d.Close(); err != nil && c.host == "" {
				t.Error(err)
			}
			if c.host == "" && kept(t, "broken") != "" {
				t.Errorf("left behind: %s", kept(t, "broken"))
			}
		})
	}
}

// While it is paused its clients wait; a paused server can be stopped.
func TestStopsWhilePaused(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	d := driver(t, config(t, m, discard{}))
	defer d.Close()
	spec := node.Spec{Name: "paused", Kind: d.Kind()}
	m.Name(spec)
	n, err := d.Start(t.Context(), spec, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.(node.Pauser).Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	const paused = "server paused is paused: let it go on first, with meshsim resume paused or in the page"
	if _, err := n.(node.ShellHost).OpenShell(t.Context(), node.TerminalSize{}); err == nil || err.Error() != paused {
		t.Errorf("a shell: error %v, want %q", err, paused)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Error(err)
	}
	c := &nodetest.Client{API: n.Client()}
	if status, _ := c.Do(t.Context(), http.MethodGet, "/login", nil, nil); status != http.StatusBadGateway {
		t.Errorf("the API of a stopped server answers %d, want %d", status, http.StatusBadGateway)
	}
}

// What still runs when the driver is closed is ended, and nothing is left.
func TestCloseEndsWhatRuns(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	d := driver(t, config(t, m, discard{}))
	spec := node.Spec{Name: "abandoned", Kind: d.Kind()}
	m.Name(spec)
	n, err := d.Start(t.Context(), spec, m)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-n.Done():
	default:
		t.Error("a server runs after Close")
	}
	if left := kept(t, spec.Name); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if _, err := d.Start(t.Context(), spec, m); err == nil {
		t.Error("a closed driver started a server")
	}
}

// A start that is called off at any moment leaves no container, and the server can be started afterwards.
func TestStartsCalledOff(t *testing.T) {
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	d := driver(t, config(t, m, discard{}))
	defer d.Close()
	spec := node.Spec{Name: "hesitant", Kind: d.Kind()}
	m.Name(spec)
	for _, after := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 600 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		n, err := d.Start(ctx, spec, m)
		cancel()
		var failed *node.StartError
		if !errors.As(err, &failed) {
			t.Fatalf("called off after %v: %v, %v", after, n, err)
		}
		if left := kept(t, spec.Name); strings.Contains(left, "\n") { // the volume may stay
			t.Errorf("called off after %v, left %s", after, left)
		}
	}
	n, err := d.Start(t.Context(), spec, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
