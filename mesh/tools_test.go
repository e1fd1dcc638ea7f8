package mesh

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Kill implements node.Killer.
func (n *fakeNode) Kill(context.Context) error {
	n.end(errors.New("it was killed"))
	return nil
}

// A restarted server stops and starts again, whatever is asked for it meanwhile.
func TestRestart(t *testing.T) {
	inBubble(t, func(_ *Config, d *fakeDriver) { d.stopTime = time.Second }, func(b *bed) {
		ctx := b.t.Context()
		b.bring(Running)
		first := b.driver.node(0)
		b.must(b.Restart(ctx, 0))
		if got := b.state(0); got != Stopping {
			t.Errorf("a server that restarts is %s", got)
		}
		b.wantKind(b.Restart(ctx, 0), Conflict)
		for b.state(0) != Running {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if b.driver.node(0) == first {
			t.Error("it runs as before")
		}
		if n, ok := b.Node(0); !ok || n != b.driver.node(0) {
			t.Errorf("its node is %v, %v", n, ok)
		}
		b.must(b.Restart(ctx, 0))
		b.must(b.Remove(ctx, 0))
		b.must(b.WaitGone(ctx, 0))
		synctest.Wait()
		if got := b.state(0); got != Gone {
			t.Errorf("a server that was removed while it restarted is %s", got)
		}
	})
}

// A killed server fails with the reason and can be started again.
func TestKill(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		ctx := b.t.Context()
		b.bring(Running)
		b.must(b.Kill(ctx, 0))
		synctest.Wait()
		if s := b.Snapshot().Servers[0]; s.State != Failed || s.Reason != "it was killed" {
			t.Errorf("a killed server: %+v", s)
		}
		if _, ok := b.Node(0); ok {
			t.Error("it has a node")
		}
		b.must(b.Restart(ctx, 0))
		_, err := b.WaitRunning(ctx, 0)
		b.must(err)
		b.wantKind(b.Kill(ctx, 7), NotFound)
	})
	inBubble(t, func(_ *Config, d *fakeDriver) { d.rigid = true }, func(b *bed) {
		b.bring(Running)
		err := b.Kill(b.t.Context(), 0)
		b.wantKind(err, Conflict)
		if !strings.Contains(err.Error(), "no process of its own") {
			t.Error(err)
		}
	})
}
