package exchange

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshsim/gateway"
	"meshsim/link"
	"meshsim/mesh"
	"meshsim/mesh/meshfile"
	"meshsim/topo"
)

// sample is a mesh of three servers, of which one link differs by direction and one is cut.
func sample() *mesh.Snapshot {
	params := func(ms int, rate link.BitRate) link.Params {
		return link.Params{Delay: time.Duration(ms) * time.Millisecond, Rate: rate}
	}
	back := params(40, 9600)
	back.Loss, back.Jitter = 0.025, 4*time.Millisecond
	cut := topo.Pair{A: 1, B: 3}
	return &mesh.Snapshot{
		Settings: topo.Defaults(),
		Servers: []mesh.Server{
			{ID: 0, Name: "hs0", X: -100, Y: 50, State: mesh.Running},
			{ID: 1, Name: "alice", X: 100, Y: -50, State: mesh.Running},
			{ID: 2, Name: "gone", State: mesh.Gone},
			{ID: 3, Name: "carol", X: 0, Y: 50, State: mesh.Running},
		},
		Pins: map[topo.Pair]topo.LinkPins{cut: {Cut: true}},
		Graph: &topo.Graph{Links: []topo.Link{
			{Pair: topo.Pair{A: 0, B: 1}, AB: params(20, 250_000), BA: back},
			{Pair: cut, AB: params(7, link.Unlimited), BA: params(7, link.Unlimited)},
		}},
	}
}

func TestOtherFormatsRoundTrip(t *testing.T) {
	for _, f := range []Format{MeshnetLab, GraphML, Containerlab} {
		t.Run(string(f), func(t *testing.T) {
			data, err := Encode(f, sample(), meshfile.Transport{})
			if err != nil {
				t.Fatal(err)
			}
			if got := Detect(data); got != f {
				t.Errorf("detected as %s", got)
			}
			m, err := Decode(t.Context(), "", data)
			if err != nil {
				t.Fatalf("%v\n%s", err, data)
			}
			checkSample(t, m)
		})
	}
}

// checkSample compares by names: containerlab has no order of nodes.
func checkSample(t *testing.T, m *Mesh) {
	t.Helper()
	names := make([]string, len(m.Servers))
	places := make(map[string][2]float64)
	for i, s := range m.Servers {
		names[i] = s.Name
		if s.Name == "" {
			t.Errorf("server %d has lost its name", i)
		}
		places[s.Name] = [2]float64{s.X, s.Y}
	}
	want := map[string][2]float64{"hs0": {-100, 50}, "alice": {100, -50}, "carol": {0, 50}}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Error(diff)
	}
	got := make(map[string]string)
	for pair, pins := range m.Pins {
		got[names[pair.A]+" "+names[pair.B]] = describe(pins.AB) + " / " + describe(pins.BA) + fmt.Sprint(" ", pins.Cut, pins.Linked)
		if pins.AB != pins.BA {
			got[names[pair.B]+" "+names[pair.A]] = describe(pins.BA) + " / " + describe(pins.AB) + fmt.Sprint(" ", pins.Cut, pins.Linked)
		}
	}
	one := "20ms 250kbit 0 % 0 % / 40ms 9.6kbit 10 % 2.5 % false true"
	if got["hs0 alice"] != one {
		t.Errorf("hs0 to alice is %q, want %q", got["hs0 alice"], one)
	}
	two := "7ms unlimited 0 % 0 % / 7ms unlimited 0 % 0 % true true"
	if got["alice carol"] != two && got["carol alice"] != two {
		t.Errorf("alice to carol is %v, want %q", got, two)
	}
	if m.Settings.Neighbours != 0 {
		t.Errorf("other links come up: %d neighbours", m.Settings.Neighbours)
	}
}

func describe(p topo.Pin) string {
	zero := topo.Percent(0)
	jitter, loss := p.Jitter, p.Loss
	if jitter == nil {
		jitter = &zero
	}
	if loss == nil {
		loss = &zero
	}
	return fmt.Sprintf("%v %v %v %v", *p.Latency, *p.Bandwidth, *jitter, *loss)
}

func TestMeshFileRoundTrips(t *testing.T) {
	s := sample()
	data, err := Encode(MeshFile, s, meshfile.Transport{Choice: gateway.Automatic})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(t.Context(), "", data)
	if err != nil {
		t.Fatal(err)
	}
	want := []mesh.AddServer{{Name: "hs0", X: -100, Y: 50}, {Name: "alice", X: 100, Y: -50}, {Name: "carol", Y: 50}}
	if diff := cmp.Diff(want, m.Servers); diff != "" {
		t.Error(diff)
	}
	if pins := m.Pins[topo.Pair{A: 1, B: 2}]; !pins.Cut || *m.Settings != s.Settings {
		t.Errorf("pins %v, settings %+v", m.Pins, m.Settings)
	}
	if len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "talk to each other") {
		t.Errorf("that the transport is not taken over is not said: %q", m.Notes)
	}
}

func TestMeshnetLabWithoutNodes(t *testing.T) {
	m, err := Decode(t.Context(), MeshnetLab, []byte(`{"links": [
		{"source": "a", "target": "b", "rate": "100mbit", "source_latency": 2, "target_latency": 10, "tq": 255},
		{"source": "b", "target": 3, "loss": "20%", "latency": "0.1s", "jitter": 50},
		{"source": 3, "target": 3}, {"source": "a", "target": "b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Servers) != 3 || len(m.Pins) != 2 || len(m.Notes) != 2 {
		t.Fatalf("%+v", m)
	}
	ab := m.Pins[topo.Pair{A: 0, B: 1}]
	if *ab.AB.Latency != 2*time.Millisecond || *ab.BA.Latency != 10*time.Millisecond || *ab.AB.Bandwidth != 100_000_000 {
		t.Errorf("a to b: %s, back %s", describe(ab.AB), describe(ab.BA))
	}
	bc := m.Pins[topo.Pair{A: 1, B: 2}]
	if *bc.AB.Latency != 100*time.Millisecond || *bc.AB.Jitter != 50 || *bc.BA.Loss != 20 {
		t.Errorf("b to 3: %+v", bc)
	}
	apart(t, m)
}

// apart checks that nodes without places do not lie upon each other.
func apart(t *testing.T, m *Mesh) {
	t.Helper()
	for i, a := range m.Servers {
		for _, b := range m.Servers[:i] {
			if math.Hypot(a.X-b.X, a.Y-b.Y) < 20 {
				t.Errorf("%s at (%v, %v) and %s at (%v, %v)", a.Name, a.X, a.Y, b.Name, b.X, b.Y)
			}
		}
	}
}

// zoo is in the form of the Internet Topology Zoo's files.
const zoo = `<?xml version="1.0" encoding="utf-8"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="Latitude" attr.type="double" for="node" id="d29" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d32" />
  <key attr.name="label" attr.type="string" for="node" id="d33" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d38" />
  <graph edgedefault="undirected">
    <node id="0"><data key="d29">52.5200</data><data key="d32">13.4050</data><data key="d33">Berlin</data></node>
    <node id="1"><data key="d29">48.1351</data><data key="d32">11.5820</data><data key="d33">München</data></node>
    <node id="2"><data key="d29">53.5511</data><data key="d32">9.9937</data><data key="d33">Berlin</data></node>
    <edge source="0" target="1"><data key="d38">10000000000.0</data></edge>
    <edge source="0" target="2" />
  </graph>
</graphml>`

func TestTopologyZoo(t *testing.T) {
	m, err := Decode(t.Context(), "", []byte(zoo))
	if err != nil {
		t.Fatal(err)
	}
	if m.Servers[0].Name != "berlin" || m.Servers[1].Name != "m-nchen" || m.Servers[2].Name != "" {
		t.Errorf("servers: %+v", m.Servers)
	}
	if berlin, munich := m.Servers[0], m.Servers[1]; munich.Y <= berlin.Y || munich.X >= berlin.X {
		t.Errorf("Munich is south and west of Berlin: %+v %+v", berlin, munich)
	}
	// About 504 km apart.
	pin := m.Pins[topo.Pair{A: 0, B: 1}].BA
	if got := *pin.Latency; got < 2500*time.Microsecond || got > 2540*time.Microsecond {
		t.Errorf("Berlin to Munich takes %v", got)
	}
	if *pin.Bandwidth != 10_000_000_000 {
		t.Errorf("bandwidth %v", *pin.Bandwidth)
	}
	apart(t, m)
}

func TestDirectedEdgesBecomeTheDirectionsOfALink(t *testing.T) {
	m, err := Decode(t.Context(), GraphML, []byte(`<graphml><key id="l" for="edge" attr.name="latency"><default>9</default></key>
		<graph edgedefault="directed"><node id="b"/><node id="a"/>
		<edge source="a" target="b"><data key="l">3</data></edge><edge source="b" target="a"/></graph></graphml>`))
	if err != nil {
		t.Fatal(err)
	}
	pins := m.Pins[topo.Pair{A: 0, B: 1}]
	if *pins.BA.Latency != 3*time.Millisecond || *pins.AB.Latency != 9*time.Millisecond {
		t.Errorf("a to b %v, b to a %v", *pins.BA.Latency, *pins.AB.Latency)
	}
}

func TestContainerlab(t *testing.T) {
	m, err := Decode(t.Context(), "", []byte(`
name: lab
topology:
  kinds: {linux: {image: alpine}}
  nodes:
    r1: {kind: linux}
    r2:
    SPINE_1: {kind: srl, labels: {graph-posX: "10", graph-posY: "20"}}
  links:
    - endpoints: ["r1:eth1", "SPINE_1:e1-1"]
      vars: {delay: 20ms, rate: 1mbit}
    - type: veth
      endpoints: [{node: r2, interface: eth1}, {node: r1, interface: eth2}]
    - endpoints: ["r1:eth9", "host:veth0"]
    - type: mgmt-net
      endpoint: {node: r1, interface: eth8}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Servers) != 3 || len(m.Pins) != 2 || m.Servers[2].Name != "spine-1" {
		t.Fatalf("%+v", m)
	}
	if pins := m.Pins[topo.Pair{A: 0, B: 2}]; *pins.BA.Latency != 20*time.Millisecond || *pins.AB.Bandwidth != 1_000_000 {
		t.Errorf("pins: %+v", pins)
	}
	if notes := strings.Join(m.Notes, " "); !strings.Contains(notes, "2 links to the host") || !strings.Contains(notes, "1 nodes get another name") {
		t.Errorf("notes: %s", notes)
	}
	apart(t, m)
}

func TestErrorsSayWhere(t *testing.T) {
	for _, c := range []struct {
		format Format
		data   string
		says   string
	}{
		{"dot", "graph {}", `format is "dot"`},
		{MeshnetLab, "{\n\"links\": [\n{]}", "line 3"},
		{MeshnetLab, `{}`, "neither"},
		{MeshnetLab, `{"links": 5}`, "links must be a list"},
		{MeshnetLab, `{"links": [5]}`, "links[0] must be an object"},
		{MeshnetLab, `[]`, "must be an object with the lists"},
		{MeshnetLab, `{"nodes": [{"id": "` + strings.Repeat("a", maxElement) + `"}]}`, "nodes[0] has 65546 bytes"},
		{MeshnetLab, `{"links": [{"source": "a"}]}`, "links[0]: target"},
		{MeshnetLab, `{"links": [{"source": "a", "target": {}}]}`, "target"},
		{MeshnetLab, `{"links": [{"source": "a", "target": "b", "latency": "soon"}]}`, `latency is "soon"`},
		{MeshnetLab, `{"links": [{"source": "a", "target": "b", "latency": -1}]}`, "0 to 24 hours"},
		{MeshnetLab, `{"links": [{"source": "a", "target": "b", "loss": 101}]}`, "the link of a and b: packet_loss"},
		{MeshnetLab, `{"links": [{"source": "a", "target": "b", "rate": 1e30}]}`, "rate is"},
		{MeshnetLab, `{"links": [{"source": "a", "target": "b", "jitter": 5}]}`, "needs a latency"},
		{MeshnetLab, `{"nodes": [{"id": 1}, {"id": "1"}]}`, "used twice"},
		{MeshnetLab, `{"links": []} []`, "after the end"},
		{MeshnetLab, `{"links": [`, "ends in the middle"},
		{GraphML, "<graphml>\n<graph>", "line 2: unexpected EOF"},
		{GraphML, "<graphml>\n\n<graph></node>", "line 3: element <graph> closed by </node>"},
		{GraphML, "<graphml><graph/><graph/></graphml>", "more than 1 graphs"},
		{GraphML, "<html></html>", "graphml"},
		{GraphML, "<graphml></graphml>", "0 graphs"},
		{GraphML, `<graphml><graph><node id="a"/><edge source="a" target="b"/></graph></graphml>`, `"a" to "b"`},
		{GraphML, `<graphml><graph><node/></graph></graphml>`, "no id"},
		{Containerlab, "", "empty"},
		{Containerlab, "topology: {}", "no nodes"},
		{Containerlab, "topology: 5", "line 1"},
		{Containerlab, "topology: {nodes: {a: }, links: [{endpoints: [a, b]}]}", `endpoint "a"`},
		{Containerlab, "topology: {nodes: {a: }, links: [{endpoints: ['a:1', 'b:1']}]}", `no node "b"`},
		{MeshFile, "servers: 5", "meshsim: line 1"},
		{"", "hello", "this is no mesh file (line 1: "},
	} {
		m, err := Decode(t.Context(), c.format, []byte(c.data))
		if err == nil {
			t.Errorf("%s %q: read as %+v", c.format, c.data, m)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %q: %q, want %q in it", c.format, c.data, err, c.says)
		}
	}
}

func TestTooManyServersAreRefused(t *testing.T) {
	var file strings.Builder
	file.WriteString(`{"links": [{"source": 0, "target": 0}`)
	for i := range MaxServers {
		fmt.Fprintf(&file, `,{"source": %d, "target": %d}`, i, i+1)
	}
	file.WriteString("]}")
	if _, err := Decode(t.Context(), MeshnetLab, []byte(file.String())); err == nil || !strings.Contains(err.Error(), "at most 10000") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, format := range []Format{MeshFile, MeshnetLab, GraphML, Containerlab} {
		data, err := Encode(format, sample(), meshfile.Transport{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(zoo))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(t.Context(), "", data)
		if err != nil {
			return
		}
		for _, s := range m.Servers {
			if m.Format != MeshFile && topo.ValidatePosition(s.X, s.Y) != nil {
				t.Errorf("server %+v is nowhere", s)
			}
		}
	})
}

func BenchmarkArrange(b *testing.B) {
	for _, n := range []int{100, 1000, MaxServers} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				g := newGraph()
				for i := range n {
					g.vertex(fmt.Sprint(i))
					g.edges = append(g.edges, edge{a: i, b: i / 2})
				}
				g.edges = g.edges[1:]
				g.arrange(b.Context())
			}
		})
	}
}
