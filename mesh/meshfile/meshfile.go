// Package meshfile reads and writes mesh files: a mesh's seed, settings, the transport between its servers, servers
// (names, kinds, positions) and pins as YAML. Keys and rooms are never in it.
//
// Values carry units (20ms, 250kbit, unlimited, 5%). Reading is strict: an unknown field, a value that is not
// allowed or anything after the document is an error that names the line. Files are replaced atomically.
package meshfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"meshsim/mesh"
	"meshsim/topo"
)

// maxSize is the largest file that is read, in bytes: 100,000 servers are a tenth of it.
const maxSize = 64 << 20

// Plan is what a mesh file holds.
type Plan struct {
	Seed     uint64
	Settings topo.Settings
	Servers  []mesh.Planned // by id
	Pins     map[topo.Pair]topo.LinkPins

	Transport Transport
}

// PlanOf returns the plan of a running mesh. Servers that were removed are left out.
func PlanOf(s *mesh.Snapshot, t Transport) Plan {
	p := Plan{Seed: s.Seed, Settings: s.Settings, Pins: make(map[topo.Pair]topo.LinkPins), Transport: t}
	for _, server := range s.Servers {
		if server.State != mesh.Gone {
			p.Servers = append(p.Servers, mesh.Planned{
				ID: server.ID, Name: server.Name, Kind: server.Kind, X: server.X, Y: server.Y,
			})
		}
	}
	for pair, pins := range s.Pins {
		_, a := s.Server(pair.A)
		_, b := s.Server(pair.B)
		if a && b {
			p.Pins[pair] = pins
		}
	}
	return p
}

// Error says what is wrong in a mesh file, and where.
type Error struct {
	Line    int // 0 where it is not known
	Message string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// Decode reads a mesh file. What it leaves out has its default; an empty file is an empty mesh. Errors are
// [*Error]. Kinds are checked by [mesh.New], which knows them.
func Decode(data []byte) (Plan, error) {
	f := file{Settings: settingsOf(topo.Defaults())}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return Plan{}, located(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Plan{}, &Error{Message: "there is a second document after the first: a mesh file holds one"}
	}
	lines := new(yaml.Node)
	if err := yaml.Unmarshal(data, lines); err != nil {
		return Plan{}, located(err)
	}
	return f.plan(source{lines})
}

// Encode writes a mesh file. The same plan gives the same bytes.
func Encode(p Plan) []byte {
	var out bytes.Buffer
	out.WriteString(header)
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(fileOf(p)); err != nil {
		panic(fmt.Sprintf("meshfile: a plan cannot be written: %v", err)) // nothing in file can fail
	}
	return out.Bytes()
}

const header = "# A meshsim mesh. meshsim keeps this file up to date while it runs: edit it while it does not.\n"

// Load reads the file at path. It fails with fs.ErrNotExist where there is none.
func Load(path string) (Plan, error) {
	// A pipe would be waited for, and a device be replaced by the file that is written.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return Plan{}, fmt.Errorf("%s is no regular file, which a mesh file must be", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return Plan{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return Plan{}, err
	}
	if len(data) > maxSize {
		return Plan{}, fmt.Errorf("%s is larger than %d MB: it is no mesh file", path, maxSize>>20)
	}
	p, err := Decode(data)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Save replaces the file at path, so that it holds the old content or the new whatever happens.
func Save(path string, p Plan) error { return replace(path, Encode(p)) }

func replace(path string, data []byte) (err error) {
	mode := fs.FileMode(0o644)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".meshsim-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
		}
	}()
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
