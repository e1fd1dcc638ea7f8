package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A containerlab topology has nodes by name and links with two endpoints each, "node:interface" or a mapping with
// node and interface. Where nodes stand is in the labels that its graphical editors use. What a link is like is
// nothing that the format says: it is written to, and read from, the link's own variables.

const (
	labelX = "graph-posX"
	labelY = "graph-posY"
)

type clab struct {
	Name     string       `yaml:"name"`
	Topology clabTopology `yaml:"topology"`
}

type clabTopology struct {
	Nodes clabNodes  `yaml:"nodes"`
	Links []clabLink `yaml:"links,omitempty"`
}

// clabNodes are the nodes in the order of the file, which is that of the servers' ids.
type clabNodes []clabNode

type clabNode struct {
	name   string
	Kind   string               `yaml:"kind,omitempty"`
	Image  string               `yaml:"image,omitempty"`
	Labels map[string]clabLabel `yaml:"labels,omitempty"`
}

// clabLabel is a label's text; of lists and mappings nothing is kept, whatever their aliases would unfold to.
type clabLabel string

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *clabLabel) UnmarshalYAML(n *yaml.Node) error {
	*l = clabLabel(n.Value)
	return nil
}

type clabLink struct {
	Endpoints []clabEndpoint `yaml:"endpoints,flow"`
	Vars      map[string]any `yaml:"vars,omitempty"`
}

// UnmarshalYAML keeps the order of a mapping.
func (nodes *clabNodes) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: topology.nodes must be a mapping of names to nodes", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		node := clabNode{name: n.Content[i].Value}
		if err := n.Content[i+1].Decode(&node); err != nil {
			return err
		}
		*nodes = append(*nodes, node)
	}
	return nil
}

// MarshalYAML writes a mapping in the order given.
func (nodes clabNodes) MarshalYAML() (any, error) {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for _, node := range nodes {
		key, value := new(yaml.Node), new(yaml.Node)
		key.SetString(node.name)
		if err := value.Encode(node); err != nil {
			return nil, err
		}
		mapping.Content = append(mapping.Content, key, value)
	}
	return mapping, nil
}

// clabEndpoint is the node of an endpoint, with its interface for writing.
type clabEndpoint struct{ node, port string }

// UnmarshalYAML reads either form of an endpoint.
func (e *clabEndpoint) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		node, port, ok := strings.Cut(n.Value, ":")
		if !ok || node == "" {
			return fmt.Errorf("line %d: endpoint %q must be a node and an interface, e.g. n1:eth1", n.Line, n.Value)
		}
		*e = clabEndpoint{node, port}
		return nil
	}
	var long struct {
		Node      string `yaml:"node"`
		Interface string `yaml:"interface"`
	}
	if err := n.Decode(&long); err != nil || long.Node == "" {
		return fmt.Errorf("line %d: an endpoint must name a node and an interface", n.Line)
	}
	*e = clabEndpoint{long.Node, long.Interface}
	return nil
}

// MarshalYAML writes the short form.
func (e clabEndpoint) MarshalYAML() (any, error) { return e.node + ":" + e.port, nil }

func decodeContainerlab(ctx context.Context, data []byte) (*graph, error) {
	var file clab
	decoder := yaml.NewDecoder(newPatient(ctx, data))
	if err := decoder.Decode(&file); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(file.Topology.Nodes) == 0 {
		return nil, errors.New("topology.nodes has no nodes")
	}
	g := newGraph()
	for i := range file.Topology.Nodes {
		if err := g.clabNode(&file.Topology.Nodes[i]); err != nil {
			return nil, err
		}
	}
	outside := 0
	for i, l := range file.Topology.Links {
		inside, err := g.clabLink(l)
		if err != nil {
			return nil, fmt.Errorf("topology.links[%d]: %w", i, err)
		}
		if !inside {
			outside++
		}
	}
	if outside > 0 {
		g.note("%d links to the host or to other networks are left out.", outside)
	}
	g.note("Kinds and images of the nodes are left out: every node becomes a homeserver.")
	return g, nil
}

func (g *graph) clabNode(n *clabNode) error {
	if _, twice := g.places[n.name]; twice {
		return fmt.Errorf("node %q is there twice", n.name)
	}
	v := &g.vertices[g.vertex(n.name)]
	x, y, ok := coordinates(string(n.Labels[labelX]), string(n.Labels[labelY]))
	if ok {
		v.x, v.y, v.placed = x, y, true
	}
	return nil
}

// clabLink says whether a link joins two nodes of the topology.
func (g *graph) clabLink(l clabLink) (inside bool, err error) {
	if len(l.Endpoints) != 2 {
		return false, nil // mgmt-net, macvlan, host and dummy links have one
	}
	var ends [2]int
	for i, e := range l.Endpoints {
		switch e.node {
		case "host", "mgmt-net", "macvlan":
			return false, nil
		}
		at, known := g.places[e.node]
		if !known {
			return false, fmt.Errorf("there is no node %q", e.node)
		}
		ends[i] = at
	}
	e := edge{a: ends[0], b: ends[1]}
	var there, back []property
	for name, value := range l.Vars {
		plain, isBack := strings.CutPrefix(name, "back_")
		p := property{plain, fmt.Sprint(value)}
		switch {
		case name == "cut":
			e.cut = value == true
		case isBack:
			back = append(back, p)
		default:
			there = append(there, p)
		}
	}
	if err := setAll(&e.ab, there); err != nil {
		return false, err
	}
	if back == nil {
		back = there // the link is the same both ways
	}
	if err := setAll(&e.ba, back); err != nil {
		return false, err
	}
	g.edges = append(g.edges, e)
	return true, nil
}

func encodeContainerlab(g *graph) ([]byte, error) {
	file := clab{Name: "meshsim", Topology: clabTopology{}}
	ports := make([]int, len(g.vertices))
	for _, v := range g.vertices {
		file.Topology.Nodes = append(file.Topology.Nodes, clabNode{
			name: v.name, Kind: "linux", Image: "alpine:latest",
			Labels: map[string]clabLabel{labelX: clabLabel(number(v.x)), labelY: clabLabel(number(v.y))},
		})
	}
	endpoint := func(at int) clabEndpoint {
		ports[at]++
		return clabEndpoint{g.vertices[at].name, "eth" + strconv.Itoa(ports[at])}
	}
	for _, e := range g.edges {
		l := clabLink{Endpoints: []clabEndpoint{endpoint(e.a), endpoint(e.b)}, Vars: make(map[string]any)}
		for _, p := range properties(e.ab) {
			l.Vars[p.name] = p.value
		}
		for _, p := range properties(e.ba) {
			l.Vars["back_"+p.name] = p.value
		}
		if e.cut {
			l.Vars["cut"] = true
		}
		file.Topology.Links = append(file.Topology.Links, l)
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(file); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
