package exchange

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/graph/layout"
	"gonum.org/v1/gonum/graph/simple"

	"meshsim/topo"
)

const (
	typicalLink = 160 // pixels: what a middling link is drawn with
	crampedLink = 12  // pixels: below it a drawing of somebody else's is in other units
)

// place gives every vertex a place on the canvas, in pixels, and links of a map their latency.
// It fails with ctx only.
func (g *graph) place(ctx context.Context) error {
	placed := 0
	for _, v := range g.vertices {
		if v.placed {
			placed++
		}
	}
	switch {
	case len(g.vertices) == 0:
	case placed < len(g.vertices):
		if placed > 0 {
			g.note("%d of %d nodes have no place in the file: all are arranged anew.", len(g.vertices)-placed, len(g.vertices))
		}
		g.arrange(ctx)
	case g.vertices[0].earth:
		g.fly()
		g.project()
	default:
		g.fit(crampedLink)
	}
	g.centre()
	return ctx.Err()
}

// fly gives links that have no latency that of light in fibre.
func (g *graph) fly() {
	for i := range g.edges {
		e := &g.edges[i]
		latency := flight(g.vertices[e.a], g.vertices[e.b])
		for _, pin := range []*topo.Pin{&e.ab, &e.ba} {
			if pin.Latency == nil {
				pin.Latency = &latency
			}
		}
	}
	g.note("Latencies that the file does not give are those of light in fibre over the distance.")
}

// project draws a map: longitudes to the right, latitudes upwards, true in the middle.
func (g *graph) project() {
	middle := 0.0
	for _, v := range g.vertices {
		middle += v.y / float64(len(g.vertices))
	}
	squeeze := math.Max(0.1, math.Cos(middle*math.Pi/180))
	for i := range g.vertices {
		v := &g.vertices[i]
		v.x, v.y = v.x*squeeze, -v.y
	}
	g.fit(math.Inf(1))
}

// fit scales a drawing whose middling link is shorter than cramped pixels so that it is as long as is usual.
func (g *graph) fit(cramped float64) {
	var lengths []float64
	low, high := math.Inf(1), math.Inf(-1)
	for _, e := range g.edges {
		a, b := g.vertices[e.a], g.vertices[e.b]
		if length := math.Hypot(a.x-b.x, a.y-b.y); length > 0 {
			lengths = append(lengths, length)
		}
	}
	if len(lengths) == 0 {
		return
	}
	slices.Sort(lengths)
	middling := lengths[len(lengths)/2]
	if middling >= cramped {
		return
	}
	for _, v := range g.vertices {
		low, high = min(low, v.x, v.y), max(high, v.x, v.y)
	}
	widest := 6 * typicalLink * math.Sqrt(float64(len(g.vertices)))
	g.scale(min(typicalLink/middling, widest/(high-low)))
}

func (g *graph) scale(by float64) {
	for i := range g.vertices {
		g.vertices[i].x *= by
		g.vertices[i].y *= by
	}
}

// arrange finds places by forces between the nodes. The same graph gets the same places, unless ctx ends before.
func (g *graph) arrange(ctx context.Context) {
	drawing := simple.NewUndirectedGraph()
	for i := range g.vertices {
		drawing.AddNode(simple.Node(i))
	}
	for _, e := range g.edges {
		drawing.SetEdge(simple.Edge{F: simple.Node(e.a), T: simple.Node(e.b)})
	}
	// The more links a node has, the smaller the steps that do not throw it further each time.
	const smallest = 1e-6
	for rate := 0.05; !g.follow(ctx, drawing, rate) && rate > smallest; rate /= 4 {
	}
	g.fit(math.Inf(1))
}

// follow moves the nodes by steps of a rate; false when they flew apart. It stops when ctx ends.
func (g *graph) follow(ctx context.Context, drawing *simple.UndirectedGraph, rate float64) bool {
	// Barnes and Hut: n log n a round, so that thousands of nodes are arranged within seconds.
	forces := layout.EadesR2{Repulsion: 1, Rate: rate, Updates: rounds(len(g.vertices)), Theta: 0.3, Src: rand.NewPCG(1, 1)}
	result := layout.NewOptimizerR2(drawing, forces.Update)
	for ctx.Err() == nil && result.Update() {
		// The next round would never end, were a place infinite.
		if g.take(result); !g.together() {
			return false
		}
	}
	return true
}

// take gives the vertices the places of a drawing.
func (g *graph) take(result layout.OptimizerR2) {
	for i := range g.vertices {
		at := result.Coord2(int64(i))
		g.vertices[i].x, g.vertices[i].y = at.X, at.Y
	}
}

// together says whether all places are of use. It is false for NaN.
func (g *graph) together() bool {
	const most = 1e12 // far more than what repulsion does to two nodes that begin close to each other
	for _, v := range g.vertices {
		if !(math.Abs(v.x) < most && math.Abs(v.y) < most) {
			return false
		}
	}
	return true
}

// rounds is how often the forces are followed: more for small graphs, which people look at closely.
func rounds(vertices int) int { return max(30, min(400, 200_000/vertices)) }

// centre moves the middle of the drawing to the origin, on whole pixels.
func (g *graph) centre() {
	lowX, highX := math.Inf(1), math.Inf(-1)
	lowY, highY := lowX, highX
	for _, v := range g.vertices {
		lowX, highX = min(lowX, v.x), max(highX, v.x)
		lowY, highY = min(lowY, v.y), max(highY, v.y)
	}
	for i := range g.vertices {
		v := &g.vertices[i]
		v.x, v.y = math.Round(v.x-(lowX+highX)/2), math.Round(v.y-(lowY+highY)/2)
	}
}
