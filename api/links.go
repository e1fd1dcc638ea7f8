package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/mesh"
	"meshsim/node"
	"meshsim/topo"
)

// linkEnds is the part of an address that names a link by its ends, in either order.
type linkEnds struct {
	A int `path:"a" minimum:"0" maximum:"8388605" doc:"Id of the server at one end."`
	B int `path:"b" minimum:"0" maximum:"8388605" doc:"Id of the server at the other end."`
}

// pair names the link as the mesh does. With a > b the address has the directions the other way round.
func (e linkEnds) pair() topo.Pair { return topo.PairOf(e.A, e.B) }

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
	pair := ends.pair()
	if err := checkEnds(snapshot, pair); err != nil {
		return Link{}, err
	}
	pins, pinned := snapshot.Pins[pair]
	l, ok := snapshot.Graph.Link(pair)
	if !ok {
		return Link{}, &unknownLinkError{pair: pair, pinned: pinned}
	}
	return linkOf(l, pins), nil
}

type linkPut struct {
	A    int `path:"a" minimum:"0" maximum:"8388605" doc:"Id of the server at one end."`
	B    int `path:"b" minimum:"0" maximum:"8388605" doc:"Id of the server at the other end."`
	Body LinkPins
}

func (v *v1) putLink(ctx context.Context, in *linkPut) (*result[LinkPins], error) {
	pair := topo.PairOf(in.A, in.B)
	if err := checkEnds(v.mesh.Snapshot(), pair); err != nil {
		return nil, problemOf(err)
	}
	pins := topo.LinkPins{AB: in.Body.PinsAB.topo(), BA: in.Body.PinsBA.topo(), Cut: in.Body.Cut, Linked: in.Body.Linked}
	if in.A > in.B {
		pins.AB, pins.BA = pins.BA, pins.AB
	}
	if err := v.mesh.PinLink(ctx, pair, pins); err != nil {
		return nil, problemOf(err)
	}
	return answer(in.Body, nil)
}

func (v *v1) linkCounters(_ context.Context, in *linkEnds) (*result[[]LinkCounters], error) {
	if _, err := v.link(*in); err != nil {
		return nil, problemOf(err)
	}
	return answer(v.counters(in.A, in.B))
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

// checkEnds refuses a pair that could never be a link.
func checkEnds(s *mesh.Snapshot, pair topo.Pair) error {
	if pair.A == pair.B {
		return badValue("a link has two different ends, both are server %d", pair.A)
	}
	if _, err := serverIn(s, pair.A); err != nil {
		return err
	}
	_, err := serverIn(s, pair.B)
	return err
}

func (v *v1) path(from, to int) (PathInfo, error) {
	_, version := v.mesh.Routes()
	nodes, there := v.mesh.PathNodes(version, from, to)
	sum, back := v.mesh.Path(from, to)
	if !there || !back {
		return PathInfo{}, &noPathError{from: from, to: to}
	}
	return PathInfo{Nodes: nodes, RTTMS: milliseconds(sum.RTT), Bandwidth: Bandwidth(sum.Rate)}, nil
}

// counters returns the counters of a link, first from a to b.
func (v *v1) counters(a, b int) ([]LinkCounters, error) {
	pair := topo.PairOf(a, b)
	stats, ok := v.fabric.LinkStats(node.FabricLink(pair.A, pair.B))
	if !ok {
		return nil, &unknownLinkError{pair: pair}
	}
	both := []LinkCounters{countersOf(pair.A, pair.B, &stats.AB), countersOf(pair.B, pair.A, &stats.BA)}
	if a > b {
		slices.Reverse(both)
	}
	return both, nil
}
