//go:build !linux

package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshsim/node"
)

// containerOptions is what flags say about containers: nothing, as the mesh's network needs Linux to reach into them.
type containerOptions struct{}

func containerFlags(*pflag.FlagSet, *options) {}

func (o *options) checkContainers() error { return nil }

func containerKinds() []string { return nil }

func (*containerOptions) kinds() []string { return nil }

func (w *wiring) containerDrivers(*options, surroundings) ([]node.Driver, error) { return nil, nil }

func containerCommands(func(string) string) []*cobra.Command { return nil }

func (*containerOptions) namesFew(string) bool { return false }
