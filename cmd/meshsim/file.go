package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"meshsim/mesh/meshfile"
	"meshsim/topo"
)

// load reads the mesh file, so that it can be kept up to date. Where there is none yet it is made, if its
// name is one of a mesh file: a mistyped command makes no file.
func load(path string) (meshfile.Plan, error) {
	plan, err := meshfile.Load(path)
	if err == nil {
		return plan, writable(path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return meshfile.Plan{}, err
	}
	if !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
		return meshfile.Plan{}, fmt.Errorf("there is no command and no mesh file %q; "+
			"see meshsim --help, or name a new mesh file with .yaml at the end", path)
	}
	plan = meshfile.Plan{Seed: randomSeed(), Settings: topo.Defaults()}
	if err := meshfile.Save(path, plan); err != nil {
		return meshfile.Plan{}, fmt.Errorf("the mesh file cannot be made: %w", err)
	}
	return plan, nil
}

// writable says in time that the mesh file could not be kept up to date.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the mesh file could not be kept up to date: %w", err)
	}
	return f.Close()
}
