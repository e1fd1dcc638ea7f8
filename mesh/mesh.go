package mesh

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/topo"
)

// Fabric is what the mesh wires servers together in.
type Fabric interface {
	// Apply edits the network. On an error nothing has changed.
	Apply(fabric.Change) error
}

// Clients attaches the client sides of servers to the fabric. Both methods are safe for concurrent use, for
// different ids.
type Clients interface {
	Add(id int) error
	Remove(id int)
}

// Config is what a mesh is made of. Drivers, Fabric and Clients are needed; the rest has defaults.
type Config struct {
	Seed     uint64        // only told, in snapshots and mesh files
	Settings topo.Settings // the zero value stands for topo.Defaults()
	Servers  []Planned     // what Run starts, in any order
	Pins     map[topo.Pair]topo.LinkPins

	Drivers     []node.Driver // closed by Close
	DefaultKind string        // "" is the first driver's
	Fabric      Fabric
	Clients     Clients
	Logger      *slog.Logger // nil discards

	StartLimit  int           // servers that start side by side; 0 is four a processor
	StopTimeout time.Duration // how long a server may take to stop before it is forced; 0 is DefaultStopTimeout
	KeepRemoved time.Duration // how long a removed server can be restored before its data is deleted; 0 deletes at once
}

// Planned is a server that a mesh begins with.
type Planned struct {
	ID   int
	Name string // "" is the default, hs and the id
	Kind string // "" is the default kind
	X, Y float64
}

// DefaultStopTimeout lets Ctrl-C end within two seconds.
const DefaultStopTimeout = 1500 * time.Millisecond

// Mesh is a mesh of homeservers. All methods are safe for concurrent use. Commands fail with [*Error], or
// with the context's error when that ends first: then the command may still take effect.
type Mesh struct {
	config  Config
	drivers map[string]node.Driver
	kinds   []string
	owner   *owner // touched by Run alone

	commands  chan command
	reports   chan report   // of work done beside the owner
	closing   chan struct{} // closed when the mesh is to end
	closeOnce sync.Once     // closes closing
	closed    chan struct{} // closed when everything has ended
	started   atomic.Bool   // Run or Close was called first

	state   atomic.Pointer[published]
	routing atomic.Pointer[routings]
	names   sync.Map // name -> id, of all servers ever
	nodes   sync.Map // id -> node.Node, of servers that run
}

// New checks the configuration and prepares a mesh. It starts nothing: that is for [Mesh.Run]. Errors are of
// kind Invalid.
func New(config Config) (*Mesh, error) {
	m := &Mesh{
		config:   config,
		drivers:  make(map[string]node.Driver),
		commands: make(chan command),
		reports:  make(chan report),
		closing:  make(chan struct{}),
		closed:   make(chan struct{}),
	}
	if err := m.complete(); err != nil {
		return nil, err
	}
	o, err := newOwner(m)
	if err != nil {
		return nil, err
	}
	m.owner = o
	m.routing.Store(newRoutings())
	m.state.Store(&published{snapshot: o.snapshot(), next: make(chan struct{})})
	return m, nil
}

// complete fills in the defaults.
func (m *Mesh) complete() error {
	c := &m.config
	if len(c.Drivers) == 0 || c.Fabric == nil || c.Clients == nil {
		return errorf(Invalid, "a mesh needs at least one driver, a fabric and clients")
	}
	for _, d := range c.Drivers {
		m.drivers[d.Kind()] = d
		m.kinds = append(m.kinds, d.Kind())
	}
	if c.DefaultKind == "" {
		c.DefaultKind = m.kinds[0]
	}
	if m.drivers[c.DefaultKind] == nil {
		return m.unknownKind(c.DefaultKind)
	}
	i := slices.Index(m.kinds, c.DefaultKind)
	m.kinds = slices.Insert(slices.Delete(m.kinds, i, i+1), 0, c.DefaultKind)
	if c.Settings == (topo.Settings{}) {
		c.Settings = topo.Defaults()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.StartLimit == 0 {
		c.StartLimit = 4 * runtime.NumCPU() // the fabric raises GOMAXPROCS
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = DefaultStopTimeout
	}
	c.Pins = maps.Clone(c.Pins)
	if c.Pins == nil {
		c.Pins = make(map[topo.Pair]topo.LinkPins)
	}
	return nil
}

// Run runs the mesh until ctx ends or [Mesh.Close] is called, stops every server and returns. It may be
// called once.
func (m *Mesh) Run(ctx context.Context) error {
	if !m.started.CompareAndSwap(false, true) {
		return errorf(Conflict, "the mesh is already running or closed")
	}
	defer close(m.closed)
	m.owner.run(ctx)
	return m.closeDrivers()
}

// Close stops every server side by side, waits for all of them and closes the drivers. It is idempotent.
func (m *Mesh) Close() error {
	m.closeOnce.Do(func() { close(m.closing) })
	if m.started.CompareAndSwap(false, true) {
		defer close(m.closed)
		return m.closeDrivers()
	}
	<-m.closed
	return nil
}

func (m *Mesh) closeDrivers() error {
	var errs []error
	for _, d := range m.config.Drivers {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// Done is closed when the mesh has ended: everything has stopped.
func (m *Mesh) Done() <-chan struct{} { return m.closed }

// Kinds returns the kinds of server that can be added, the default first.
func (m *Mesh) Kinds() []string { return slices.Clone(m.kinds) }

// Client returns the client-server API of a running or paused server, asked directly, and false for any
// other.
func (m *Mesh) Client(id int) (http.Handler, bool) {
	n, ok := m.nodes.Load(id)
	if !ok {
		return nil, false
	}
	return n.(node.Node).Client(), true
}

// Snapshot returns the mesh as it is. It never blocks.
func (m *Mesh) Snapshot() *Snapshot { return m.state.Load().snapshot }
