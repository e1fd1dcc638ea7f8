package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/mesh"
	"meshsim/topo"
)

// linkEnds is the part of an address that names a link by its ends, in either order.
type linkEnds struct {
	A int `path:"a" minimum:"0" maximum:"8388605" doc:"Id of the server at one end."`
	B int `path:"b" minimum:"0" maximum:"8388605" doc:"Id of the server at the other end."`
}

// pair names the link as the mesh does; flipped is set where the address names its ends the other way round.
func (e linkEnds) pair() (pair topo.Pair, flipped bool) {
	if e.A > e.B {
		return topo.Pair{A: e.B, B: e.A}, true
	}
	return topo.Pair{A: e.A, B: e.B}, false
}

func (v *v1) registerLinks(api huma.API) {
	const tag = "links"
	huma.Register(api, operation("list-links", http.MethodGet, "/links", tag, "All links, by their ends", ""), v.listLinks)
	huma.Register(api, operation("get-link", http.MethodGet, "/links/{a}/{b}", tag, "One link",
		"The answer has a < b, whatever the order in the address."), v.getLink)
	huma.Register(api, operation("put-link", http.MethodPut, "/links/{a}/{b}", tag, "Replace a link's pins, cut or restore it",
		"ab is from a to b as the address has them. A parameter that is absent follows from the canvas and the "+
			"settings again. Pins outlive the link: they hold again when it comes back."), v.putLink)
	huma.Register(api, operation("link-counters", http.MethodGet, "/links/{a}/{b}/counters", tag,
		"The counters of both directions of a link", "First from a to b as the address has them."), v.linkCounters)
	huma.Register(api, operation("get-path", http.MethodGet, "/paths/{from}/{to}", tag,
		"The path in force between two servers", ""), v.getPath)
}

func (v *v1) listLinks(context.Context, *nothing) (*result[[]Link], error) {
	return answer(links(v.mesh.Snapshot()), nil)
}

func (v *v1) getLink(_ context.Context, in *linkEnds) (*result[Link], error) {
	return answer(v.link(*in))
}

func (v *v1) link(ends linkEnds) (Link, error) {
	snapshot := v.mesh.Snapshot()
	pair, _ := ends.pair()
	if err := checkEnds(snapshot, pair); err != nil {
		return Link{}, err
	}
	l, ok := findLink(snapshot.Graph, pair)
	if !ok {
		return Link{}, &unknownLinkError{pair: pair}
	}
	return linkOf(l, snapshot.Pins[pair]), nil
}

type linkPut struct {
	linkEnds
	Body LinkPins
}

func (v *v1) putLink(_ context.Context, in *linkPut) (*result[Link], error) {
	pair, flipped := in.pair()
	if err := checkEnds(v.mesh.Snapshot(), pair); err != nil {
		return nil, problemOf(err)
	}
	pins := topo.LinkPins{AB: in.Body.PinsAB.topo(), BA: in.Body.PinsBA.topo(), Cut: in.Body.Cut}
	if flipped {
		pins.AB, pins.BA = pins.BA, pins.AB
	}
	if err := v.mesh.SetPins(pair, pins); err != nil {
		return nil, problemOf(err)
	}
	return answer(v.link(in.linkEnds))
}

func (v *v1) linkCounters(_ context.Context, in *linkEnds) (*result[[]LinkCounters], error) {
	if _, err := v.link(*in); err != nil {
		return nil, problemOf(err)
	}
	return answer(v.links.Counters(in.A, in.B), nil)
}

type pathEnds struct {
	From int `path:"from" minimum:"0" maximum:"8388605" doc:"Id of the source."`
	To   int `path:"to" minimum:"0" maximum:"8388605" doc:"Id of the destination."`
}

func (v *v1) getPath(_ context.Context, in *pathEnds) (*result[PathInfo], error) {
	for _, id := range []int{in.From, in.To} {
		if _, err := v.find(id); err != nil {
			return nil, problemOf(err)
		}
	}
	return answer(v.path(in.From, in.To))
}

// links lists a snapshot's links.
func links(s *mesh.Snapshot) []Link {
	list := make([]Link, len(s.Graph.Links))
	for i, l := range s.Graph.Links {
		list[i] = linkOf(l, s.Pins[l.Pair])
	}
	return list
}

func findLink(graph *topo.Graph, pair topo.Pair) (topo.Link, bool) {
	i, ok := slices.BinarySearchFunc(graph.Links, pair, func(l topo.Link, p topo.Pair) int { return comparePairs(l.Pair, p) })
	if !ok {
		return topo.Link{}, false
	}
	return graph.Links[i], true
}

func comparePairs(p, q topo.Pair) int {
	if p.A != q.A {
		return p.A - q.A
	}
	return p.B - q.B
}

// checkEnds refuses a pair that could never be a link.
func checkEnds(s *mesh.Snapshot, pair topo.Pair) error {
	if pair.A == pair.B {
		return &sameEndsError{id: pair.A}
	}
	for _, id := range []int{pair.A, pair.B} {
		if id < 0 || id >= len(s.Servers) {
			return &unknownServerError{id: id, count: len(s.Servers)}
		}
	}
	return nil
}

func (v *v1) path(from, to int) (PathInfo, error) {
	nodes, ok := v.mesh.Path(v.mesh.Snapshot().Routes, from, to)
	if !ok {
		return PathInfo{}, &noPathError{from: from, to: to}
	}
	return PathInfo{Nodes: nodes}, nil
}
