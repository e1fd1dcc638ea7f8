package mesh

import (
	"context"

	"meshsim/node"
)

// Node returns a running or paused server, to be asked for the powers that its kind may have besides (package node), and
// false for any other.
func (m *Mesh) Node(id int) (node.Node, bool) {
	n, ok := m.nodes.Load(id)
	if !ok {
		return nil, false
	}
	return n.(node.Node), true
}

// StartingLog returns the log of a server that is being started, and false for any other, and where nothing is written yet.
func (m *Mesh) StartingLog(id int) (node.LogReader, bool) {
	s, ok := m.Snapshot().Server(id)
	if !ok || s.State != Starting {
		return nil, false
	}
	watcher, ok := m.drivers[s.Kind].(node.StartWatcher)
	if !ok {
		return nil, false
	}
	return watcher.StartingLog(id)
}

// LastLog returns the end of the log of a server that has stopped or failed, and false for any other, and where nothing of it is kept.
func (m *Mesh) LastLog(id int) (node.LogReader, bool) {
	s, ok := m.Snapshot().Server(id)
	if !ok || s.State != Stopped && s.State != Failed {
		return nil, false
	}
	if keeper, ok := m.drivers[s.Kind].(node.LogKeeper); ok {
		if log, ok := keeper.LastLog(id); ok {
			return log, true
		}
	}
	return node.LastWords(s.LogTail), len(s.LogTail) > 0
}

// Restart stops a server and starts it again with its data; one that is stopped or failed is only started. It returns when
// the server is stopping, or starting.
func (m *Mesh) Restart(ctx context.Context, id int) error {
	return m.do(ctx, func(o *owner) error { return o.restart(id) })
}

func (o *owner) restart(id int) error {
	s, err := o.find(id)
	if err != nil {
		return err
	}
	switch {
	case s.State == Stopped || s.State == Failed:
		return o.start(id)
	case !s.State.Wired():
		return s.refuse("restarted")
	}
	s.wish = toRestart
	o.halt(s)
	return nil
}

// Kill ends a server's process at once, as kill -9 would. It returns when that is done; the server fails a moment later.
func (m *Mesh) Kill(ctx context.Context, id int) error {
	s, ok := m.Snapshot().Server(id)
	if !ok {
		return noServer(id)
	}
	n, ok := m.Node(id)
	if !ok {
		return errorf(Conflict, "server %s cannot be killed while it is %s: it can be %s", s.Name, s.State, s.State.possible())
	}
	killer, ok := n.(node.Killer)
	if !ok {
		return errorf(Conflict, "server %s cannot be killed: the kind %s has no process of its own; it can be stopped", s.Name, s.Kind)
	}
	if err := killer.Kill(ctx); err != nil {
		return &Error{Kind: Internal, Message: "server " + s.Name + " could not be killed: " + err.Error(), Cause: err}
	}
	return nil
}
