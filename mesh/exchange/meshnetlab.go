package exchange

import (
	"bytes"
	"context"
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

func decodeMeshnetLab(ctx context.Context, data []byte) (*graph, error) {
	var file struct {
		Nodes json.RawMessage `json:"nodes"`
		Links json.RawMessage `json:"links"`
	}
	decoder := json.NewDecoder(newPatient(ctx, data))
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
	if err := forEach(ctx, "nodes", file.Nodes, MaxServers, g.meshnetNode); err != nil {
		return nil, err
	}
	if err := forEach(ctx, "links", file.Links, MaxLinks, g.meshnetLink); err != nil {
		return nil, err
	}
	return g, nil
}

// forEach takes the objects of a list, of which there may be most, one after the other. An absent list is an empty one.
func forEach(ctx context.Context, name string, list json.RawMessage, most int, take func(map[string]json.RawMessage) error) error {
	decoder := json.NewDecoder(newPatient(ctx, list))
	switch start, err := decoder.Token(); {
	case errors.Is(err, io.EOF), err == nil && start == nil:
		return nil
	case start != json.Delim('['):
		return fmt.Errorf("%s must be a list of objects", name)
	}
	for i := 0; decoder.More(); i++ {
		if i == most {
			return tooMany(name, most)
		}
		var element json.RawMessage
		if err := decoder.Decode(&element); err != nil {
			return err
		}
		if len(element) > maxElement {
			return fmt.Errorf("%s[%d] has %d bytes: at most %d are read", name, i, len(element), maxElement)
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(element, &fields) != nil || fields == nil {
			return fmt.Errorf("%s[%d] must be an object", name, i)
		}
		if err := take(fields); err != nil {
			return fmt.Errorf("%s[%d]: %w", name, i, err)
		}
	}
	return nil
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
	} else if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errors.New(`the file must be an object with the lists "nodes" and "links"`)
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
