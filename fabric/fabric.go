package fabric

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"meshsim/link"
)

// Config is what a fabric is made of.
type Config struct {
	Seed   uint64       // of every link's random sequence
	Clock  Clock        // nil: RealClock()
	Logger *slog.Logger // nil: nothing is logged. Nothing is ever logged per packet.
	// MaxInFlight bounds the memory of all packets on links together, in bytes; 0: 1 GiB. A packet takes 2.25 KiB,
	// however short it is, and one beyond 2 KiB more. Only senders that flood long links reach the bound. What is
	// beyond is dropped as [link.DropOverload].
	MaxInFlight int
}

// Fabric is a running network. All methods are safe for concurrent use, also from a port's Deliver unless
// they say otherwise.
//
// One mutex guards the whole network, so that an edit is atomic to packets and a seed gives one order of
// events. It is held for a batch of packets at a time, a fraction of a microsecond for each; headers are
// parsed before it is taken and ports are called after it was given back. What waits on links is kept in one
// queue for each direction, and the directions in a heap by their first arrival; the scheduler takes them
// out on time. A packet whose links all take no time never waits: Send carries it to the destination's port
// queue, from where a worker delivers it.
//
//	New -> running -> Close (idempotent; waits for every goroutine)
type Fabric struct {
	clock   Clock
	waiter  waiter
	seed    uint64
	log     *slog.Logger
	epoch   time.Time // the wall-clock time of instant 0
	workers int       // 0: the scheduler delivers everything, in a fixed order

	maxInFlight int // bytes of memory

	started    chan struct{} // closed once privileges is set
	privileges string
	running    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	nodes    map[NodeID]*node     // those with a port or a link
	addrs    map[netip.Addr]*node // whose each address is
	links    map[LinkID]*wire
	order    []*wire // all links by id, nil after a change; replaced, never changed
	edits    uint64  // counts the links added and removed
	router   Router
	routes   uint64   // counts the routers, to tell which destinations the one in force has computed
	due      schedule // directions with packets on their way
	inFlight int      // memory of the packets in due, in bytes
	admitted uint64   // numbers packets in the order of their admission to links
	wakeAt   link.Instant
	ready    []*Attachment // ports with packets, not yet given to anybody
	work     []*Attachment // ports with packets for the workers
	working  *sync.Cond    // on mu: work has grown, or closed
	quiet    *sync.Cond    // on mu: the port of a closed attachment is no longer being called
	captures []*tap        // those that run
	totals   Totals

	outMu    sync.Mutex // guards what follows; taken after mu or alone
	out      []outgoing // what ports have sent
	outSpare []outgoing // empty; takes turns with out
	sending  bool       // somebody puts out into the network
}

// ErrClosed is returned by methods of a fabric that was closed.
var ErrClosed = errors.New("fabric is closed")

// awake is wakeAt while the scheduler does not sleep.
const awake link.Instant = -1 << 63

// forever is when the scheduler wakes by itself if nothing is on its way.
const forever link.Instant = 1<<63 - 1

// New starts an empty network.
func New(c Config) *Fabric {
	if c.Clock == nil {
		c.Clock = RealClock()
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 1 << 30
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Fabric{
		clock:   c.Clock,
		waiter:  c.Clock.newWaiter(),
		seed:    c.Seed,
		log:     c.Logger,
		epoch:   time.Now().Add(-time.Duration(c.Clock.Now())),
		workers: c.Clock.workers(),
		started: make(chan struct{}),
		nodes:   make(map[NodeID]*node),
		addrs:   make(map[netip.Addr]*node),
		links:   make(map[LinkID]*wire),
		wakeAt:  awake,

		maxInFlight: c.MaxInFlight,
	}
	f.working = sync.NewCond(&f.mu)
	f.quiet = sync.NewCond(&f.mu)
	f.running.Go(f.schedule)
	for range f.workers {
		f.running.Go(f.deliver)
	}
	<-f.started
	f.log.Debug("fabric started", "scheduler", f.privileges, "workers", f.workers)
	return f
}

// Now is the time on the fabric's clock.
func (f *Fabric) Now() link.Instant { return f.clock.Now() }

// Privileges describes in words what the machine allowed for the scheduler's thread.
func (f *Fabric) Privileges() string { return f.privileges }

// Close ends the network and waits until no port is being called. What is on its way is lost. It is
// idempotent and must not be called from Deliver.
func (f *Fabric) Close() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		f.working.Broadcast()
		f.waiter.wake()
		f.wakeAt = awake // nobody wakes it again
		for _, t := range f.captures {
			t.end()
		}
	}
	f.mu.Unlock()
	f.running.Wait()
}
