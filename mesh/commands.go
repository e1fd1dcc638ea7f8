package mesh

import (
	"context"

	"meshsim/topo"
)

// command is a change that the owner makes. do must not block; when it fails it has changed nothing.
type command struct {
	do   func(*owner) error
	done chan error // buffered
}

// do has the owner make a change and returns once a snapshot shows it and the fabric has it.
func (m *Mesh) do(ctx context.Context, f func(*owner) error) error {
	c := command{do: f, done: make(chan error, 1)}
	select {
	case m.commands <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-m.closing:
		return errClosed()
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func errClosed() *Error { return errorf(Closed, "the mesh is shutting down") }

// AddServer describes a server to be added.
type AddServer struct {
	X, Y float64 // pixels of the canvas at zoom 1
	Kind string  // "" is the default kind
	Name string  // "" is hs and the id
}

// Add adds a server and returns at once; the server is starting, or new until its turn comes. [Mesh.WaitRunning]
// waits for it.
func (m *Mesh) Add(ctx context.Context, a AddServer) (Server, error) {
	var added Server
	err := m.do(ctx, func(o *owner) (err error) {
		added, err = o.add(a)
		return err
	})
	if err != nil {
		return Server{}, err
	}
	return added, nil
}

// Move puts a server somewhere else. Its links follow.
func (m *Mesh) Move(ctx context.Context, id int, x, y float64) error {
	return m.do(ctx, func(o *owner) error { return o.move(id, x, y) })
}

// Start starts a stopped server, or tries one again that failed. It returns when the server is starting.
func (m *Mesh) Start(ctx context.Context, id int) error {
	return m.do(ctx, func(o *owner) error { return o.start(id) })
}

// Stop stops a running or paused server, or calls a start off. It returns when the server is stopping. What it keeps
// stays, and Start starts it again.
func (m *Mesh) Stop(ctx context.Context, id int) error {
	return m.do(ctx, func(o *owner) error { return o.stop(id) })
}

// Pause freezes a running server and returns when it is paused. It keeps its links. Kinds that cannot be
// paused are a conflict.
func (m *Mesh) Pause(ctx context.Context, id int) error {
	return m.freeze(ctx, id, true)
}

// Resume wakes a paused server and returns when it runs.
func (m *Mesh) Resume(ctx context.Context, id int) error {
	return m.freeze(ctx, id, false)
}

func (m *Mesh) freeze(ctx context.Context, id int, pause bool) error {
	done := make(chan error, 1)
	err := m.do(ctx, func(o *owner) error { return o.freeze(id, pause, done) })
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-m.closed:
		return errClosed()
	}
}

// Remove removes a server whatever its state. It returns at once; the server is gone when it has stopped. Its
// identity and data are kept for Config.KeepRemoved, so that [Mesh.Restore] can undo it, and then deleted. Its
// name and id are not given again.
func (m *Mesh) Remove(ctx context.Context, id int) error {
	return m.do(ctx, func(o *owner) error { return o.remove(id) })
}

// Restore undoes a removal: the server starts again with the same id, key, rooms and pins. It is a Conflict once
// these are deleted.
func (m *Mesh) Restore(ctx context.Context, id int) error {
	return m.do(ctx, func(o *owner) error { return o.restore(id) })
}

// SetSettings replaces the settings of the whole mesh.
func (m *Mesh) SetSettings(ctx context.Context, s topo.Settings) error {
	return m.do(ctx, func(o *owner) error { return o.setSettings(s) })
}

// PinLink replaces the pins of a link: both directions, and whether it is cut. A link that is cut carries nothing,
// stays in the graph, and routes avoid it.
//
// This and all commands for a link need the link to exist or to have pins: a pair that is neither linked nor
// pinned is NotFound, unless the new pins link it. Pins stay when the link goes, because an end was moved, stopped or removed, and hold
// again when it comes back.
func (m *Mesh) PinLink(ctx context.Context, p topo.Pair, pins topo.LinkPins) error {
	return m.do(ctx, func(o *owner) error {
		return o.editPins(p, func(old *topo.LinkPins) { *old = pins })
	})
}

// PinParams pins what is set in pin, in both directions, and leaves the other pins alone.
func (m *Mesh) PinParams(ctx context.Context, p topo.Pair, pin topo.Pin) error {
	return m.do(ctx, func(o *owner) error {
		return o.editPins(p, func(old *topo.LinkPins) {
			old.AB.Merge(pin)
			old.BA.Merge(pin)
		})
	})
}

// UnpinParams unpins what is set in pin, whatever the values, in both directions.
func (m *Mesh) UnpinParams(ctx context.Context, p topo.Pair, pin topo.Pin) error {
	return m.do(ctx, func(o *owner) error {
		return o.editPins(p, func(old *topo.LinkPins) {
			old.AB.Clear(pin)
			old.BA.Clear(pin)
		})
	})
}

// WaitRunning waits until a server runs. A server that fails, is stopped or removed meanwhile is a Conflict
// that says why.
func (m *Mesh) WaitRunning(ctx context.Context, id int) (Server, error) {
	return m.wait(ctx, id, func(s *Server) (bool, error) {
		switch s.State {
		case Running:
			return true, nil
		case Added, Starting:
			return false, nil
		case Failed:
			return false, errorf(Conflict, "server %s failed: %s", s.Name, s.Reason)
		default:
			return false, errorf(Conflict, "server %s is %s", s.Name, s.State)
		}
	})
}

// WaitGone waits until a removed server is gone.
func (m *Mesh) WaitGone(ctx context.Context, id int) error {
	_, err := m.wait(ctx, id, func(s *Server) (bool, error) { return s.State == Gone, nil })
	return err
}

// wait returns the server once settled says so or fails.
func (m *Mesh) wait(ctx context.Context, id int, settled func(*Server) (bool, error)) (Server, error) {
	for {
		now := m.state.Load()
		if id < 0 || id >= len(now.snapshot.Servers) {
			return Server{}, noServer(id)
		}
		s := now.snapshot.Servers[id]
		if ok, err := settled(&s); ok || err != nil {
			return s, err
		}
		select {
		case <-now.next:
		case <-ctx.Done():
			return Server{}, ctx.Err()
		case <-m.closed:
			return Server{}, errClosed()
		}
	}
}

func noServer(id int) *Error { return errorf(NotFound, "there is no server %d", id) }
