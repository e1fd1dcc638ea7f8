package mesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/node"
)

func TestAddStartsAndWires(t *testing.T) {
	inBubble(t, func(_ *Config, d *fakeDriver) {
		d.startTime = func(int) time.Duration { return time.Second }
	}, func(b *bed) {
		first, err := b.Add(b.t.Context(), AddServer{X: 10, Y: 20})
		b.must(err)
		if first.ID != 0 || first.Name != "hs0" || first.Kind != "fake" || first.State != Starting {
			t.Errorf("added: %+v", first)
		}
		second, err := b.Add(b.t.Context(), AddServer{X: 40, Y: 60, Name: "alice"})
		b.must(err)
		synctest.Wait()
		if links, _ := b.fabric.counts(); links > 0 {
			t.Errorf("servers that are starting are wired: %d links", links)
		}
		if s, err := b.WaitRunning(b.t.Context(), first.ID); err != nil || s.State != Running {
			t.Errorf("waited: %+v %v", s, err)
		}
		_, err = b.WaitRunning(b.t.Context(), second.ID)
		b.must(err)
		if l, ok := b.fabric.link(0, 1); !ok || l.AB.Delay != pixels(50) {
			t.Errorf("link: %+v %v", l, ok)
		}
		if _, ok := b.fabric.link(0, node.ClientFabricNode(0)); !ok {
			t.Error("there is no client link")
		}
		b.fabric.check(b.Snapshot())
	})
}

func TestEveryCommandInEveryState(t *testing.T) {
	type act struct {
		name string
		do   func(*Mesh, context.Context, int) error
	}
	acts := []act{
		{"start", (*Mesh).Start}, {"stop", (*Mesh).Stop}, {"pause", (*Mesh).Pause},
		{"resume", (*Mesh).Resume}, {"remove", (*Mesh).Remove}, {"restore", (*Mesh).Restore},
		{"restart", (*Mesh).Restart}, {"kill", (*Mesh).Kill},
	}
	allowed := map[State]string{
		Added: "stop remove", Starting: "stop remove", Running: "stop pause remove restart kill", Paused: "stop resume remove restart kill",
		Stopping: "remove", Stopped: "start remove restart", Failed: "start remove restart", Gone: "restore",
	}
	for state, possible := range allowed {
		for _, a := range acts {
			t.Run(fmt.Sprintf("%s-%s", state, a.name), func(t *testing.T) {
				inBubble(t, nil, func(b *bed) {
					b.bring(state)
					before := b.Snapshot()
					err := a.do(b.Mesh, b.t.Context(), 0)
					if strings.Contains(" "+possible+" ", " "+a.name+" ") {
						b.must(err)
						return
					}
					kind := Conflict
					if state == Gone {
						kind = NotFound
					}
					b.wantKind(err, kind)
					if b.Snapshot() != before {
						t.Error("a refused command changed something")
					}
				})
			})
		}
	}
}

// bring makes server 0 and brings it into a state in which it stays for a second at least.
func (b *bed) bring(state State) {
	b.t.Helper()
	ctx := b.t.Context()
	if state == Added {
		b.config.StartLimit = 0
	}
	if state == Starting {
		b.driver.startTime = func(int) time.Duration { return time.Second }
	}
	if state == Failed {
		b.driver.fail = func(int) error { return errBroken }
	}
	_, err := b.Add(ctx, AddServer{})
	b.must(err)
	synctest.Wait()
	switch state {
	case Paused:
		b.must(b.Pause(ctx, 0))
	case Stopping:
		b.driver.stopTime = time.Second
		b.must(b.Stop(ctx, 0))
	case Stopped:
		b.must(b.Stop(ctx, 0))
	case Gone:
		b.must(b.Remove(ctx, 0))
	}
	synctest.Wait()
	if got := b.state(0); got != state {
		b.t.Fatalf("the server is %s, want %s", got, state)
	}
}

func TestSlowDriversBlockNothing(t *testing.T) {
	inBubble(t, func(_ *Config, d *fakeDriver) {
		d.startTime = func(int) time.Duration { return time.Hour }
	}, func(b *bed) {
		begun := time.Now()
		for i := range 20 {
			s, err := b.Add(b.t.Context(), AddServer{X: float64(i)})
			b.must(err)
			b.must(b.Move(b.t.Context(), s.ID, 5, 5))
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("commands took %v", took)
		}
	})
}

func TestStartsAreBounded(t *testing.T) {
	inBubble(t, func(c *Config, d *fakeDriver) {
		c.StartLimit = 3
		d.startTime = func(int) time.Duration { return time.Second }
	}, func(b *bed) {
		begun := time.Now()
		for range 10 {
			_, err := b.Add(b.t.Context(), AddServer{})
			b.must(err)
		}
		_, err := b.WaitRunning(b.t.Context(), 9)
		b.must(err)
		if took := time.Since(begun); took != 4*time.Second || b.driver.most != 3 {
			t.Errorf("starting took %v, %d at once", took, b.driver.most)
		}
	})
}

func TestFailedStartSaysWhyAndCanBeRetried(t *testing.T) {
	broken := true
	inBubble(t, func(_ *Config, d *fakeDriver) {
		d.fail = func(int) error {
			if broken {
				return &node.StartError{Reason: "the port is taken", LogTail: []string{"one", "two"}}
			}
			return nil
		}
	}, func(b *bed) {
		_, err := b.Add(b.t.Context(), AddServer{})
		b.must(err)
		_, err = b.WaitRunning(b.t.Context(), 0)
		b.wantKind(err, Conflict)
		s := b.Snapshot().Servers[0]
		if s.State != Failed || s.Reason != "the port is taken" || len(s.LogTail) != 2 {
			t.Errorf("server: %+v", s)
		}
		broken = false
		b.must(b.Start(b.t.Context(), 0))
		s, err = b.WaitRunning(b.t.Context(), 0)
		if err != nil || s.Reason != "" || s.LogTail != nil {
			t.Errorf("server: %+v %v", s, err)
		}
	})
}

func TestClientSideThatCannotBeAttachedFailsTheStart(t *testing.T) {
	inBubble(t, func(c *Config, _ *fakeDriver) {
		c.Servers = []Planned{{ID: refusedClient}}
	}, func(b *bed) {
		synctest.Wait()
		if s := b.Snapshot().Servers[refusedClient]; s.State != Failed || !strings.Contains(s.Reason, "no room") {
			t.Errorf("server: %+v", s)
		}
		if len(b.driver.starts) > 0 {
			t.Error("the server was started all the same")
		}
	})
}

func TestServerThatDies(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 10)
		b.driver.node(0).end(&node.StartError{Reason: "out of memory", LogTail: []string{"oom"}})
		synctest.Wait()
		s := b.Snapshot().Servers[0]
		if s.State != Failed || s.Reason != "out of memory" || len(s.LogTail) != 1 {
			t.Errorf("server: %+v", s)
		}
		if _, ok := b.Client(0); ok {
			t.Error("a dead server has a client API")
		}
		b.fabric.check(b.Snapshot())
		b.must(b.Start(b.t.Context(), 0))
		_, err := b.WaitRunning(b.t.Context(), 0)
		b.must(err)
		b.fabric.check(b.Snapshot())
	})
}

func TestServerThatDiesWithoutAWord(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(1, 0)
		b.driver.node(0).end(nil)
		synctest.Wait()
		if s := b.Snapshot().Servers[0]; s.State != Failed || s.Reason == "" {
			t.Errorf("server: %+v", s)
		}
	})
}

func TestPausedServersStayWired(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 10)
		b.must(b.Pause(b.t.Context(), 1))
		if b.state(1) != Paused || !b.driver.node(1).frozen.Load() {
			t.Error("the server is not paused")
		}
		b.fabric.check(b.Snapshot())
		b.must(b.Resume(b.t.Context(), 1))
		if b.state(1) != Running || b.driver.node(1).frozen.Load() {
			t.Error("the server was not resumed")
		}
	})
}

// An answer comes when the snapshot already shows what was done.
func TestPauseAndResumeArePublishedFirst(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(1, 0)
		for range 500 {
			b.must(b.Pause(b.t.Context(), 0))
			if now := b.Snapshot().Servers[0].State; now != Paused {
				t.Fatalf("after the pause the snapshot says %s", now)
			}
			b.must(b.Resume(b.t.Context(), 0))
			if now := b.Snapshot().Servers[0].State; now != Running {
				t.Fatalf("after the resumption the snapshot says %s", now)
			}
		}
	})
}

func TestKindThatCannotBePaused(t *testing.T) {
	inBubble(t, func(_ *Config, d *fakeDriver) { d.rigid = true }, func(b *bed) {
		b.place(1, 0)
		b.wantKind(b.Pause(b.t.Context(), 0), Conflict)
	})
}

func TestStopWhilePausing(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(1, 0)
		paused := make(chan error)
		go func() { paused <- b.Pause(b.t.Context(), 0) }()
		synctest.Wait()
		b.wantKind(b.Pause(b.t.Context(), 0), Conflict)
		b.must(b.Stop(b.t.Context(), 0))
		b.wantKind(<-paused, Conflict)
		synctest.Wait()
		if b.state(0) != Stopped {
			t.Errorf("the server is %s", b.state(0))
		}
	})
}

func TestRemoveAndRestore(t *testing.T) {
	for _, state := range []State{Added, Starting, Running, Paused, Stopping, Stopped, Failed} {
		t.Run(string(state), func(t *testing.T) {
			inBubble(t, nil, func(b *bed) {
				b.bring(state)
				b.must(b.Remove(b.t.Context(), 0))
				b.must(b.WaitGone(b.t.Context(), 0))
				if _, ok := b.Lookup("hs0"); ok {
					t.Error("a removed server is found by its name")
				}
				b.fabric.check(b.Snapshot())
				b.wantKind(b.Move(b.t.Context(), 0, 1, 1), NotFound)

				b.config.StartLimit, b.driver.fail = 1, nil
				b.must(b.Restore(b.t.Context(), 0))
				s, err := b.WaitRunning(b.t.Context(), 0)
				if err != nil || s.ID != 0 || s.Name != "hs0" {
					t.Errorf("restored: %+v %v", s, err)
				}
			})
		})
	}
}

// A start that is stopped never counts as failed, gives its turn to the next, and can be begun again.
func TestStopCallsAStartOff(t *testing.T) {
	for _, ignoring := range []bool{false, true} {
		t.Run(fmt.Sprintf("driver-ignores-it-%v", ignoring), func(t *testing.T) {
			inBubble(t, func(c *Config, d *fakeDriver) {
				c.StartLimit = 1
				d.startTime = func(int) time.Duration { return time.Hour }
				if ignoring {
					c.Drivers = []node.Driver{deafDriver{d}}
				}
			}, func(b *bed) {
				ctx := b.t.Context()
				for x := range 3 {
					_, err := b.Add(ctx, AddServer{X: float64(x)})
					b.must(err)
				}
				synctest.Wait()
				states := b.follow(0)
				b.must(b.Stop(ctx, 0)) // is starting
				b.must(b.Stop(ctx, 2)) // waits for its turn
				if got := b.state(2); got != Stopped {
					t.Errorf("a server that was stopped before its turn is %s", got)
				}
				if ignoring {
					b.wantKind(b.Start(ctx, 0), Conflict) // it is stopping
				}
				_, err := b.WaitRunning(ctx, 1)
				b.must(err)
				if got := states(); strings.TrimPrefix(got, "stopping ") != "stopped" { // the first may be over too soon to be told
					t.Errorf("the start that was stopped went through %q", got)
				}
				for _, id := range []int{0, 2} {
					b.must(b.Start(ctx, id))
					_, err := b.WaitRunning(ctx, id)
					b.must(err)
				}
				b.fabric.check(b.Snapshot())
			})
		})
	}
}

// deafDriver starts servers also where the start was called off.
type deafDriver struct{ *fakeDriver }

func (d deafDriver) Start(ctx context.Context, spec node.Spec, mesh node.Network) (node.Node, error) {
	return d.fakeDriver.Start(context.WithoutCancel(ctx), spec, mesh)
}

// follow returns what tells the states that a server has gone through since, each once.
func (b *bed) follow(id int) func() string {
	changes := b.Subscribe()
	var states []string
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			change, err := changes.Next(ctx)
			if err != nil {
				return
			}
			for _, s := range change.Servers {
				if s.ID == id {
					states = append(states, string(s.State))
				}
			}
		}
	}()
	return func() string {
		synctest.Wait()
		cancel()
		<-ended
		return strings.Join(slices.Compact(states), " ")
	}
}

// What is asked for a server while its start is being called off is done once that has ended.
func TestCommandsWhileAStartIsCalledOff(t *testing.T) {
	for _, c := range []struct {
		slug string
		do   []func(*Mesh, context.Context, int) error
		want State
	}{
		{"removed", []func(*Mesh, context.Context, int) error{(*Mesh).Remove}, Gone},
		{"removed-and-restored", []func(*Mesh, context.Context, int) error{(*Mesh).Remove, (*Mesh).Restore}, Running},
	} {
		t.Run(c.slug, func(t *testing.T) {
			inBubble(t, func(c *Config, d *fakeDriver) { c.Drivers = []node.Driver{deafDriver{d}} }, func(b *bed) {
				b.bring(Starting)
				b.must(b.Stop(b.t.Context(), 0))
				for _, do := range c.do {
					b.must(do(b.Mesh, b.t.Context(), 0))
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := b.state(0); got != c.want {
					t.Errorf("the server is %s, want %s", got, c.want)
				}
			})
		})
	}
}

// What is not possible during a start says what is.
func TestStartingServersSayWhatIsPossible(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.bring(Starting)
		for _, do := range []func(*Mesh, context.Context, int) error{(*Mesh).Kill, (*Mesh).Pause, (*Mesh).Restart} {
			if err := do(b.Mesh, b.t.Context(), 0); err == nil || !strings.HasSuffix(err.Error(), "while it is starting: it can be stopped or removed") {
				t.Error(err)
			}
		}
	})
}

func TestRestoreBeforeItIsGone(t *testing.T) {
	for _, state := range []State{Starting, Running, Stopping} {
		t.Run(string(state), func(t *testing.T) {
			inBubble(t, nil, func(b *bed) {
				b.bring(state)
				b.driver.stopTime = time.Second
				b.must(b.Remove(b.t.Context(), 0))
				b.must(b.Restore(b.t.Context(), 0))
				time.Sleep(10 * time.Second)
				if b.state(0) != Running {
					t.Errorf("the server is %s", b.state(0))
				}
			})
		})
	}
}

func TestCloseStopsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *Config, d *fakeDriver) { d.stopTime = time.Second })
		ctx, interrupt := context.WithCancel(b.t.Context())
		ended := make(chan error)
		go func() { ended <- b.Run(ctx) }()
		b.place(50, 10)
		b.must(b.Remove(b.t.Context(), 3))
		b.must(b.WaitGone(b.t.Context(), 3))
		begun := time.Now()
		interrupt()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > 1100*time.Millisecond {
			t.Errorf("closing took %v", took)
		}
		b.checkEmpty()
		if len(b.driver.forgotten) != 1 || b.driver.forgotten[0].ID != 3 {
			t.Errorf("forgotten: %v", b.driver.forgotten)
		}
		_, err := b.Add(b.t.Context(), AddServer{})
		b.wantKind(err, Closed)
		b.must(b.Close())
	})
}

func TestCloseForcesWhatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *Config, d *fakeDriver) { d.stopTime = time.Hour })
		go b.Run(b.t.Context())
		b.place(5, 10)
		begun := time.Now()
		b.must(b.Close())
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("closing took %v", took)
		}
		b.checkEmpty()
	})
}

func TestCloseWhileStarting(t *testing.T) {
	inBubble(t, func(c *Config, d *fakeDriver) {
		c.StartLimit = 2
		d.startTime = func(int) time.Duration { return time.Hour }
	}, func(b *bed) {
		for range 5 {
			_, err := b.Add(b.t.Context(), AddServer{})
			b.must(err)
		}
		synctest.Wait()
	})
}

func TestCloseWithoutRun(t *testing.T) {
	b := newBed(t, nil)
	b.must(b.Close())
	b.must(b.Close())
	b.checkEmpty()
	b.wantKind(b.Run(b.t.Context()), Conflict)
}

func TestWaitRunningEndsWithItsContext(t *testing.T) {
	inBubble(t, func(_ *Config, d *fakeDriver) {
		d.startTime = func(int) time.Duration { return time.Hour }
	}, func(b *bed) {
		_, err := b.Add(b.t.Context(), AddServer{})
		b.must(err)
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		if _, err := b.WaitRunning(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		_, err = b.WaitRunning(b.t.Context(), 1)
		b.wantKind(err, NotFound)
	})
}
