package mesh

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"meshsim/node"
)

// find returns a server that exists and is not gone.
func (o *owner) find(id int) (*server, error) {
	if id < 0 || id >= len(o.servers) {
		return nil, noServer(id)
	}
	s := o.servers[id]
	switch {
	case s.absent:
		return nil, noServer(id)
	case s.forgotten:
		return nil, errorf(NotFound, "server %s was removed", s.Name)
	case s.State == Gone:
		return nil, errorf(NotFound, "server %s was removed: it can be restored", s.Name)
	}
	return s, nil
}

// refuse says what is possible instead.
func (s *server) refuse(verb string) *Error {
	return errorf(Conflict, "server %s cannot be %s while it is %s: it can be %s", s.Name, verb, s.State, s.State.possible())
}

// possible lists the commands that a state allows.
func (s State) possible() string {
	switch s {
	case Running:
		return "paused, restarted, stopped or removed"
	case Paused:
		return "resumed, restarted, stopped or removed"
	case Stopped, Failed:
		return "started or removed"
	case Gone:
		return "restored"
	case Added, Starting:
		return "stopped or removed"
	default:
		return "removed"
	}
}

func (o *owner) start(id int) error {
	s, err := o.find(id)
	if err != nil {
		return err
	}
	if s.State != Stopped && s.State != Failed {
		return s.refuse("started")
	}
	o.setState(s, Starting)
	o.enqueueStart(s)
	return nil
}

// enqueueStart has a server started when its turn comes.
func (o *owner) enqueueStart(s *server) {
	o.waiting = append(o.waiting, s)
	o.dispatch()
}

// dispatch starts waiting servers while there is room.
func (o *owner) dispatch() {
	for o.starting < o.config.StartLimit && len(o.waiting) > 0 {
		s := o.waiting[0]
		o.waiting = slices.Delete(o.waiting, 0, 1)
		o.launch(s)
	}
}

func (o *owner) launch(s *server) {
	o.starting++
	s.launched = true
	o.setState(s, Starting)
	ctx, cancel := context.WithCancel(o.ctx)
	s.abort = cancel
	spec, mesh := s.spec(), o.Mesh
	o.enqueue(s, func() report {
		defer cancel()
		n, err := mesh.startNode(ctx, spec)
		return func(o *owner) {
			o.starting--
			s.launched = false
			o.started(s, n, err)
			o.dispatch()
		}
	})
}

func (s *server) spec() node.Spec { return node.Spec{ID: s.ID, Name: s.Name, Kind: s.Kind} }

// startNode starts a server with its client side, or leaves nothing behind.
func (m *Mesh) startNode(ctx context.Context, spec node.Spec) (node.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.config.Clients.Add(spec.ID); err != nil {
		return nil, fmt.Errorf("its client side could not be attached: %w", err)
	}
	n, err := m.drivers[spec.Kind].Start(ctx, spec, m)
	if err != nil {
		m.config.Clients.Remove(spec.ID)
		return nil, err
	}
	return n, nil
}

func (o *owner) started(s *server, n node.Node, err error) {
	if err != nil && s.State == Stopping {
		o.stopped(s, nil)
		return
	}
	if err != nil {
		o.failed(s, err)
		return
	}
	s.node, s.halt = n, make(chan struct{})
	if o.ending || s.State == Stopping {
		o.halt(s)
		return
	}
	o.nodes.Store(s.ID, n)
	o.setState(s, Running)
	s.Gateway, s.Unseen = gatewayOf(n)
	var changed <-chan struct{}
	if w, ok := n.(node.GatewayWatcher); ok {
		changed = w.GatewayChanged()
	}
	o.watch(s, changed)
}

// gatewayOf says what stands between a server and the mesh, and what is therefore not seen.
func gatewayOf(n node.Node) (mode node.GatewayMode, unseen string) {
	if g, ok := n.(node.Gatewayed); ok {
		return g.Gateway()
	}
	return node.Observed, ""
}

// watch reports when a server dies by itself, and once when what is not seen of it has changed.
func (o *owner) watch(s *server, changed <-chan struct{}) {
	n, halt := s.node, s.halt
	o.beside(func() report {
		select {
		case <-changed:
			return func(o *owner) { o.gatewayChanged(s, n) }
		case <-n.Done():
		case <-halt:
		}
		return func(o *owner) { o.died(s, n) }
	})
}

// gatewayChanged notes what is not seen of a server that runs, and watches on.
func (o *owner) gatewayChanged(s *server, n node.Node) {
	if s.node != n {
		return
	}
	if mode, unseen := gatewayOf(n); mode != s.Gateway || unseen != s.Unseen {
		s.Gateway, s.Unseen = mode, unseen
		o.touch(s)
	}
	o.watch(s, nil)
}

// died ends a server that was not told to stop.
func (o *owner) died(s *server, n node.Node) {
	if s.node != n {
		return
	}
	err := n.Err()
	if err == nil {
		err = errors.New("it ended without saying why")
	}
	o.release(s)
	clients := o.config.Clients
	o.enqueue(s, func() report {
		clients.Remove(s.ID)
		return func(*owner) {}
	})
	o.failed(s, err)
}

// release forgets the node of a server that ends or has ended.
func (o *owner) release(s *server) {
	o.nodes.Delete(s.ID)
	s.node = nil
	close(s.halt)
}

// failed notes why a server does not run, unless it was to be removed or restarted anyway.
func (o *owner) failed(s *server, err error) {
	if o.ending {
		o.stopped(s, nil)
		return
	}
	o.setState(s, Failed)
	s.Reason = err.Error()
	var start *node.StartError
	if errors.As(err, &start) {
		s.LogTail = slices.Clone(start.LogTail)
	}
	o.fulfil(s)
}

// fulfil does what was wished for a server that has ended.
func (o *owner) fulfil(s *server) {
	wish := s.wish
	s.wish = noWish
	switch {
	case wish == toRemove:
		o.bury(s)
	case wish == toRestart && !o.ending:
		o.setState(s, Starting)
		o.enqueueStart(s)
	}
}

func (o *owner) stop(id int) error {
	s, err := o.find(id)
	if err != nil {
		return err
	}
	switch s.State {
	case Running, Paused:
		o.halt(s)
	case Added, Starting:
		o.callOff(s)
	default:
		return s.refuse("stopped")
	}
	return nil
}

// callOff ends a start that is under way, or has a server wait for its turn no longer.
func (o *owner) callOff(s *server) {
	if s.launched {
		o.setState(s, Stopping)
		s.abort()
		return
	}
	o.waiting = slices.DeleteFunc(o.waiting, func(w *server) bool { return w == s })
	o.stopped(s, nil)
}

// halt has a running server stopped.
func (o *owner) halt(s *server) {
	n, mesh := s.node, o.Mesh
	o.release(s)
	o.setState(s, Stopping)
	o.enqueue(s, func() report {
		ctx, cancel := context.WithTimeout(context.Background(), mesh.config.StopTimeout)
		defer cancel()
		err := n.Stop(ctx)
		mesh.config.Clients.Remove(s.ID)
		return func(o *owner) { o.stopped(s, err) }
	})
}

func (o *owner) stopped(s *server, err error) {
	if err != nil {
		o.config.Logger.Warn("a server did not stop cleanly", "server", s.Name, "error", err)
	}
	o.setState(s, Stopped)
	o.fulfil(s)
}

func (o *owner) freeze(id int, pause bool, done chan<- error) error {
	s, err := o.find(id)
	if err != nil {
		return err
	}
	from, to, verb := Paused, Running, "resumed"
	if pause {
		from, to, verb = Running, Paused, "paused"
	}
	if s.State != from {
		return s.refuse(verb)
	}
	pauser, ok := s.node.(node.Pauser)
	if !ok {
		return errorf(Conflict, "server %s cannot be %s: the kind %s does not support it", s.Name, verb, s.Kind)
	}
	if s.freezing {
		return errorf(Conflict, "server %s is just being %s: try again when it is", s.Name, verb)
	}
	s.freezing = true
	n, act := s.node, pauser.Resume
	if pause {
		act = pauser.Pause
	}
	ctx := o.ctx
	o.enqueue(s, func() report {
		err := act(ctx)
		return func(o *owner) {
			if err := o.frozen(s, n, to, verb, err); err != nil {
				done <- err
				return
			}
			o.done = append(o.done, done)
		}
	})
	return nil
}

// frozen ends a pause or a resumption.
func (o *owner) frozen(s *server, n node.Node, to State, verb string, err error) error {
	s.freezing = false
	if err != nil {
		return &Error{Kind: Internal, Message: fmt.Sprintf("server %s could not be %s: %v", s.Name, verb, err), Cause: err}
	}
	if s.node != n {
		return errorf(Conflict, "server %s ended while it was being %s", s.Name, verb)
	}
	o.setState(s, to)
	return nil
}

func (o *owner) remove(id int) error {
	s, err := o.find(id)
	if err != nil {
		return err
	}
	s.wish = toRemove
	switch s.State {
	case Running, Paused:
		o.halt(s)
	case Added, Starting:
		o.callOff(s)
	case Stopped, Failed:
		o.fulfil(s)
	}
	return nil
}

// endServer ends a server with the mesh. What was removed is forgotten now: nobody can undo it any more.
func (o *owner) endServer(s *server) {
	switch {
	case s.State.Wired():
		o.halt(s)
	case s.State == Gone && !s.absent && !s.forgotten:
		o.forget(s)
	}
}
