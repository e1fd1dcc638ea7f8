package exchange

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"meshsim/mesh"
	"meshsim/topo"
)

// graph is what the formats have in common.
type graph struct {
	vertices []vertex
	edges    []edge
	places   map[string]int // of vertices, by id
	notes    []string
}

type vertex struct {
	id     string // in the file
	name   string // wanted
	x, y   float64
	placed bool // x and y are known
	earth  bool // they are degrees of longitude and latitude
}

// edge is a link; ab holds for what a sends.
type edge struct {
	a, b     int // places of vertices
	ab, ba   topo.Pin
	cut      bool
	directed bool // nothing is known of b to a yet
}

func newGraph() *graph { return &graph{places: make(map[string]int)} }

// vertex returns the place of the vertex with an id, which is added where it is new.
func (g *graph) vertex(id string) int {
	if at, known := g.places[id]; known {
		return at
	}
	at := len(g.vertices)
	g.places[id] = at
	g.vertices = append(g.vertices, vertex{id: id, name: id})
	return at
}

func (g *graph) note(format string, args ...any) {
	g.notes = append(g.notes, fmt.Sprintf(format, args...))
}

// graphOf is the mesh as it is linked now.
func graphOf(s *mesh.Snapshot) *graph {
	g := newGraph()
	places := make(map[int]int)
	for _, server := range s.Servers {
		if server.State == mesh.Gone {
			continue
		}
		at := g.vertex(strconv.Itoa(server.ID))
		places[server.ID] = at
		v := &g.vertices[at]
		v.name, v.x, v.y, v.placed = server.Name, server.X, server.Y, true
	}
	for _, l := range s.Graph.Links {
		g.edges = append(g.edges, edge{
			a: places[l.A], b: places[l.B], ab: topo.PinOf(l.AB), ba: topo.PinOf(l.BA), cut: s.Pins[l.Pair].Cut,
		})
	}
	return g
}

// mesh makes servers and pins of a graph that was read.
func (g *graph) mesh(ctx context.Context) (*Mesh, error) {
	if len(g.vertices) > MaxServers {
		return nil, tooMany("nodes", MaxServers)
	}
	if len(g.edges) > MaxLinks {
		return nil, tooMany("links", MaxLinks)
	}
	settings := topo.Defaults()
	settings.Neighbours = 0
	m := &Mesh{Import: mesh.Import{Settings: &settings, Pins: make(map[topo.Pair]topo.LinkPins)}}
	g.merge()
	if err := g.place(ctx); err != nil {
		return nil, err
	}
	names := g.names()
	for i, v := range g.vertices {
		m.Servers = append(m.Servers, mesh.AddServer{X: v.x, Y: v.y, Name: names[i]})
	}
	for _, e := range g.edges {
		if e.directed {
			e.ba = e.ab
		}
		pins := topo.LinkPins{AB: e.ab, BA: e.ba, Cut: e.cut, Linked: true}
		if e.a > e.b {
			pins.AB, pins.BA = pins.BA, pins.AB
		}
		if err := pins.Validate(); err != nil {
			return nil, fmt.Errorf("the link of %s and %s: %w", g.vertices[e.a].id, g.vertices[e.b].id, err)
		}
		m.Pins[topo.PairOf(e.a, e.b)] = pins
	}
	m.Notes = g.notes
	return m, nil
}

// merge makes one link of all that join the same two nodes, and drops those that join a node to itself.
func (g *graph) merge() {
	seen := make(map[topo.Pair]int)
	kept := g.edges[:0]
	var loops, doubles int
	for _, e := range g.edges {
		pair := topo.PairOf(e.a, e.b)
		at, twice := seen[pair]
		switch {
		case e.a == e.b:
			loops++
		case !twice:
			seen[pair] = len(kept)
			kept = append(kept, e)
		case kept[at].directed && e.directed && kept[at].a == e.b:
			kept[at].ba, kept[at].directed = e.ab, false
		default:
			doubles++
		}
	}
	g.edges = kept
	if loops > 0 {
		g.note("%d links from a node to itself are left out.", loops)
	}
	if doubles > 0 {
		g.note("%d further links between nodes that are linked already are left out.", doubles)
	}
}

// names returns what the servers are to be called. What is no host name becomes one, and who has the name of
// another before it gets the default one.
func (g *graph) names() []string {
	names := make([]string, len(g.vertices))
	taken := make(map[string]bool)
	changed := 0
	for i, v := range g.vertices {
		name := hostName(v.name)
		if taken[name] || mesh.ValidateName(name, i) != nil {
			name = ""
		}
		taken[name] = name != ""
		names[i] = name
		if name != v.name {
			changed++
		}
	}
	if changed > 0 {
		g.note("%d nodes get another name: server names are lower-case letters, digits and hyphens, and differ.", changed)
	}
	return names
}

// hostName makes a host name of a text, as nearly as possible.
func hostName(text string) string {
	const most = 63
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	return strings.Trim(name[:min(len(name), most)], "-")
}

// speed of light in fibre, in kilometres a second: about two thirds of that in vacuum.
const fibre = 200_000

// flight is how long light takes in fibre between two places on earth, along a great circle.
func flight(a, b vertex) time.Duration {
	const radius = 6371.0 // km
	rad := math.Pi / 180
	dLat, dLon := (b.y-a.y)*rad, (b.x-a.x)*rad
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.y*rad)*math.Cos(b.y*rad)*math.Pow(math.Sin(dLon/2), 2)
	km := 2 * radius * math.Asin(math.Min(1, math.Sqrt(h)))
	return time.Duration(km / fibre * float64(time.Second)).Round(time.Microsecond)
}
