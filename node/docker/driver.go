//go:build linux

package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/lowband"
	"meshsim/lowband/msc3079"
	"meshsim/node"
	"meshsim/port/tun"
	"meshsim/telemetry"
)

// Config is what servers of one process share. All fields but the marked ones are needed.
type Config struct {
	Preset    *Preset
	Fabric    *fabric.Fabric
	CA        *gateway.CA
	Rooms     *gateway.Rooms
	Publisher telemetry.Publisher

	// Connections bounds how many connections all servers keep open; nil for gateway.DefaultConnections.
	Connections *gateway.Connections
	// Transports chooses how requests between servers travel; nil for HTTPS alone.
	Transports *gateway.Transports
	// LowbandTap is each gateway's (gateway.Config); nil for nobody.
	LowbandTap func(own net.Addr) lowband.Tap
	// Log is each gateway's (gateway.Config); nil for nobody.
	Log http.Handler
	// CoAP offers clients MSC3079 besides HTTP.
	CoAP msc3079.Offer
	// Merging saves memory where servers have equal pages; nil leaves that be.
	Merging *Merging
	// Options change what the preset says; optional.
	Options Options
	// Machine tells what this machine or process lacks to put containers on the mesh; nil for tun.Check.
	Machine func() error
	Logger  *slog.Logger // optional
}

// Options are what a user may change about every container of a driver. The zero value changes nothing.
type Options struct {
	Image        string   // instead of the preset's
	Environment  []string // KEY=VALUE, after the preset's
	Mounts       []string // HOST-PATH:CONTAINER-PATH[:ro], e.g. a working copy over the installed source
	Memory       int64    // limit in bytes; 0 for none
	CPUs         float64  // limit; 0 for none
	StockRetries bool     // retry intervals as the homeserver has them
	Presence     bool     // servers tell each other who is there
	Congestion   string   // TCP's congestion control; empty is tun.Config's default
	// Gateway is what stands between a server and the mesh; empty is node.Observed.
	Gateway node.GatewayMode
	// Postgres is the URL of a Postgres that servers of presets with UsesPostgres share, one database each; empty leaves
	// each its own file. It must let this machine in without TLS, and its user make databases and roles.
	Postgres string
	// RegistrationClosed keeps clients from registering; the account that every server has is there all the same.
	RegistrationClosed bool
}

// Driver implements node.Driver. Its kind is the preset's name.
type Driver struct {
	cfg    Config
	engine *engine
	prefix string // of the names of what the engine keeps for this driver

	postgres *postgres // nil where there is none

	ctx      context.Context // ended by Close: nothing is waited for in containers any more
	end      context.CancelFunc
	launches sync.WaitGroup // of containers, under way

	mu        sync.Mutex // guards what follows
	residents map[int]*resident
	runs      map[*running]struct{} // those that have not ended
	launched  bool                  // something was
	closed    bool

	preparing sync.Mutex // guards what follows; held while an image is pulled
	prepared  *prepared  // nil before
}

// prepared is what all servers of a driver are started with.
type prepared struct {
	image     string
	launching *launching // nil without Merging
}

var _ node.Driver = (*Driver)(nil)

// New makes a driver for the engine that the environment names (DOCKER_HOST), or the one on this machine. It does not
// ask the engine yet; see Check.
func New(cfg Config) (*Driver, error) {
	if cfg.Options.Gateway == "" {
		cfg.Options.Gateway = node.Observed
	}
	e, err := newEngine()
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Machine == nil {
		cfg.Machine = tun.Check
	}
	if cfg.Connections == nil {
		cfg.Connections = gateway.NewConnections(gateway.DefaultConnections)
	}
	d := &Driver{
		cfg:       cfg,
		engine:    e,
		prefix:    "meshsim-" + strings.ToLower(rand.Text()[:8]) + "-",
		residents: make(map[int]*resident),
		runs:      make(map[*running]struct{}),
	}
	d.ctx, d.end = context.WithCancel(context.Background())
	if cfg.Options.Postgres == "" {
		return d, nil
	}
	if d.postgres, err = newPostgres(cfg.Options.Postgres); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return d, nil
}

// checkPreset tells whether the preset can do what the options want, on this machine.
func (c *Config) checkPreset() error {
	if c.Options.Gateway != node.Observed && !c.Preset.EndsTLS {
		return fmt.Errorf("servers of the kind %s need --gateway %s, as they cannot end TLS themselves: %s does not say ends_tls",
			c.Preset.Name, node.Observed, c.Preset.source)
	}
	for i, m := range c.Preset.Mounts {
		if err := CheckMount(m); err != nil {
			return c.Preset.wrong(fmt.Sprintf("mounts[%d]", i), m, err.Error())
		}
	}
	return nil
}

// Kind implements node.Driver.
func (d *Driver) Kind() string { return d.cfg.Preset.Name }

// Check tells whether servers can be started here: a sentence that says what is missing, or nil. The first time it
// removes what processes that were killed left behind, and finds or pulls the image.
func (d *Driver) Check(ctx context.Context) error {
	_, err := d.prepare(ctx)
	return err
}

// prepare makes ready what all servers need, once.
func (d *Driver) prepare(ctx context.Context) (*prepared, error) {
	d.preparing.Lock()
	defer d.preparing.Unlock()
	if d.prepared != nil {
		return d.prepared, nil
	}
	if d.ctx.Err() != nil {
		return nil, errClosed
	}
	if err := d.cfg.checkPreset(); err != nil {
		return nil, err
	}
	removed, _, err := d.engine.removeLeftovers(ctx, false)
	if err != nil {
		return nil, err
	}
	if len(removed) > 0 {
		d.cfg.Logger.Info("removed what a meshsim that was killed left behind", "names", removed)
	}
	if err := d.cfg.Machine(); err != nil {
		return nil, err
	}
	images := d.cfg.Preset.Images
	if d.cfg.Options.Image != "" {
		images = []string{d.cfg.Options.Image}
	}
	image, err := d.engine.findImage(ctx, images, d.cfg.Preset.imageRemedy())
	if err != nil {
		return nil, err
	}
	p := &prepared{image: image}
	if p.launching, err = d.prepareMerging(ctx, image); err != nil {
		return nil, err
	}
	if err := d.prepareDatabase(ctx, p); err != nil {
		return nil, errors.Join(err, d.endMerging(p))
	}
	d.prepared = p
	return p, nil
}

// prepareMerging makes ready what servers are started with when their memory is to be merged, and has the kernel do it.
func (d *Driver) prepareMerging(ctx context.Context, image string) (*launching, error) {
	if d.cfg.Merging == nil {
		return nil, nil
	}
	l, err := d.engine.prepareLaunching(ctx, image)
	if err != nil {
		return nil, err
	}
	return l, d.cfg.Merging.acquire()
}

// endMerging undoes prepareMerging.
func (d *Driver) endMerging(p *prepared) error {
	if p.launching == nil {
		return nil
	}
	return d.cfg.Merging.release()
}

// Start implements node.Driver.
func (d *Driver) Start(ctx context.Context, spec node.Spec, mesh node.Network) (node.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, &node.StartError{Reason: fmt.Sprintf("the start of %s was called off: %v", spec.Name, err)}
	}
	with, err := d.prepare(ctx)
	if err != nil {
		return nil, &node.StartError{Reason: err.Error()}
	}
	r, err := d.resident(spec)
	if err != nil {
		return nil, &node.StartError{Reason: err.Error()}
	}
	if err := d.ensureDatabase(ctx, r); err != nil {
		return nil, &node.StartError{Reason: err.Error()}
	}
	n, err := d.run(ctx, r, with, mesh)
	if err != nil {
		return nil, startError(spec, err)
	}
	return n, nil
}

// startError makes a sentence of err, which may be one already.
func startError(spec node.Spec, err error) error {
	var failed *node.StartError
	if errors.As(err, &failed) {
		return failed
	}
	return &node.StartError{Reason: fmt.Sprintf("%s could not be started: %v", spec.Name, err)}
}

// errClosed is returned by Start after Close.
var errClosed = errors.New("the driver of containers is closed")

// resident returns what is remembered of the server with the id of spec, which is about to be started.
func (d *Driver) resident(spec node.Spec) (*resident, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	r := d.residents[spec.ID]
	if r == nil {
		r = newResident(spec, d.prefix+spec.Name)
		d.residents[spec.ID] = r
	}
	r.log = nil
	return r, nil
}

// Forget implements node.Driver.
func (d *Driver) Forget(ctx context.Context, spec node.Spec) error {
	d.mu.Lock()
	r := d.residents[spec.ID]
	delete(d.residents, spec.ID)
	d.mu.Unlock()
	if r == nil {
		return nil
	}
	return errors.Join(d.engine.removeVolume(ctx, r.volume), d.dropDatabases(ctx, r))
}

// dropDatabases removes the databases of servers that have one.
func (d *Driver) dropDatabases(ctx context.Context, residents ...*resident) error {
	var names []string
	for _, r := range residents {
		if r.database != nil {
			names = append(names, r.database.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return d.postgres.drop(ctx, names...)
}

func (d *Driver) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// Close implements node.Driver: it ends what still runs, by force, waits for containers that are being made, which the engine
// may take engineLimit for, and removes what is kept for every server. It is idempotent.
func (d *Driver) Close() error {
	d.mu.Lock()
	residents, runs, launched := d.residents, slices.Collect(maps.Keys(d.runs)), d.launched
	d.residents = nil
	d.launched = false
	d.closed = true
	d.mu.Unlock()
	var ending sync.WaitGroup
	for _, n := range runs {
		ending.Go(func() { _ = n.kill() }) // what that leaves is removed below
	}
	ending.Wait()
	d.end()
	d.launches.Wait()
	for _, n := range runs {
		<-n.done
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	defer cancel()
	var errs []error
	if launched {
		errs = append(errs, d.engine.removeAll(ctx, d.prefix))
	}
	errs = append(errs, d.dropDatabases(ctx, slices.Collect(maps.Values(residents))...), d.unprepare(ctx))
	return errors.Join(append(errs, d.engine.close())...)
}

// unprepare undoes what prepare did for all servers, once. What is still being prepared is waited for.
func (d *Driver) unprepare(ctx context.Context) error {
	d.preparing.Lock()
	defer d.preparing.Unlock()
	p := d.prepared
	d.prepared = nil
	if p == nil {
		return nil
	}
	return errors.Join(d.endMerging(p), d.dropTemplate(ctx))
}

// launching notes a launch, and is false when the driver is closed.
func (d *Driver) launching() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.launches.Add(1)
	d.launched = true
	return true
}

// begun notes a run, and is false when the driver is closed.
func (d *Driver) begun(n *running) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.runs[n] = struct{}{}
	}
	return !d.closed
}

func (d *Driver) ended(n *running) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.runs, n)
}
