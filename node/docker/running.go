//go:build linux

package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"meshsim/gateway"
	"meshsim/lowband/msc3079"
	"meshsim/node"
	"meshsim/port/tun"
)

// running is one run of a server. It implements node.Node and node.Pauser.
type running struct {
	driver    *Driver
	resident  *resident
	values    *Values // of the preset's templates
	container string  // id
	pid       int     // of the container's first process
	took      took

	namespace *tun.Namespace
	device    *tun.Device
	gateway   *gateway.Gateway
	inside    *http.Transport // to the homeserver's own ports
	client    http.Handler
	coap      *msc3079.Server // nil where clients are not offered CoAP

	ctx     context.Context // ended by release
	end     context.CancelFunc
	serving sync.WaitGroup

	settled  chan struct{} // closed once nothing is added to the namespace any more
	stopping atomic.Bool
	killed   atomic.Bool   // Kill was asked for
	exited   chan struct{} // closed when the container has ended
	err      error         // why; set before
	done     chan struct{} // closed when everything has
}

var (
	_ node.Node      = (*running)(nil)
	_ node.Pauser    = (*running)(nil)
	_ node.Gatewayed = (*running)(nil)

	_ node.GatewayWatcher = (*running)(nil)
)

// run makes a container, puts it into the mesh and returns when it answers.
func (d *Driver) run(ctx context.Context, r *resident, with *prepared, mesh node.Network) (*running, error) {
	begun := time.Now()
	n, err := d.launch(ctx, r, with)
	if err != nil {
		return nil, err
	}
	n.took.container = time.Since(begun)
	err = n.begin(ctx, mesh)
	close(n.settled)
	if err != nil {
		return nil, n.giveUp(err)
	}
	return n, nil
}

// launch makes a container and starts its process. Unless it fails the caller closes settled.
func (d *Driver) launch(ctx context.Context, r *resident, with *prepared) (n *running, err error) {
	if !d.launching() {
		return nil, errClosed
	}
	defer d.launches.Done()
	n = &running{
		driver: d, resident: r, values: r.values(&d.cfg),
		settled: make(chan struct{}), exited: make(chan struct{}), done: make(chan struct{}),
	}
	n.values.Database = r.database
	n.ctx, n.end = context.WithCancel(context.Background())
	if n.pid, err = n.create(ctx, with); err != nil {
		return nil, err
	}
	go n.watch()
	if !d.begun(n) {
		close(n.settled)
		return nil, errors.Join(errClosed, n.kill())
	}
	return n, nil
}

// create makes and starts the container.
func (n *running) create(ctx context.Context, with *prepared) (pid int, err error) {
	engine := n.driver.engine
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.driver.ctx, cancel)()
	o, err := n.order(with)
	if err != nil {
		return 0, err
	}
	if n.container, err = engine.create(ctx, o); err != nil {
		return 0, err
	}
	if pid, err = engine.start(ctx, n.container); err != nil {
		return 0, errors.Join(err, engine.remove(n.container))
	}
	return pid, nil
}

// order says which container is to be made.
func (n *running) order(with *prepared) (*order, error) {
	p, options := n.driver.cfg.Preset, n.driver.cfg.Options
	command, err := p.expandList("command", p.Command, n.values)
	if err != nil {
		return nil, err
	}
	environment, err := p.environment(n.values)
	if err != nil {
		return nil, err
	}
	files, err := n.files()
	if err != nil {
		return nil, err
	}
	mounts, err := parseMounts(slices.Concat(p.Mounts, options.Mounts))
	if err != nil {
		return nil, err
	}
	o := &order{
		name:        n.resident.volume,
		server:      n.resident.spec.Name,
		image:       with.image,
		command:     command,
		environment: slices.Concat(n.proxyEnvironment(), environment, options.Environment),
		data:        p.Data,
		mounts:      mounts,
		options:     options,
		files:       files,
	}
	if with.launching != nil {
		with.launching.apply(o)
	}
	return o, nil
}

// files are what is put into the data directory.
func (n *running) files() (map[string][]byte, error) {
	cfg := &n.driver.cfg
	files, err := cfg.Preset.generate(n.values)
	if err != nil {
		return nil, err
	}
	files[authorityFile] = cfg.CA.PEM()
	if n.values.TLSPort == 0 {
		return files, nil
	}
	files[certificateFile], files[privateKeyFile], err = cfg.CA.ServerPEM(n.resident.spec.Name)
	return files, err
}

// proxyEnvironment tells of the proxy as most programs expect it.
func (n *running) proxyEnvironment() []string {
	proxy := n.values.Proxy
	if proxy == "" {
		return nil
	}
	const direct = "localhost,127.0.0.1,::1"
	return []string{"https_proxy=" + proxy, "HTTPS_PROXY=" + proxy, "no_proxy=" + direct, "NO_PROXY=" + direct}
}

// begin puts the container into the mesh and waits until the homeserver answers and has its account.
func (n *running) begin(ctx context.Context, mesh node.Network) error {
	begun := time.Now()
	if err := n.join(mesh); err != nil {
		return n.orDied(err)
	}
	joined := time.Now()
	if err := n.awaitReady(ctx); err != nil {
		return err
	}
	ready := time.Now()
	if err := n.ensureAccount(ctx); err != nil {
		return fmt.Errorf("make its account: %w", err)
	}
	n.took.network, n.took.homeserver, n.took.account = joined.Sub(begun), ready.Sub(joined), time.Since(ready)
	n.driver.cfg.Logger.Debug("a server answers", "server", n.resident.spec.Name, "container", n.took.container,
		"network", n.took.network, "homeserver", n.took.homeserver, "account", n.took.account)
	return nil
}

// ensureAccount makes the account, once.
func (n *running) ensureAccount(ctx context.Context) error {
	if n.resident.account {
		return nil
	}
	if err := n.makeAccount(ctx); err != nil {
		return err
	}
	n.resident.account = true
	return nil
}

// took is how long the steps of a start took. The homeserver's own begins while it is joined to the mesh.
type took struct{ container, network, homeserver, account time.Duration }

// diedGrace is how long the engine may take to notice that a process has ended.
const diedGrace = 2 * time.Second

// orDied returns the reason for which the container has ended, where it has: then err is only what came of it.
func (n *running) orDied(err error) error {
	select {
	case <-n.exited:
		return cmp.Or(n.err, err)
	case <-time.After(diedGrace):
		return err
	}
}

// giveUp ends a run that could not begin, and says what the homeserver said last.
func (n *running) giveUp(cause error) error {
	var died *node.StartError
	if errors.As(cause, &died) { // by itself; its last words are known
		<-n.done
		return died
	}
	failed := &node.StartError{
		Reason:  fmt.Sprintf("%s could not be started: %v", n.resident.spec.Name, cause),
		LogTail: toldLog.of(n.keepLog(engineLimit)),
	}
	if err := n.kill(); err != nil {
		failed.Reason += fmt.Sprintf(" (and %v)", err)
	}
	return failed
}

// watch waits for the container to end, whoever ends it, and cleans up.
func (n *running) watch() {
	defer close(n.done)
	engine := n.driver.engine
	end := engine.wait(n.driver.ctx, n.container)
	if n.stopping.Load() {
		n.keepLog(stopLogLimit)
	} else {
		words := toldLog.of(n.keepLog(engineLimit))
		n.err = &node.StartError{Reason: whyDied(n.resident.spec.Name, end, n.killed.Load(), words), LogTail: words}
	}
	close(n.exited)
	<-n.settled
	n.release()
	defer n.driver.ended(n)
	if err := engine.remove(n.container); err != nil {
		n.driver.cfg.Logger.Warn("a container could not be removed", "server", n.resident.spec.Name, "error", err)
	}
}

// stopLogLimit is how long the end of a server that was told to stop may wait for its log: it is not to outlast its grace.
const stopLogLimit = time.Second

// keepLog keeps the end of the log, which goes with the container, for who asks once the server has ended. It returns that.
// After Driver.Close nobody asks.
func (n *running) keepLog(limit time.Duration) []string {
	if n.driver.isClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	lines := n.driver.engine.logTail(ctx, n.container)
	if len(lines) > 0 { // otherwise there may be what was kept before the container was removed
		n.driver.mu.Lock()
		defer n.driver.mu.Unlock()
		n.resident.log = slices.Clone(lines) // what was cut off is not kept
	}
	return lines
}

// Stop implements node.Node.
func (n *running) Stop(ctx context.Context) error {
	select {
	case <-n.done: // nothing is left to ask the engine for
		return nil
	default:
	}
	n.stopping.Store(true)
	engine := n.driver.engine
	if err := engine.stop(ctx, n.container, grace(ctx)); err != nil {
		n.keepLog(stopLogLimit)
		return n.kill()
	}
	<-n.done
	return nil
}

// kill ends the server by force.
func (n *running) kill() error {
	n.stopping.Store(true)
	if err := n.driver.engine.remove(n.container); err != nil {
		return fmt.Errorf("%s cannot be ended: %w", n.resident.spec.Name, err)
	}
	<-n.done
	return nil
}

// grace is how long a process may take to end until ctx does.
func grace(ctx context.Context) time.Duration {
	const most, least = 10 * time.Second, time.Second
	deadline, ok := ctx.Deadline()
	if !ok {
		return most
	}
	return min(most, max(least, time.Until(deadline)))
}

// Done implements node.Node.
func (n *running) Done() <-chan struct{} { return n.done }

// Err implements node.Node.
func (n *running) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// Pause implements node.Pauser.
func (n *running) Pause(ctx context.Context) error { return n.driver.engine.pause(ctx, n.container) }

// Resume implements node.Pauser.
func (n *running) Resume(ctx context.Context) error { return n.driver.engine.unpause(ctx, n.container) }

// Client implements node.Node.
func (n *running) Client() http.Handler { return n.client }
