package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/embedded"
	"meshsim/port/tun"
)

// containerOptions is what flags say about containers.
type containerOptions struct {
	docker.Options
	memoryMB  int64
	gateway   string
	noGateway bool
	ksm       bool
	paths     []string         // of presets
	presets   []*docker.Preset // those that come with the program, and those at paths
}

// containerFlags change what presets say about containers.
func containerFlags(f *pflag.FlagSet, o *options) {
	c := &o.containers
	f.StringVar(&c.Image, "image", "", "run this `image` in containers instead of the preset's ("+envPrefix+"IMAGE)")
	f.StringArrayVar(&c.paths, "preset", nil,
		"`file` that describes another homeserver for --homeserver, see docs/presets.md; may be repeated ("+envPrefix+"PRESET)")
	f.StringArrayVar(&c.Environment, "env", nil, "set `KEY=VALUE` in containers; may be repeated")
	f.StringArrayVar(&c.Mounts, "mount", nil, "bind `HOST-PATH:PATH[:ro]` in containers, e.g. a working copy over the installed source; may be repeated")
	f.Int64Var(&c.memoryMB, "memory", 0, "limit a container to this many `MB` of memory; 0 is no limit ("+envPrefix+"MEMORY)")
	f.Float64Var(&c.CPUs, "cpus", 0, "limit a container to this many `processors`, e.g. 0.5; 0 is no limit ("+envPrefix+"CPUS)")
	f.BoolVar(&c.StockRetries, "stock-retries", false,
		"leave the retry intervals of homeservers in containers as they are shipped, up to days ("+envPrefix+"STOCK_RETRIES)")
	f.StringVar(&c.Congestion, "congestion-control", "",
		"`name` of TCP's congestion control in containers, e.g. bbr; empty is cubic, which embedded servers have ("+envPrefix+"CONGESTION_CONTROL)")
	f.StringVar(&c.gateway, "gateway", string(node.Observed),
		"how servers in containers talk to others: observed, or pass-through (nothing inside is seen) ("+envPrefix+"GATEWAY)")
	f.StringVar(&c.Postgres, "postgres", "",
		"give every server in a container its own database on the Postgres at this `URL`, where its kind can use one ("+envPrefix+"POSTGRES)")
	f.BoolVar(&c.ksm, "ksm", false,
		"as root: have the kernel keep equal pages of servers in containers once; about 25 MB less each for Synapse ("+envPrefix+"KSM)")
	f.BoolVar(&c.noGateway, "no-gateway", false,
		"servers in containers talk to each other with nothing between: nothing is seen of their events ("+envPrefix+"NO_GATEWAY)")
}

func (o *options) checkContainers() error {
	c := &o.containers
	if c.memoryMB < 0 || c.CPUs < 0 {
		return fmt.Errorf("--memory and --cpus are limits: they must be 0 (none) or more")
	}
	for _, e := range c.Environment {
		if !strings.Contains(e, "=") {
			return fmt.Errorf("--env is %q: it must be KEY=VALUE", e)
		}
	}
	for _, m := range c.Mounts {
		if err := docker.CheckMount(m); err != nil {
			return fmt.Errorf("--mount is %q: %w", m, err)
		}
	}
	c.Memory = c.memoryMB << 20
	if c.Congestion != "" {
		if err := tun.CheckCongestion(c.Congestion); err != nil {
			return fmt.Errorf("--congestion-control: %w", err)
		}
	}
	if c.Postgres != "" {
		if err := docker.CheckPostgres(c.Postgres); err != nil {
			return err
		}
	}
	if err := c.checkGateway(); err != nil {
		return err
	}
	return c.readPresets()
}

// checkGateway makes one mode of two flags.
func (c *containerOptions) checkGateway() error {
	c.Gateway = node.GatewayMode(c.gateway)
	if c.Gateway != node.Observed && c.Gateway != node.PassThrough {
		return fmt.Errorf("--gateway is %q: it must be %s or %s, or use --no-gateway", c.gateway, node.Observed, node.PassThrough)
	}
	if !c.noGateway {
		return nil
	}
	if c.Gateway == node.PassThrough {
		return fmt.Errorf("--gateway %s and --no-gateway contradict each other: leave one out", c.gateway)
	}
	c.Gateway = node.NoGateway
	return nil
}

// readPresets reads the presets that come with the program and the user's.
func (c *containerOptions) readPresets() error {
	c.presets = nil
	for _, name := range docker.Presets() {
		preset, err := docker.LoadPreset(name)
		if err != nil {
			return err
		}
		c.presets = append(c.presets, preset)
	}
	for _, path := range c.paths {
		preset, err := docker.ReadPreset(path)
		if err != nil {
			return fmt.Errorf("--preset: %w", err)
		}
		if slices.Contains(c.kinds(), preset.Name) || preset.Name == embedded.Kind {
			return fmt.Errorf("--preset: %s has the name %q, which another kind of homeserver has: give it another with name", path, preset.Name)
		}
		c.presets = append(c.presets, preset)
	}
	return nil
}

// kinds are the homeservers that run in containers, once the presets were read.
func (c *containerOptions) kinds() []string {
	var names []string
	for _, p := range c.presets {
		names = append(names, p.Name)
	}
	return names
}

// namesFew tells whether homeservers of a kind name only some of many branches of a room.
func (c *containerOptions) namesFew(kind string) bool {
	return slices.ContainsFunc(c.presets, func(p *docker.Preset) bool { return p.Name == kind && p.NamesFew })
}

// containerKinds are the homeservers in containers that come with the program.
func containerKinds() []string { return docker.Presets() }

// checkMachine says what this machine lacks for servers in containers. Tests put another in its place.
var checkMachine = tun.Check

// containerDrivers makes a driver of each preset. Nothing is asked of the container engine before it is needed.
func (w *wiring) containerDrivers(o *options, s surroundings) ([]node.Driver, error) {
	options := o.containers.Options
	options.Presence = o.presence
	options.RegistrationClosed = o.token != "" // the homeservers in containers do not know the mesh's token
	merging, err := o.containers.merging()
	if err != nil {
		return nil, err
	}
	if merging != nil {
		w.savings = merging.Savings
	}
	var drivers []node.Driver
	for _, preset := range o.containers.presets {
		d, err := docker.New(docker.Config{
			Preset:      preset,
			Fabric:      w.fabric,
			CA:          s.ca,
			Rooms:       s.rooms,
			Publisher:   w.hub,
			Connections: s.connections,
			Transports:  w.transports,
			LowbandTap:  s.lowbandTap,
			Log:         http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.frontend.Log().ServeHTTP(rw, r) }),
			CoAP:        o.coap.offer(),
			Merging:     merging,
			Options:     options,
			Machine:     checkMachine,
			Logger:      w.log,
		})
		if err != nil {
			return nil, err
		}
		drivers = append(drivers, d)
	}
	return drivers, nil
}

// merging is nil unless it is wanted.
func (c *containerOptions) merging() (*docker.Merging, error) {
	if !c.ksm {
		return nil, nil
	}
	return docker.NewMerging()
}

// containerCommands are those that work with servers in containers.
func containerCommands(getenv func(string) string) []*cobra.Command {
	return []*cobra.Command{newExec(getenv), newClean()}
}

// newClean is the command that removes what was left behind.
func newClean() *cobra.Command {
	c := &cobra.Command{
		Use:   "clean",
		Short: "Remove the containers, volumes and databases that a meshsim which was killed left behind",
		Args:  cobra.NoArgs,
	}
	var l docker.Leftovers
	c.Flags().StringVar(&l.Postgres, "postgres", "", "drop databases at this `URL` too")
	c.Flags().BoolVar(&l.Unseen, "force", false,
		"remove also the containers and volumes of a meshsim that cannot be seen from here, in a container or on another machine: it may be running")
	c.RunE = func(c *cobra.Command, _ []string) error {
		removed, unseen, err := docker.Clean(c.Context(), l)
		slices.Sort(removed)
		for _, name := range slices.Compact(removed) {
			fmt.Fprintln(c.OutOrStdout(), "removed", name)
		}
		if unseen > 0 {
			fmt.Fprintf(c.OutOrStdout(), "left %d containers and volumes of a meshsim that cannot be seen from here, as it may be running: "+
				"run meshsim clean where that one ran, or meshsim clean --force\n", unseen)
		}
		return err
	}
	return c
}
