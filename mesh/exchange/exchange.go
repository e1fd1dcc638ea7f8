// Package exchange reads and writes meshes in the formats of other tools: meshnet-lab's JSON, GraphML (with what the
// Internet Topology Zoo puts into it) and containerlab's YAML, beside our own mesh file.
//
// Those formats are lists of links, not maps: what is read of them has every link pinned as linked and settings
// under which nothing else is linked, so that the mesh is the graph in the file. What a format cannot say is left
// out when writing, and what cannot be taken over when reading is told in notes.
package exchange

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"meshsim/mesh"
	"meshsim/mesh/meshfile"
	"meshsim/topo"
)

// Format is a format of files.
type Format string

// The formats.
const (
	MeshFile     Format = "meshsim"
	MeshnetLab   Format = "meshnet-lab"
	GraphML      Format = "graphml"
	Containerlab Format = "containerlab"
)

// Bounds of what is read: beyond them a file is refused.
const (
	MaxServers = 10_000
	MaxLinks   = 200_000
)

// codec reads and writes one format.
type codec struct {
	format    Format
	extension string
	mediaType string
	decode    func(context.Context, []byte) (*graph, error)
	encode    func(*graph) ([]byte, error)
}

// codecs of other tools' formats.
func codecs() []codec {
	return []codec{
		{MeshnetLab, "json", "application/json", decodeMeshnetLab, encodeMeshnetLab},
		{GraphML, "graphml", "application/xml", decodeGraphML, encodeGraphML},
		{Containerlab, "clab.yml", "application/yaml", decodeContainerlab, encodeContainerlab},
	}
}

// Formats lists the formats, our own first.
func Formats() []Format {
	list := []Format{MeshFile}
	for _, c := range codecs() {
		list = append(list, c.format)
	}
	return list
}

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats(), f) {
		return f, nil
	}
	return "", unknownFormat(Format(name))
}

func find(f Format) (codec, bool) {
	for _, c := range codecs() {
		if c.format == f {
			return c, true
		}
	}
	return codec{}, false
}

// Mesh is what was read of a file: what is to be added, and what could not be taken over.
type Mesh struct {
	Format Format
	mesh.Import
	Notes []string // sentences for the user
}

// Error says what is wrong in a file.
type Error struct {
	Format  Format // empty where no format could be told
	Message string
}

func (e *Error) Error() string {
	if e.Format == "" {
		return e.Message
	}
	return fmt.Sprintf("%s: %s", e.Format, e.Message)
}

// Detect tells the format of a file from its beginning; what is none of the others may be a mesh file.
func Detect(data []byte) Format {
	data = bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	switch {
	case bytes.HasPrefix(data, []byte("<")):
		return GraphML
	case bytes.HasPrefix(data, []byte("{")), bytes.HasPrefix(data, []byte("[")):
		return MeshnetLab
	}
	if hasKey(data, "topology") {
		return Containerlab
	}
	return MeshFile
}

// hasKey says whether a line of a YAML file begins with one of these keys.
func hasKey(data []byte, keys ...string) bool {
	for line := range strings.Lines(string(data)) {
		key, _, ok := strings.Cut(line, ":")
		if ok && slices.Contains(keys, key) {
			return true
		}
	}
	return false
}

// Decode reads a file; the format "" is told from the file. Errors are [*Error] and name the place in it, but for an
// unknown format and that of ctx, with which reading ends early.
func Decode(ctx context.Context, f Format, data []byte) (*Mesh, error) {
	told := f == ""
	if told {
		f = Detect(data)
	}
	c, ok := find(f)
	if !ok && f != MeshFile {
		return nil, unknownFormat(f)
	}
	m, err := decode(ctx, f, c, data)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && told && f == MeshFile && !hasKey(data, "seed", "settings", "servers", "links"):
		return nil, &Error{Message: fmt.Sprintf("this is no mesh file (%v), and it does not begin as meshnet-lab JSON, GraphML or containerlab YAML do", err)}
	case err != nil:
		return nil, &Error{Format: f, Message: err.Error()}
	}
	m.Format = f
	return m, nil
}

func decode(ctx context.Context, f Format, c codec, data []byte) (*Mesh, error) {
	if f == MeshFile || f == Containerlab {
		if err := boundedYAML(ctx, data); err != nil {
			return nil, err
		}
	}
	if f == MeshFile {
		return decodeMeshFile(data)
	}
	g, err := c.decode(ctx, bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	return g.mesh(ctx)
}

// decodeMeshFile takes over everything but the seed and the ids.
func decodeMeshFile(data []byte) (*Mesh, error) {
	plan, err := meshfile.Decode(data)
	if err != nil {
		return nil, err
	}
	if len(plan.Servers) > MaxServers {
		return nil, tooMany("servers", MaxServers)
	}
	m := &Mesh{Import: mesh.Import{Settings: &plan.Settings, Pins: make(map[topo.Pair]topo.LinkPins)}}
	if plan.Transport != (meshfile.Transport{}) {
		m.Notes = append(m.Notes, "the file says how its servers talk to each other; those here go on as they do")
	}
	places := make(map[int]int)
	for i, s := range plan.Servers {
		places[s.ID] = i
		m.Servers = append(m.Servers, mesh.AddServer{X: s.X, Y: s.Y, Kind: s.Kind, Name: s.Name})
	}
	for pair, pins := range plan.Pins {
		m.Pins[topo.Pair{A: places[pair.A], B: places[pair.B]}] = pins
	}
	return m, nil
}

// Encode writes a mesh. Only the mesh file holds everything; the other formats hold servers, the links between
// running ones, and of these latency, bandwidth, jitter, loss and whether they are cut.
func Encode(f Format, s *mesh.Snapshot, t meshfile.Transport) ([]byte, error) {
	if f == MeshFile {
		return meshfile.Encode(meshfile.PlanOf(s, t)), nil
	}
	c, ok := find(f)
	if !ok {
		return nil, unknownFormat(f)
	}
	return c.encode(graphOf(s))
}

// File returns the extension of a format's files, without the dot, and their media type.
func File(f Format) (extension, mediaType string) {
	if c, ok := find(f); ok {
		return c.extension, c.mediaType
	}
	return "yaml", "application/yaml"
}

func unknownFormat(f Format) error {
	return fmt.Errorf("format is %q: it must be %s, %s, %s or %s", f, MeshFile, MeshnetLab, GraphML, Containerlab)
}
