package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshsim/node"
	"meshsim/node/docker"
)

// containerFlags change what presets say about containers.
func containerFlags(f *pflag.FlagSet, o *options) {
	c := &o.containers
	f.StringVar(&c.Image, "image", "", "run this `image` in containers instead of the preset's ("+envPrefix+"IMAGE)")
	f.StringArrayVar(&c.Environment, "env", nil, "set `KEY=VALUE` in containers; may be repeated")
	f.StringArrayVar(&c.Mounts, "mount", nil, "bind `HOST-PATH:PATH[:ro]` in containers, e.g. a working copy over the installed source; may be repeated")
	f.Int64Var(&o.memoryMB, "memory", 0, "limit a container to this many `MB` of memory; 0 is no limit ("+envPrefix+"MEMORY)")
	f.Float64Var(&c.CPUs, "cpus", 0, "limit a container to this many `processors`, e.g. 0.5; 0 is no limit ("+envPrefix+"CPUS)")
	f.BoolVar(&c.StockRetries, "stock-retries", false,
		"leave the retry intervals of homeservers in containers as they are shipped, up to days ("+envPrefix+"STOCK_RETRIES)")
}

func (o *options) checkContainers() error {
	if o.memoryMB < 0 || o.containers.CPUs < 0 {
		return fmt.Errorf("--memory and --cpus are limits: they must be 0 (none) or more")
	}
	for _, e := range o.containers.Environment {
		if !strings.Contains(e, "=") {
			return fmt.Errorf("--env is %q: it must be KEY=VALUE", e)
		}
	}
	o.containers.Memory = o.memoryMB << 20
	return nil
}

// containerKinds are the homeservers that run in containers.
func containerKinds() []string { return docker.Presets() }

// containerDrivers makes a driver of each preset. Nothing is asked of the container engine before it is needed.
func (w *wiring) containerDrivers(o *options, s surroundings) ([]node.Driver, error) {
	options := o.containers
	options.Presence = o.presence
	options.RegistrationClosed = o.token != "" // the homeservers in containers do not know the mesh's token
	var drivers []node.Driver
	for _, name := range docker.Presets() {
		preset, err := docker.LoadPreset(name)
		if err != nil {
			return nil, err
		}
		d, err := docker.New(docker.Config{
			Preset:      preset,
			Fabric:      w.fabric,
			CA:          s.ca,
			Rooms:       s.rooms,
			Publisher:   w.hub,
			Connections: s.connections,
			Options:     options,
			Logger:      w.log,
		})
		if err != nil {
			return nil, err
		}
		drivers = append(drivers, d)
	}
	return drivers, nil
}

// containerCommands are those that work with servers in containers.
func containerCommands(getenv func(string) string) []*cobra.Command {
	return []*cobra.Command{newExec(getenv), newClean()}
}

// newClean is the command that removes what was left behind.
func newClean() *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "Remove the containers and volumes that a meshsim which was killed left behind",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			removed, err := docker.Clean(c.Context())
			slices.Sort(removed)
			for _, name := range slices.Compact(removed) {
				fmt.Fprintln(c.OutOrStdout(), "removed", name)
			}
			return err
		},
	}
}

// containerOptions is what flags say about containers.
type containerOptions = docker.Options
