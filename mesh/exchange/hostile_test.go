package exchange

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"meshsim/mesh/meshfile"
)

// A node with many links was thrown further with every step, until its place was infinite and the stack overflowed.
func TestAFullMeshIsArranged(t *testing.T) {
	const servers = 100
	var links []string
	for a := range servers {
		for b := range a {
			links = append(links, fmt.Sprintf(`{"source": %d, "target": %d}`, a, b))
		}
	}
	m, err := Decode(t.Context(), MeshnetLab, fmt.Appendf(nil, `{"links": [%s]}`, strings.Join(links, ",")))
	if err != nil {
		t.Fatal(err)
	}
	places := make(map[[2]float64]bool)
	for _, s := range m.Servers {
		places[[2]float64{s.X, s.Y}] = true
		if s.X < -1e5 || s.X > 1e5 || s.Y < -1e5 || s.Y > 1e5 {
			t.Errorf("%s is at %g, %g", s.Name, s.X, s.Y)
		}
	}
	if len(places) < servers*9/10 {
		t.Errorf("%d servers are at %d places", servers, len(places))
	}
}

// What takes a decoder quadratic time is refused before.
func TestFilesThatWouldTakeMinutesAreRefused(t *testing.T) {
	repeated := func(format string, count int) string {
		var text strings.Builder
		for i := range count {
			fmt.Fprintf(&text, format, i)
		}
		return text.String()
	}
	for name, test := range map[string]struct {
		file, want string
	}{
		"keys of containerlab": {"topology:\n  nodes:\n    a: {}\n" + repeated("  k%d:\n", 20_001), "far more keys"},
		"keys of a mesh file":  {"seed: 1\n" + repeated("k%d: 1\n", 20_001), "far more keys"},
		"aliases of mappings": {
			"topology:\n  nodes:\n    a: {}\nx: &x\n" + repeated("  k%d:\n", 5000) + "y:\n" + repeated("  - *x # %d\n", 20), "far more keys",
		},
		"values of YAML":        {"servers: [" + strings.Repeat("0,", maxValues) + "]", "far more values"},
		"nodes of JSON":         {`{"nodes": [` + repeated(`{"id": %d},`, MaxServers+1) + "{}]}", "more than 10000 nodes"},
		"properties of GraphML": {"<graphml><graph><node>" + strings.Repeat("<data/>", maxProperties+1), "properties of one element"},
		"depth of GraphML":      {strings.Repeat("<graphml>", maxDepth+1), "more than 100 elements"},
		"keys of GraphML":       {"<graphml>" + repeated(`<key id="%d" for="all"/>`, 257) + "<graph/></graphml>", "more than 256 keys"},
		"nodes of GraphML":      {"<graphml><graph>" + repeated(`<node id="%d"/>`, MaxServers+1) + "</graph></graphml>", "more than 10000 nodes"},
		"edges of GraphML":      {"<graphml><graph>" + repeated(`<edge id="%d"/>`, MaxLinks+1) + "</graph></graphml>", "more than 200000 edges"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(t.Context(), "", []byte(test.file)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v: it must say %q", err, test.want)
			}
		})
	}
}

// impatient is a context that ends when it is looked at for the n-th time.
type impatient struct {
	context.Context
	left int
}

func (c *impatient) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// Reading ends wherever it is when its context does.
func TestReadingCanBeCancelled(t *testing.T) {
	for _, f := range Formats() {
		data, err := Encode(f, sample(), meshfile.Transport{})
		if err != nil {
			t.Fatal(err)
		}
		looked := 0
		for ; ; looked++ {
			m, err := Decode(&impatient{t.Context(), looked}, f, data)
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) || m != nil {
				t.Fatalf("%s, after %d looks: %v", f, looked, err)
			}
		}
		if looked == 0 {
			t.Errorf("%s: nothing looks at the context", f)
		}
	}
	// Arranging thousands of nodes takes longest.
	file := []byte(`{"links": [{"source": "a", "target": "b"}, {"source": "b", "target": "c"}]}`)
	const rounds = 400
	if _, err := Decode(&impatient{t.Context(), rounds}, MeshnetLab, file); !errors.Is(err, context.Canceled) {
		t.Errorf("while nodes are arranged: %v", err)
	}
}

// Labels other than where a node stands are not unfolded.
func TestLabelsOfContainerlab(t *testing.T) {
	m, err := Decode(t.Context(), "", []byte("topology:\n  nodes:\n    a: {labels: {graph-posX: 300, graph-posY: '-20', z: [1, {b: c}], role: x}}\n    b: {labels: {graph-posX: 0, graph-posY: 0}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a := m.Servers[0]; a.X != 150 || a.Y != -10 {
		t.Errorf("a is at %g, %g: it must be half of its distance from the middle", a.X, a.Y)
	}
}
