// Package meshsim_test checks what no single package can: that imports point one way (docs/architecture.md)
// and that every package says once what it is.
package meshsim_test

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "meshsim"

// layout lists the packages from the ground up: a package may import only what stands above it in this list.
// A package that is not listed fails the test, so that its place is a decision.
var layout = []string{
	"telemetry",
	"link",
	"fabric",
	"port/probe",
	"port/porttest",
	"port/netstack",
	"port/netstack/virtualtime",
	"port/tun",
	"topo",
	"route",
	"matrix",
	"matrix/event",
	"matrix/event/eventtest",
	"matrix/eventauth",
	"matrix/stateres",
	"homeserver",
	"homeserver/federation",
	"homeserver/clientapi",
	"homeserver/store",
	"lowband/shorthand",
	"lowband/coap",
	"lowband/channel",
	"lowband/records",
	"lowband/airtest",
	"lowband",
	"lowband/capture",
	"lowband/msc3079",
	"lowband/proxy",
	"lowband/mkdictionary",
	"gateway",
	"gateway/resolver",
	"node",
	"node/directory",
	"node/nodetest",
	"node/clientside",
	"node/embedded",
	"node/docker/enginetest",
	"node/docker/launcher",
	"node/docker/standin",
	"node/docker",
	"mesh",
	"mesh/meshfile",
	"mesh/coapports",
	"journey",
	"mesh/exchange",
	"examples/meshes",
	"talk",
	"measure",
	"api",
	"web",
	"cmd/meshsim",
}

// network is what the Matrix column must not know (DESIGN.md, the third idea).
var network = []string{"telemetry", "link", "fabric", "port", "topo", "route", "gateway", "node", "mesh"}

type source struct {
	dir     string // relative to the module
	imports map[string]string
	docs    []string // files with a package comment
}

func TestImportsPointUpwards(t *testing.T) {
	for _, src := range sources(t) {
		place := slices.Index(layout, src.dir)
		if place < 0 {
			t.Errorf("package %s is not in the layout: give it a place", src.dir)
			continue
		}
		for imported, file := range src.imports {
			at := slices.Index(layout, imported)
			if at < 0 || at >= place {
				t.Errorf("%s: %s imports %s, which does not stand above it", file, src.dir, imported)
			}
		}
	}
}

func TestMatrixColumnKnowsNoNetwork(t *testing.T) {
	for _, src := range sources(t) {
		if !within(src.dir, "matrix") && !within(src.dir, "homeserver") {
			continue
		}
		for imported, file := range src.imports {
			for _, forbidden := range network {
				if within(imported, forbidden) {
					t.Errorf("%s: the Matrix column imports %s", file, imported)
				}
			}
		}
	}
}

func TestMeshKnowsNoDriver(t *testing.T) {
	for _, src := range sources(t) {
		if !within(src.dir, "mesh") {
			continue
		}
		for imported, file := range src.imports {
			if imported != "node" && within(imported, "node") {
				t.Errorf("%s: mesh imports the driver %s", file, imported)
			}
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	for _, src := range sources(t) {
		if len(src.docs) != 1 {
			t.Errorf("package %s has %d package comments, want one: %v", src.dir, len(src.docs), src.docs)
		}
	}
}

func within(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// sources parses every package of the module, without its tests, for the system the test runs on.
func sources(t *testing.T) []source {
	t.Helper()
	byDir := map[string]*source{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		if match, err := build.Default.MatchFile(filepath.Split(name)); err != nil || !match {
			return err
		}
		return addFile(byDir, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	for _, src := range byDir {
		all = append(all, *src)
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.dir, b.dir) })
	return all
}

func addFile(byDir map[string]*source, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	dir := path.Dir(filepath.ToSlash(name))
	src := byDir[dir]
	if src == nil {
		src = &source{dir: dir, imports: map[string]string{}}
		byDir[dir] = src
	}
	if file.Doc != nil {
		src.docs = append(src.docs, name)
	}
	for _, spec := range file.Imports {
		if imported, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/"); ours {
			src.imports[imported] = name
		}
	}
	return nil
}
