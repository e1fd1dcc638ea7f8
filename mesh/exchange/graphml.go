package exchange

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// GraphML: http://graphml.graphdrawing.org. Properties are declared by keys; ours are name, x and y of nodes, and
// latency_ms, bandwidth_bps, jitter_pct, loss_pct and cut of edges, with back_ before those that hold from target to
// source. Of the Internet Topology Zoo, label, Longitude, Latitude and LinkSpeedRaw are understood.

const graphMLSpace = "http://graphml.graphdrawing.org/xmlns"

type graphML struct {
	XMLName xml.Name        `xml:"graphml"`
	Space   string          `xml:"xmlns,attr,omitempty"`
	Keys    upTo[graphKey]  `xml:"key"`
	Graphs  upTo[graphBody] `xml:"graph"`
}

type graphKey struct {
	ID      string `xml:"id,attr"`
	For     string `xml:"for,attr"`
	Name    string `xml:"attr.name,attr"`
	Type    string `xml:"attr.type,attr,omitempty"`
	Default string `xml:"default,omitempty"`
}

type graphBody struct {
	ID      string          `xml:"id,attr,omitempty"`
	Default string          `xml:"edgedefault,attr"`
	Nodes   upTo[graphNode] `xml:"node"`
	Edges   upTo[graphEdge] `xml:"edge"`
}

type graphNode struct {
	ID   string          `xml:"id,attr"`
	Data upTo[graphData] `xml:"data"`
}

type graphEdge struct {
	Source   string          `xml:"source,attr"`
	Target   string          `xml:"target,attr"`
	Directed string          `xml:"directed,attr,omitempty"`
	Data     upTo[graphData] `xml:"data"`
}

type graphData struct {
	Key   string `xml:"key,attr"`
	Value string `xml:",chardata"`
}

func decodeGraphML(ctx context.Context, data []byte) (*graph, error) {
	var file graphML
	tokens := &shallow{decoder: xml.NewDecoder(newPatient(ctx, data))}
	// The names of the formats that matter here are plain ASCII in every encoding that is met.
	tokens.decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	if err := xml.NewTokenDecoder(tokens).Decode(&file); err != nil {
		return nil, tokens.atLine(err)
	}
	if len(file.Graphs) != 1 {
		return nil, fmt.Errorf("there are %d graphs: one is wanted", len(file.Graphs))
	}
	g, body := newGraph(), &file.Graphs[0]
	for i := range body.Nodes {
		if err := g.graphMLNode(&file, &body.Nodes[i]); err != nil {
			return nil, err
		}
	}
	for i := range body.Edges {
		if err := g.graphMLEdge(&file, body, &body.Edges[i]); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// values are an element's properties by name, in lower case, with the defaults of those it does not give.
func (f *graphML) values(kind string, data upTo[graphData]) map[string]string {
	values := make(map[string]string)
	for _, key := range f.Keys {
		if key.For != kind && key.For != "all" {
			continue
		}
		name := strings.ToLower(key.Name)
		if key.Default != "" {
			values[name] = strings.TrimSpace(key.Default)
		}
		for _, d := range data {
			if d.Key == key.ID {
				values[name] = strings.TrimSpace(d.Value)
			}
		}
	}
	return values
}

func (g *graph) graphMLNode(file *graphML, n *graphNode) error {
	if n.ID == "" {
		return errors.New("a node has no id")
	}
	if _, twice := g.places[n.ID]; twice {
		return fmt.Errorf("node %q is there twice", n.ID)
	}
	v := &g.vertices[g.vertex(n.ID)]
	values := file.values("node", n.Data)
	for _, key := range []string{"label", "name"} {
		if values[key] != "" {
			v.name = values[key]
		}
	}
	if x, y, ok := coordinates(values["x"], values["y"]); ok {
		v.x, v.y, v.placed = x, y, true
	} else if x, y, ok := coordinates(values["longitude"], values["latitude"]); ok {
		v.x, v.y, v.placed, v.earth = x, y, true, true
	}
	return nil
}

func coordinates(x, y string) (float64, float64, bool) {
	vx, errX := strconv.ParseFloat(x, 64)
	vy, errY := strconv.ParseFloat(y, 64)
	finite := !math.IsNaN(vx+vy) && !math.IsInf(vx+vy, 0)
	return vx, vy, errX == nil && errY == nil && finite
}

func (g *graph) graphMLEdge(file *graphML, body *graphBody, x *graphEdge) error {
	a, knownA := g.places[x.Source]
	b, knownB := g.places[x.Target]
	if !knownA || !knownB {
		return fmt.Errorf("the edge from %q to %q names a node that is not there", x.Source, x.Target)
	}
	e := edge{a: a, b: b, directed: x.Directed == "true" || x.Directed == "" && body.Default == "directed"}
	var there, back []property
	for name, value := range file.values("edge", x.Data) {
		plain, isBack := strings.CutPrefix(name, "back_")
		switch {
		case name == "cut":
			e.cut = value == "true"
		case isBack:
			back = append(back, property{plain, value})
			e.directed = false
		default:
			there = append(there, property{name, value})
		}
	}
	if err := setAll(&e.ab, there); err != nil {
		return fmt.Errorf("the edge from %q to %q: %w", x.Source, x.Target, err)
	}
	if back == nil {
		back = there // the link is the same both ways
	}
	if err := setAll(&e.ba, back); err != nil {
		return fmt.Errorf("the edge from %q to %q: %w", x.Source, x.Target, err)
	}
	g.edges = append(g.edges, e)
	return nil
}

func encodeGraphML(g *graph) ([]byte, error) {
	file := graphML{Space: graphMLSpace, Keys: graphMLKeys()}
	body := graphBody{ID: "mesh", Default: "undirected"}
	for _, v := range g.vertices {
		body.Nodes = append(body.Nodes, graphNode{ID: "n" + v.id, Data: upTo[graphData]{
			{"name", v.name}, {"x", number(v.x)}, {"y", number(v.y)},
		}})
	}
	for _, e := range g.edges {
		x := graphEdge{Source: "n" + g.vertices[e.a].id, Target: "n" + g.vertices[e.b].id}
		for _, p := range properties(e.ab) {
			x.Data = append(x.Data, graphData{p.name, p.value})
		}
		for _, p := range properties(e.ba) {
			x.Data = append(x.Data, graphData{"back_" + p.name, p.value})
		}
		if e.cut {
			x.Data = append(x.Data, graphData{"cut", "true"})
		}
		body.Edges = append(body.Edges, x)
	}
	file.Graphs = upTo[graphBody]{body}
	out, err := xml.MarshalIndent(file, "", "  ")
	return append(append([]byte(xml.Header), out...), '\n'), err
}

// graphMLKeys declares what is written; the ids are the names.
func graphMLKeys() upTo[graphKey] {
	keys := upTo[graphKey]{
		{ID: "name", For: "node", Name: "name", Type: "string"},
		{ID: "x", For: "node", Name: "x", Type: "double"},
		{ID: "y", For: "node", Name: "y", Type: "double"},
	}
	for _, way := range []string{"", "back_"} {
		for _, p := range []property{{"latency_ms", "double"}, {"bandwidth_bps", "string"}, {"jitter_pct", "double"}, {"loss_pct", "double"}} {
			keys = append(keys, graphKey{ID: way + p.name, For: "edge", Name: way + p.name, Type: p.value})
		}
	}
	return append(keys, graphKey{ID: "cut", For: "edge", Name: "cut", Type: "boolean"})
}
