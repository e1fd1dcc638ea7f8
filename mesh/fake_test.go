package mesh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/topo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeDriver starts servers that do nothing, after as long as told.
type fakeDriver struct {
	t         testing.TB
	kind      string
	startTime func(id int) time.Duration
	stopTime  time.Duration
	fail      func(id int) error // of starts
	rigid     bool               // servers cannot be paused

	mu        sync.Mutex // guards what follows
	nodes     map[int]*fakeNode
	starts    []node.Spec
	forgotten []node.Spec
	closed    bool
	starting  int
	most      int // that were ever starting at once
	calls     map[int]int
}

func newFakeDriver(t testing.TB, kind string) *fakeDriver {
	return &fakeDriver{t: t, kind: kind, nodes: make(map[int]*fakeNode), calls: make(map[int]int)}
}

func (d *fakeDriver) Kind() string { return d.kind }

// enter checks that calls for one server never overlap.
func (d *fakeDriver) enter(id int) func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[id]++
	if d.calls[id] > 1 {
		d.t.Errorf("two calls for server %d overlap", id)
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls[id]--
	}
}

func (d *fakeDriver) Start(ctx context.Context, spec node.Spec, mesh node.Network) (node.Node, error) {
	defer d.enter(spec.ID)()
	d.mu.Lock()
	d.starts = append(d.starts, spec)
	d.starting++
	d.most = max(d.most, d.starting)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.starting--
	}()
	if d.startTime != nil {
		if err := pass(ctx, d.startTime(spec.ID)); err != nil {
			return nil, &node.StartError{Reason: "the start was cancelled"}
		}
	}
	if d.fail != nil {
		if err := d.fail(spec.ID); err != nil {
			return nil, err
		}
	}
	n := &fakeNode{driver: d, id: spec.ID, done: make(chan struct{}), changed: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[spec.ID] = n
	if d.rigid {
		return struct{ node.Node }{n}, nil
	}
	return n, nil
}

func (d *fakeDriver) Forget(_ context.Context, spec node.Spec) error {
	defer d.enter(spec.ID)()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgotten = append(d.forgotten, spec)
	return nil
}

func (d *fakeDriver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

func (d *fakeDriver) node(id int) *fakeNode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nodes[id]
}

// pass lets time pass, unless ctx ends.
func pass(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type fakeNode struct {
	driver *fakeDriver
	id     int
	once   sync.Once
	done   chan struct{}
	err    error
	frozen atomic.Bool

	changed chan struct{} // closed when something is no longer seen
}

// Gateway implements node.Gatewayed.
func (n *fakeNode) Gateway() (node.GatewayMode, string) {
	select {
	case <-n.changed:
		return node.Observed, "Something is not seen."
	default:
		return node.Observed, ""
	}
}

// GatewayChanged implements node.GatewayWatcher.
func (n *fakeNode) GatewayChanged() <-chan struct{} { return n.changed }

func (n *fakeNode) end(err error) {
	n.once.Do(func() {
		n.err = err
		close(n.done)
	})
}

func (n *fakeNode) Stop(ctx context.Context) error {
	defer n.driver.enter(n.id)()
	err := pass(ctx, n.driver.stopTime)
	n.end(nil)
	return err
}

func (n *fakeNode) Done() <-chan struct{} { return n.done }
func (n *fakeNode) Err() error            { return n.err }
func (n *fakeNode) Client() http.Handler  { return http.NotFoundHandler() }

func (n *fakeNode) Pause(ctx context.Context) error  { return n.freeze(ctx, true) }
func (n *fakeNode) Resume(ctx context.Context) error { return n.freeze(ctx, false) }

func (n *fakeNode) freeze(ctx context.Context, frozen bool) error {
	defer n.driver.enter(n.id)()
	if err := pass(ctx, time.Millisecond); err != nil {
		return err
	}
	n.frozen.Store(frozen)
	return nil
}

// fakeFabric keeps the network that changes make, as strictly as the real one.
type fakeFabric struct {
	t testing.TB

	mu      sync.Mutex // guards what follows
	links   map[fabric.LinkID]fabric.LinkConfig
	router  fabric.Router
	refuse  error
	changes int
}

func newFakeFabric(t testing.TB) *fakeFabric {
	return &fakeFabric{t: t, links: make(map[fabric.LinkID]fabric.LinkConfig)}
}

func (f *fakeFabric) Apply(c fabric.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return f.refuse
	}
	f.changes++
	for _, id := range c.Remove {
		if _, ok := f.links[id]; !ok {
			f.t.Errorf("link %v is removed but does not exist", id)
		}
		delete(f.links, id)
	}
	for _, l := range c.Set {
		if l.A >= l.B || l.AB.Validate() != nil || l.BA.Validate() != nil {
			f.t.Errorf("link %+v is not valid", l)
		}
		f.links[l.LinkID] = l
	}
	if c.Router != nil {
		f.router = c.Router
	}
	return nil
}

func (f *fakeFabric) link(a, b fabric.NodeID) (fabric.LinkConfig, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.links[fabric.LinkID{A: a, B: b}]
	return l, ok
}

// look reads the fake's fields in peace.
func (f *fakeFabric) look(at func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at()
}

func (f *fakeFabric) counts() (links, changes int) {
	f.look(func() { links, changes = len(f.links), f.changes })
	return links, changes
}

// check compares the network with what a snapshot asks for.
func (f *fakeFabric) check(s *Snapshot) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var nodes []topo.Node
	want := make(map[fabric.LinkID]fabric.LinkConfig)
	client := s.Settings.ClientLink()
	for _, server := range s.Servers {
		if server.State == Running || server.State == Paused {
			nodes = append(nodes, topo.Node{ID: server.ID, X: server.X, Y: server.Y})
			id := fabric.LinkID{A: node.FabricNode(server.ID), B: node.ClientFabricNode(server.ID)}
			want[id] = fabric.LinkConfig{LinkID: id, AB: client, BA: client}
		}
	}
	for _, l := range topo.Build(s.Settings, nodes, s.Pins).Links {
		c := fabric.LinkConfig{LinkID: fabric.LinkID{A: node.FabricNode(l.A), B: node.FabricNode(l.B)}, AB: l.AB, BA: l.BA}
		want[c.LinkID] = c
	}
	if !maps.Equal(want, f.links) {
		f.t.Errorf("the fabric has %d links, want %d: %v, want %v", len(f.links), len(want), f.links, want)
	}
}

// fakeClients checks that client sides come and go in turn.
type fakeClients struct {
	t  testing.TB
	mu sync.Mutex
	on map[int]bool
}

func newFakeClients(t testing.TB) *fakeClients { return &fakeClients{t: t, on: make(map[int]bool)} }

func (c *fakeClients) Add(id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on[id] {
		c.t.Errorf("client side %d is attached twice", id)
	}
	if id == refusedClient {
		return errors.New("no room")
	}
	c.on[id] = true
	return nil
}

func (c *fakeClients) Remove(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.on[id] {
		c.t.Errorf("client side %d is detached but was not attached", id)
	}
	delete(c.on, id)
}

// refusedClient is the id of a server whose client side cannot be attached.
const refusedClient = 666

// bed is a mesh over fakes, running until the test ends.
type bed struct {
	*Mesh
	t       *testing.T
	driver  *fakeDriver
	fabric  *fakeFabric
	clients *fakeClients
}

// inBubble runs f with a mesh in virtual time, closes the mesh and checks that nothing is left.
func inBubble(t *testing.T, edit func(*Config, *fakeDriver), f func(*bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, edit)
		ended := make(chan error, 1)
		go func() { ended <- b.Run(t.Context()) }()
		f(b)
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		b.checkEmpty()
	})
}

func newBed(t *testing.T, edit func(*Config, *fakeDriver)) *bed {
	b := &bed{t: t, driver: newFakeDriver(t, "fake"), fabric: newFakeFabric(t), clients: newFakeClients(t)}
	config := Config{Seed: 7, Drivers: []node.Driver{b.driver}, Fabric: b.fabric, Clients: b.clients, KeepRemoved: DefaultKeepRemoved}
	if edit != nil {
		edit(&config, b.driver)
	}
	m, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	b.Mesh = m
	return b
}

func (b *bed) checkEmpty() {
	b.t.Helper()
	b.driver.mu.Lock()
	defer b.driver.mu.Unlock()
	if len(b.fabric.links) > 0 || len(b.clients.on) > 0 {
		b.t.Errorf("left behind: links %v, client sides %v", b.fabric.links, b.clients.on)
	}
	for id, n := range b.driver.nodes {
		select {
		case <-n.done:
		default:
			b.t.Errorf("server %d still runs", id)
		}
	}
	if !b.driver.closed {
		b.t.Error("the driver was not closed")
	}
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// place adds running servers in a row, as many pixels apart as told.
func (b *bed) place(n int, apart float64) {
	b.t.Helper()
	for i := range n {
		s, err := b.Add(b.t.Context(), AddServer{X: float64(i) * apart})
		b.must(err)
		_, err = b.WaitRunning(b.t.Context(), s.ID)
		b.must(err)
	}
}

func (b *bed) state(id int) State { return b.Snapshot().Servers[id].State }

func (b *bed) wantKind(err error, kind ErrorKind) {
	b.t.Helper()
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != kind {
		b.t.Errorf("got error %v, want one of kind %s", err, kind)
	}
}

func pixels(n float64) time.Duration { return time.Duration(n) * time.Millisecond }

var errBroken = fmt.Errorf("it is broken")
