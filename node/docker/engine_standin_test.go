//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/node"
	"meshsim/node/docker/enginetest"
	"meshsim/node/nodetest"
)

// standInDriver is a driver of Synapse at an engine that runs nothing.
func standInDriver(t *testing.T, e *enginetest.Engine) (*Driver, *nodetest.Mesh) {
	t.Helper()
	e.Images = []string{"meshsim/synapse"}
	e.Serve(t)
	preset, err := LoadPreset("synapse")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := gateway.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	d, err := New(Config{Preset: preset, Fabric: m.Fabric, CA: ca, Rooms: gateway.NewRooms()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, m
}

// launched is a server whose container the engine has made.
func launched(t *testing.T, d *Driver) *running {
	t.Helper()
	with, err := d.prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.resident(node.Spec{Name: "hs0"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.launch(t.Context(), r, with)
	if err != nil {
		t.Fatal(err)
	}
	close(n.settled)
	return n
}

// A container runs on while its engine is killed and started again, and how it ends is told afterwards.
func TestWaitsWhileTheEngineIsStartedAgain(t *testing.T) {
	running := make(chan struct{})
	e := &enginetest.Engine{Running: running, Status: 7}
	d, _ := standInDriver(t, e)
	n := launched(t, d)
	e.Restart(3)
	if end, over := d.engine.askAgain(t.Context(), n.container, errors.New("unexpected EOF")); over {
		t.Errorf("it is said to have ended: %v", end)
	}
	select {
	case <-n.exited:
		t.Fatalf("it is said to have ended: %v", n.err)
	default:
	}
	close(running)
	<-n.done
	if want := "hs0 died: its process ended with status 7"; n.err == nil || n.err.Error() != want {
		t.Errorf("it ended with %v, want %s", n.err, want)
	}
}

// What is in the way of a container is removed where this process has made it, and only then.
func TestCreatesWhereOneOfItsOwnIsInTheWay(t *testing.T) {
	e := &enginetest.Engine{Owners: map[string]string{"own": string(self()), "other": "1-1"}}
	d, _ := standInDriver(t, e)
	o := func(name string) *order { return &order{name: name, image: "meshsim/synapse", data: "/data"} }
	if id, err := d.engine.create(t.Context(), o("own")); err != nil || e.Removed() != 1 {
		t.Errorf("made %q, %v, and removed %d", id, err, e.Removed())
	}
	if id, err := d.engine.create(t.Context(), o("other")); err == nil || e.Removed() != 1 {
		t.Errorf("made %q where another's was in the way, and removed %d", id, e.Removed())
	}
}

// Close waits for a container that is being made, and leaves nothing of it.
func TestCloseWaitsForLaunches(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	e := &enginetest.Engine{Running: make(chan struct{}), Creating: func() {
		close(asked)
		<-answer
	}}
	d, m := standInDriver(t, e)
	started, closed := make(chan error, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, err := d.Start(ctx, node.Spec{Name: "hs0"}, m)
		started <- err
	}()
	<-asked
	cancel()
	go func() { closed <- d.Close() }()
	<-d.ctx.Done() // Close has begun
	select {
	case err := <-closed:
		t.Errorf("Close did not wait: %v", err)
	default:
	}
	close(answer)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := <-started; err == nil {
		t.Error("a server was started by a closed driver")
	}
	if left := e.Left(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// What a server wrote last is kept with it until it is started again, however its run ends.
func TestLastLogIsKept(t *testing.T) {
	for slug, end := range map[string]func(*running, chan struct{}) error{
		"died":      func(_ *running, container chan struct{}) error { close(container); return nil },
		"stopped":   func(n *running, container chan struct{}) error { close(container); return n.Stop(t.Context()) },
		"not-asked": func(n *running, _ chan struct{}) error { return n.Stop(t.Context()) }, // the stand-in cannot stop
		"not-begun": func(n *running, _ chan struct{}) error { _ = n.giveUp(errors.New("it did not answer")); return nil },
	} {
		t.Run(slug, func(t *testing.T) {
			var written strings.Builder
			for i := range 2 * keptLog.lines {
				fmt.Fprintln(&written, "line", i)
			}
			container := make(chan struct{})
			d, _ := standInDriver(t, &enginetest.Engine{Running: container, Log: written.String()})
			n := launched(t, d)
			if _, ok := d.LastLog(0); ok {
				t.Error("there is a last log of a server that runs")
			}
			if err := end(n, container); err != nil {
				t.Error(err)
			}
			<-n.done
			last, ok := d.LastLog(0)
			if !ok {
				t.Fatal("nothing is kept")
			}
			var got []string
			err := last.ReadLog(t.Context(), 1000, true, func(line string) error { got = append(got, line); return nil })
			if err != nil || len(got) != 200 || got[199] != "line 399" {
				t.Errorf("%v, and %d lines", err, len(got))
			}
			var died *node.StartError
			if errors.As(n.Err(), &died) && len(died.LogTail) != 20 {
				t.Errorf("%d lines are told of its end", len(died.LogTail))
			}
			if _, err := d.resident(node.Spec{Name: "hs0"}); err != nil {
				t.Fatal(err)
			}
			if _, ok := d.LastLog(0); ok {
				t.Error("it is kept though the server starts again")
			}
		})
	}
}

// A log's end has no empty lines, none that is too long, and not too much in all.
func TestLogTailIsShort(t *testing.T) {
	long := strings.Repeat("x", 3*node.MaxLogLine)
	for slug, c := range map[string]struct {
		log  string
		want []string
	}{
		"nothing":   {"", nil},
		"empty":     {"\n\n", nil},
		"gaps":      {"one\n\ntwo\n", []string{"one", "two"}},
		"long-line": {"one\n" + long, []string{"one", long[:node.MaxLogLine]}},
		"too-much":  {"one\n" + long + "\n" + long + "\n" + long, []string{long[:node.MaxLogLine], long[:node.MaxLogLine]}},
	} {
		t.Run(slug, func(t *testing.T) {
			d, _ := standInDriver(t, &enginetest.Engine{Log: c.log})
			id, err := d.engine.create(t.Context(), &order{name: "a", image: "meshsim/synapse", data: "/data"})
			if err != nil {
				t.Fatal(err)
			}
			if got := toldLog.of(d.engine.logTail(t.Context(), id)); !slices.Equal(got, c.want) {
				t.Errorf("%d lines of %d bytes", len(got), len(fmt.Sprint(got)))
			}
		})
	}
}
