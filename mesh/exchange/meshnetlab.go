package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A meshnet-lab file is {"nodes": [{"id": …}], "links": [{"source": …, "target": …, …}]}; nodes may be left out. Ids
// are texts or numbers. Further fields of a link are variables for the user's own commands: those that name latency,
// rate, jitter and loss are taken over. With source_ or target_ before them they hold at that end of the link, for
// what leaves there.

func decodeMeshnetLab(data []byte) (*graph, error) {
	var file struct {
		Nodes []map[string]json.RawMessage `json:"nodes"`
		Links []map[string]json.RawMessage `json:"links"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&file); err != nil {
		return nil, atLine(data, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the end of the object")
	}
	if file.Nodes == nil && file.Links == nil {
		return nil, errors.New(`there are neither "nodes" nor "links": the file must be an object with a list of links`)
	}
	g := newGraph()
	for i, fields := range file.Nodes {
		if err := g.meshnetNode(fields); err != nil {
			return nil, fmt.Errorf("nodes[%d]: %w", i, err)
		}
	}
	for i, fields := range file.Links {
		if err := g.meshnetLink(fields); err != nil {
			return nil, fmt.Errorf("links[%d]: %w", i, err)
		}
	}
	return g, nil
}

func (g *graph) meshnetNode(fields map[string]json.RawMessage) error {
	id, err := identifier(fields, "id")
	if err != nil {
		return err
	}
	if _, twice := g.places[id]; twice {
		return fmt.Errorf("id %q is used twice", id)
	}
	v := &g.vertices[g.vertex(id)]
	if name, there := text(fields["name"]); there {
		v.name = name
	}
	var x, y float64
	if json.Unmarshal(fields["x"], &x) == nil && json.Unmarshal(fields["y"], &y) == nil {
		v.x, v.y, v.placed = x, y, true
	}
	return nil
}

func (g *graph) meshnetLink(fields map[string]json.RawMessage) error {
	var ends [2]int
	for i, end := range []string{"source", "target"} {
		id, err := identifier(fields, end)
		if err != nil {
			return err
		}
		ends[i] = g.vertex(id)
	}
	var ab, ba []property
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value, scalar := text(fields[key])
		if !scalar {
			continue
		}
		name, source := strings.CutPrefix(key, "source_")
		name, target := strings.CutPrefix(name, "target_")
		if !target {
			ab = append(ab, property{name, value})
		}
		if !source {
			ba = append(ba, property{name, value})
		}
	}
	e := edge{a: ends[0], b: ends[1]}
	if err := setAll(&e.ab, ab); err != nil {
		return err
	}
	if err := setAll(&e.ba, ba); err != nil {
		return err
	}
	e.cut = string(fields["cut"]) == "true"
	g.edges = append(g.edges, e)
	return nil
}

// identifier reads a node's id, which may be a text or a number.
func identifier(fields map[string]json.RawMessage, key string) (string, error) {
	id, ok := text(fields[key])
	if !ok || id == "" {
		return "", fmt.Errorf("%s must be the name or number of a node", key)
	}
	return id, nil
}

// text returns a scalar as it is written, without quotes.
func text(value json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(value, &s) == nil && len(value) > 0 && value[0] == '"' {
		return s, true
	}
	var n json.Number
	if json.Unmarshal(value, &n) == nil && n != "" {
		return n.String(), true
	}
	return "", false
}

// atLine says in which line of a JSON text an error is.
func atLine(data []byte, err error) error {
	var offset int64
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	} else if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = kind.Offset
		err = fmt.Errorf("%s is a %s: lists of objects belong here", kind.Field, kind.Value)
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends in the middle of the object")
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(offset), len(data))], []byte("\n")), err)
}

func encodeMeshnetLab(g *graph) ([]byte, error) {
	type node struct {
		ID   string  `json:"id"`
		Name string  `json:"name"`
		X    float64 `json:"x"`
		Y    float64 `json:"y"`
	}
	nodes := []node{}
	for _, v := range g.vertices {
		nodes = append(nodes, node{v.id, v.name, v.x, v.y})
	}
	links := []map[string]any{}
	for _, e := range g.edges {
		l := map[string]any{"source": g.vertices[e.a].id, "target": g.vertices[e.b].id}
		for _, p := range properties(e.ab) {
			l["source_"+p.name] = json.RawMessage(jsonValue(p.value))
		}
		for _, p := range properties(e.ba) {
			l["target_"+p.name] = json.RawMessage(jsonValue(p.value))
		}
		if e.cut {
			l["cut"] = true
		}
		links = append(links, l)
	}
	out, err := json.MarshalIndent(map[string]any{"nodes": nodes, "links": links}, "", "  ")
	return append(out, '\n'), err
}

// jsonValue writes a number as one and anything else in quotes.
func jsonValue(value string) string {
	if value == "unlimited" {
		return `"unlimited"`
	}
	return value
}
