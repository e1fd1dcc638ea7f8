package mesh

import (
	"context"
	"slices"
	"time"

	"meshsim/link"
	"meshsim/node"
	"meshsim/topo"
)

// batchLimit is how many commands and reports are taken together at most before the network follows.
const batchLimit = 256

// pace is how much longer than the last rewiring the mesh waits before it rewires because servers have
// started or ended: a thousand starts then cost a third of a processor at most. Commands do not wait.
const pace = 2

// retryAfter is how long the mesh waits after the fabric has refused a change.
const retryAfter = time.Second

// owner holds the desired state. All its methods run on the goroutine of [Mesh.Run].
type owner struct {
	*Mesh
	ctx     context.Context // of work for servers; ends with the mesh
	cancel  context.CancelFunc
	ending  bool
	working int // pieces of work under way

	servers  []*server
	waiting  []*server // for their turn to start, in order
	starting int       // servers that drivers are starting
	removed  []removal // servers that can be restored, the one that was removed first at the front
	settings topo.Settings
	pins     map[topo.Pair]topo.LinkPins // replaced, never changed

	graph      *topo.Graph // as wired
	cost       topo.Cost   // that the routes in force minimise
	clients    map[int]bool
	clientLink link.Params

	done        []chan<- error // of commands that succeeded: answered once what they did is published
	version     uint64         // of the last snapshot published
	pinsVersion uint64
	changed     bool // since the last snapshot
	rewire      bool // the network does not follow yet
	notBefore   time.Time
}

// server is one server as its owner sees it.
type server struct {
	Server
	node      node.Node // while it runs, until it has been told to stop
	queue     []work    // for this server, one at a time
	busy      bool      // the first of the queue is under way
	freezing  bool      // a pause or resume is queued
	launched  bool      // a start is queued or under way
	abort     context.CancelFunc
	halt      chan struct{} // closed when the node is told to stop
	wish      wish
	absent    bool // nothing is kept under this id: it was only skipped by the plan
	forgotten bool // it was removed, and what was kept of it is deleted or about to be
}

// wish is what is to become of a server once it has ended.
type wish uint8

const (
	noWish wish = iota
	toRemove
	toRestart
)

// work is done beside the owner; it may block. The report it returns is applied by the owner.
type work func() report

// report tells the owner what has happened.
type report func(*owner)

func newOwner(m *Mesh) (*owner, error) {
	o := &owner{
		Mesh:     m,
		settings: m.config.Settings,
		pins:     m.config.Pins,
		graph:    &topo.Graph{},
		clients:  make(map[int]bool),
	}
	if err := o.settings.Validate(); err != nil {
		return nil, invalid(err)
	}
	if err := o.plan(m.config.Servers); err != nil {
		return nil, err
	}
	return o, o.checkPins()
}

// run serves until ctx ends or the mesh is closed.
func (o *owner) run(ctx context.Context) {
	o.ctx, o.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer o.cancel()
	for _, s := range o.servers {
		if s.State == Added {
			o.enqueueStart(s)
		}
	}
	o.commit()
	for {
		select {
		case c := <-o.commands:
			o.batch(&c)
		case r := <-o.reports:
			r(o)
			o.batch(nil)
		case <-o.paced():
			o.commit()
		case <-o.expiring():
			o.expire()
		case <-ctx.Done():
			o.end()
			return
		case <-o.closing:
			o.end()
			return
		}
	}
}

// paced fires when a rewiring that was put off is due.
func (o *owner) paced() <-chan time.Time {
	if !o.rewire {
		return nil
	}
	return time.After(time.Until(o.notBefore))
}

// batch takes what else has come in, so that a burst is wired once.
func (o *owner) batch(c *command) {
	if c != nil {
		o.execute(*c)
	}
	o.drain()
	if len(o.done) == 0 && o.rewire && time.Now().Before(o.notBefore) {
		return
	}
	o.commit()
}

// drain takes what is waiting.
func (o *owner) drain() {
	for range batchLimit {
		select {
		case c := <-o.commands:
			o.execute(c)
		case r := <-o.reports:
			r(o)
		default:
			return
		}
	}
}

// execute does a command; one that failed is answered at once.
func (o *owner) execute(c command) {
	if err := c.do(o); err != nil {
		c.done <- err
		return
	}
	o.done = append(o.done, c.done)
}

// commit makes the network follow, publishes what has changed and answers the commands that it stems from.
func (o *owner) commit() {
	err := o.wire()
	if err != nil {
		o.notBefore = time.Now().Add(retryAfter)
		if len(o.done) == 0 {
			o.config.Logger.Error("the network could not be rewired", "error", err)
		}
	}
	o.publish()
	for _, done := range o.done {
		done <- err
	}
	o.done = o.done[:0]
}

func (o *owner) publish() {
	if !o.changed {
		return
	}
	o.changed = false
	o.version++
	old := o.state.Load()
	o.state.Store(&published{snapshot: o.snapshot(), next: make(chan struct{})})
	close(old.next)
}

func (o *owner) snapshot() *Snapshot {
	s := &Snapshot{
		Version:     o.version,
		Seed:        o.config.Seed,
		Settings:    o.settings,
		Servers:     make([]Server, len(o.servers)),
		Pins:        o.pins,
		Graph:       o.graph,
		pinsVersion: o.pinsVersion,
	}
	for i, server := range o.servers {
		s.Servers[i] = server.Server
	}
	if routes := o.routing.Load(); routes != nil {
		s.Routes = routes.current().version
	}
	return s
}

// touch notes that a server has changed.
func (o *owner) touch(s *server) {
	s.Version = o.version + 1
	o.changed = true
}

// setState moves a server on and notes what follows from that.
func (o *owner) setState(s *server, state State) {
	if s.State.Wired() != state.Wired() {
		o.rewire = true
	}
	s.State = state
	s.Reason, s.LogTail = "", nil
	o.touch(s)
}

// enqueue has work done for a server after all that was enqueued for it before.
func (o *owner) enqueue(s *server, w work) {
	s.queue = append(s.queue, w)
	o.advance(s)
}

func (o *owner) advance(s *server) {
	if s.busy || len(s.queue) == 0 {
		return
	}
	s.busy = true
	next := s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
	o.beside(func() report {
		done := next()
		return func(o *owner) {
			s.busy = false
			done(o)
			o.advance(s)
		}
	})
}

// beside does work on a goroutine of its own.
func (o *owner) beside(w work) {
	o.working++
	go func() {
		r := w()
		select {
		case o.reports <- func(o *owner) {
			o.working--
			r(o)
		}:
		case <-o.closed:
		}
	}()
}

// end stops every server, side by side, and waits for them, a little longer than they are given.
func (o *owner) end() {
	o.closeOnce.Do(func() { close(o.closing) })
	o.ending = true
	o.waiting = nil
	o.cancel()
	for _, s := range o.servers {
		o.endServer(s)
	}
	o.commit()
	deadline := time.NewTimer(o.config.StopTimeout + o.config.StopTimeout/5)
	defer deadline.Stop()
	for o.working > 0 {
		select {
		case r := <-o.reports:
			r(o)
		case <-deadline.C:
			o.config.Logger.Error("servers did not stop in time and are ended by their drivers", "operations", o.working)
			o.working = 0
		}
	}
	o.commit()
}
