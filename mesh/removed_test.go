package mesh

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/node"
)

// forgottenIDs are the servers whose data was deleted, in that order.
func (d *fakeDriver) forgottenIDs() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []int
	for _, spec := range d.forgotten {
		ids = append(ids, spec.ID)
	}
	return ids
}

func (b *bed) remove(ids ...int) {
	b.t.Helper()
	for _, id := range ids {
		b.must(b.Remove(b.t.Context(), id))
		b.must(b.WaitGone(b.t.Context(), id))
	}
	synctest.Wait()
}

func keeping(d time.Duration) func(*Config, *fakeDriver) {
	return func(c *Config, _ *fakeDriver) { c.KeepRemoved = d }
}

// What is kept of a removed server is deleted when its time is over, to the moment, and not when it was restored before.
func TestRemovedServersAreForgottenAfterAWhile(t *testing.T) {
	inBubble(t, keeping(10*time.Minute), func(b *bed) {
		ctx := b.t.Context()
		b.place(3, 10)
		b.remove(0)
		time.Sleep(4 * time.Minute)
		b.remove(1, 2)
		b.must(b.Restore(ctx, 1))
		_, err := b.WaitRunning(ctx, 1)
		b.must(err)
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{6*time.Minute - 1, 0}, {1, 1}, {4*time.Minute - 1, 1}, {1, 2}, {time.Hour, 2}} {
			time.Sleep(step.after)
			synctest.Wait()
			if got := b.driver.forgottenIDs(); len(got) != step.want || len(got) > 0 && got[0] != 0 || len(got) > 1 && got[1] != 2 {
				t.Errorf("after another %v servers %v are forgotten, want %d of 0 and 2", step.after, got, step.want)
			}
		}
		if b.state(1) != Running {
			t.Errorf("the restored server is %s", b.state(1))
		}
		// A second removal has a time of its own.
		b.remove(1)
		time.Sleep(10*time.Minute - 1)
		b.must(b.Restore(ctx, 1))
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := b.driver.forgottenIDs(); len(got) != 2 || b.state(1) != Running {
			t.Errorf("servers %v are forgotten, the restored one is %s", got, b.state(1))
		}
	})
}

// What was forgotten cannot be restored, and that is said. Its name stays its own, and the end does not forget it again.
func TestForgottenServersAreNotRestored(t *testing.T) {
	b := inBubbleOf(t, keeping(time.Minute), func(b *bed) {
		ctx := b.t.Context()
		_, err := b.Add(ctx, AddServer{Name: "alice"})
		b.must(err)
		b.remove(0)
		time.Sleep(time.Minute)
		synctest.Wait()
		err = b.Restore(ctx, 0)
		b.wantKind(err, Conflict)
		if !strings.Contains(err.Error(), "alice cannot be restored: its data is deleted") || !strings.Contains(err.Error(), "1m0s") {
			t.Error(err)
		}
		_, err = b.Add(ctx, AddServer{Name: "alice"})
		b.wantKind(err, Conflict)
		for _, err := range []error{err, b.Start(ctx, 0)} {
			if strings.Contains(err.Error(), "restore") {
				t.Errorf("what is not possible is offered: %v", err)
			}
		}
	})
	if got := b.driver.forgottenIDs(); len(got) != 1 {
		t.Errorf("forgotten are %v, want server 0 once", got)
	}
}

// inBubbleOf is inBubble, and returns the mesh after its end.
func inBubbleOf(t *testing.T, edit func(*Config, *fakeDriver), f func(*bed)) (ended *bed) {
	t.Helper()
	inBubble(t, edit, func(b *bed) {
		ended = b
		f(b)
	})
	return ended
}

// With nothing to be kept a server is forgotten once it has stopped, from whatever state it was removed.
func TestNothingIsKeptWhereNothingIsToBe(t *testing.T) {
	for _, state := range []State{Added, Starting, Running, Paused, Stopping, Stopped, Failed} {
		t.Run(string(state), func(t *testing.T) {
			inBubble(t, keeping(0), func(b *bed) {
				b.bring(state)
				b.remove(0)
				if got := b.driver.forgottenIDs(); len(got) != 1 {
					t.Errorf("forgotten are %v, want server 0", got)
				}
				b.wantKind(b.Restore(b.t.Context(), 0), Conflict)
			})
		})
	}
}

// The number of what is kept is bounded: the server that was removed first gives way.
func TestKeptServersAreBounded(t *testing.T) {
	inBubble(t, keeping(time.Hour), func(b *bed) {
		ctx := b.t.Context()
		b.driver.fail = func(int) error { return errBroken } // what does not run costs no wiring
		_, err := b.Import(ctx, Import{Servers: make([]AddServer, maxRemoved+2)})
		b.must(err)
		synctest.Wait()
		for id := range maxRemoved + 2 {
			b.must(b.Remove(ctx, id))
		}
		synctest.Wait()
		if got := b.driver.forgottenIDs(); len(got) != 2 || got[0]+got[1] != 1 {
			t.Errorf("forgotten are %v, want 0 and 1", got)
		}
		b.wantKind(b.Restore(ctx, 1), Conflict)
		b.must(b.Restore(ctx, 2))
	})
}

// slowForgetting is a driver that takes long to delete, and fails.
type slowForgetting struct {
	*fakeDriver
	takes time.Duration
}

func (d slowForgetting) Forget(ctx context.Context, spec node.Spec) error {
	return errors.Join(pass(ctx, d.takes), errBroken, d.fakeDriver.Forget(ctx, spec))
}

// Deleting what was kept blocks nothing, and no restoration comes in between.
func TestForgettingBlocksNothing(t *testing.T) {
	inBubble(t, func(c *Config, d *fakeDriver) {
		c.KeepRemoved = 0
		c.Drivers = []node.Driver{slowForgetting{fakeDriver: d, takes: 10 * time.Second}}
	}, func(b *bed) {
		ctx := b.t.Context()
		b.place(2, 10)
		begun := time.Now()
		b.remove(0)
		b.wantKind(b.Restore(ctx, 0), Conflict)
		b.must(b.Move(ctx, 1, 5, 5))
		if took := time.Since(begun); took != 0 {
			t.Errorf("commands took %v", took)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := b.driver.forgottenIDs(); len(got) != 1 {
			t.Errorf("forgotten are %v", got)
		}
	})
}
