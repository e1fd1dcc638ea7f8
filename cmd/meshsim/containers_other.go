//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshsim/node"
)

// containerOptions is what flags say about containers: nothing, as the mesh's network needs Linux to reach into them.
type containerOptions struct{}

func containerFlags(*pflag.FlagSet, *options) {}

func (o *options) checkContainers() error { return nil }

func containerKinds() []string { return nil }

func (w *wiring) containerDrivers(*options, surroundings) ([]node.Driver, error) { return nil, nil }

func newClean() *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "Remove the containers that a meshsim which was killed left behind (on Linux)",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("homeservers in containers need Linux: run meshsim itself in a container")
		},
	}
}
