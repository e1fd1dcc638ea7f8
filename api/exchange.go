package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"meshsim/examples/meshes"
	"meshsim/mesh"
	"meshsim/mesh/exchange"
	"meshsim/mesh/meshfile"
	"meshsim/topo"
)

// maxImport bounds the body of an import, in bytes.
const maxImport = 32 << 20

// maxImports bounds how many files are read at a time: a large one is worked on for seconds, in some 500 MB.
const maxImports = 2

// ImportSource is a file of a mesh or of another tool.
type ImportSource struct {
	Format exchange.Format `json:"format,omitempty" enum:"meshsim,meshnet-lab,graphml,containerlab" doc:"Absent: told from the text."`
	Text   string          `json:"text" doc:"The file as it is."`
}

// NewImport asks for the servers of a file.
type NewImport struct {
	ImportSource
	X        float64 `json:"x" required:"false" minimum:"-1000000" maximum:"1000000" doc:"Where the middle of the import is to be, in pixels of the canvas."`
	Y        float64 `json:"y" required:"false" minimum:"-1000000" maximum:"1000000"`
	Settings bool    `json:"settings" required:"false" doc:"Take over the settings of the file for the whole mesh."`
}

// ImportPreview is what an import would add, before anything changes. Links are those under the file's own settings.
type ImportPreview struct {
	Format   exchange.Format  `json:"format"`
	Servers  []ImportedServer `json:"servers"`
	Links    []ImportedLink   `json:"links"`
	Settings Settings         `json:"settings"`
	Notes    []string         `json:"notes" doc:"What cannot be taken over, in sentences."`
}

// ImportedServer is a server of a file. Its place in the list is its id until it is imported.
type ImportedServer struct {
	Name string  `json:"name" doc:"Wanted; one that is taken or kept for another id gives way to the default one. Empty is the default one."`
	Kind string  `json:"kind"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

// ImportedLink is a link of a file, by the places of its ends in the list of servers.
type ImportedLink struct {
	A         int       `json:"a"`
	B         int       `json:"b"`
	LatencyMS float64   `json:"latency_ms" doc:"From a to b."`
	Bandwidth Bandwidth `json:"bandwidth" doc:"From a to b."`
	Pinned    bool      `json:"pinned"`
}

// Imported is what an import has added.
type Imported struct {
	Servers []Server `json:"servers"`
	Notes   []string `json:"notes"`
}

// Example is a mesh that can be imported.
type Example struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Text        string `json:"text" doc:"A mesh file."`
}

func (v *v1) registerExchange(api huma.API) {
	const tag = "exchange"
	preview := operation("preview-import", http.MethodPost, "/import/preview", tag, "Read a file without importing it",
		"Formats: our mesh file, meshnet-lab JSON, GraphML (Internet Topology Zoo included), containerlab YAML.")
	preview.MaxBodyBytes = maxImport
	huma.Register(api, preview, v.previewImport)
	add := creating(operation("import", http.MethodPost, "/import", tag, "Add the servers and links of a file, all or none", ""))
	add.MaxBodyBytes = maxImport
	huma.Register(api, add, v.doImport)
	export := operation("export", http.MethodGet, "/export", tag, "The mesh as a file",
		"Only our own format holds everything; the others hold servers, the links in force, and of these latency, bandwidth, "+
			"jitter, loss and whether they are cut.")
	export.Responses = map[string]*huma.Response{"200": {
		Description: "The file.",
		Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(api, export, v.export)
	huma.Register(api, operation("list-examples", http.MethodGet, "/examples", tag, "Example meshes", ""), listExamples)
}

func (v *v1) previewImport(ctx context.Context, in *struct{ Body ImportSource }) (*result[ImportPreview], error) {
	m, err := v.read(ctx, in.Body)
	if err != nil {
		return nil, problemOf(err)
	}
	if err := v.mesh.CheckImport(ctx, m.Import); err != nil {
		return nil, problemOf(err)
	}
	p := ImportPreview{Format: m.Format, Settings: settingsOf(*m.Settings), Notes: append([]string{}, m.Notes...)}
	nodes := make([]topo.Node, len(m.Servers))
	p.Servers = make([]ImportedServer, len(m.Servers))
	for i, s := range m.Servers {
		nodes[i] = topo.Node{ID: i, X: s.X, Y: s.Y}
		p.Servers[i] = ImportedServer{Name: s.Name, Kind: s.Kind, X: s.X, Y: s.Y}
	}
	if links := topo.CountLinks(*m.Settings, nodes, m.Pins); links > exchange.MaxLinks {
		return nil, problemOf(badValue("the file's settings link %d pairs: at most %d can be imported at once", links, exchange.MaxLinks))
	}
	p.Links = []ImportedLink{}
	for _, l := range topo.Build(*m.Settings, nodes, m.Pins).Links {
		_, pinned := m.Pins[l.Pair]
		p.Links = append(p.Links, ImportedLink{
			A: l.A, B: l.B, LatencyMS: milliseconds(l.AB.Delay), Bandwidth: Bandwidth(l.AB.Rate), Pinned: pinned,
		})
	}
	return answer(p, nil)
}

// read reads a file; what is wrong in it is the sender's. Who hangs up ends it.
func (v *v1) read(ctx context.Context, source ImportSource) (*exchange.Mesh, error) {
	if !v.imports.enter() {
		return nil, &busyError{what: "imports", most: maxImports}
	}
	defer v.imports.leave()
	m, err := exchange.Decode(ctx, source.Format, []byte(source.Text))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, badValue("%v", err)
	}
	if len(m.Servers) == 0 {
		return nil, badValue("the file has no servers")
	}
	return m, nil
}

func (v *v1) doImport(ctx context.Context, in *struct{ Body NewImport }) (*result[Imported], error) {
	m, err := v.read(ctx, in.Body.ImportSource)
	if err != nil {
		return nil, problemOf(err)
	}
	if !in.Body.Settings {
		m.Settings = nil
	}
	moveTo(m.Servers, in.Body.X, in.Body.Y)
	added, err := v.mesh.Import(ctx, m.Import)
	if err != nil {
		return nil, problemOf(err)
	}
	return answer(Imported{Servers: v.view.servers(added), Notes: append([]string{}, m.Notes...)}, nil)
}

// moveTo moves servers together so that the middle of what they cover is at x, y.
func moveTo(servers []mesh.AddServer, x, y float64) {
	low, high := servers[0], servers[0]
	for _, s := range servers {
		low.X, high.X = min(low.X, s.X), max(high.X, s.X)
		low.Y, high.Y = min(low.Y, s.Y), max(high.Y, s.Y)
	}
	dx, dy := x-(low.X+high.X)/2, y-(low.Y+high.Y)/2
	for i := range servers {
		servers[i].X += dx
		servers[i].Y += dy
	}
}

type exportGet struct {
	Format exchange.Format `query:"format" enum:"meshsim,meshnet-lab,graphml,containerlab" default:"meshsim"`
}

func (v *v1) export(_ context.Context, in *exportGet) (*huma.StreamResponse, error) {
	data, err := exchange.Encode(in.Format, v.mesh.Snapshot(), meshfile.TransportOf(v.transports))
	if err != nil {
		return nil, problemOf(err)
	}
	extension, mediaType := exchange.File(in.Format)
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="mesh.%s"`, extension))
		if _, err := w.Write(data); err != nil {
			v.log.Debug("export broke off", "error", err)
		}
	}}, nil
}

func listExamples(context.Context, *nothing) (*result[[]Example], error) {
	all := meshes.All()
	list := make([]Example, len(all))
	for i, e := range all {
		list[i] = Example(e)
	}
	return answer(list, nil)
}
