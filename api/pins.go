package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"meshsim/topo"
)

// PinnedPair is what is pinned of a pair of servers, linked now or not; a < b.
type PinnedPair struct {
	A int `json:"a"`
	B int `json:"b"`
	LinkPins
}

func (v *v1) registerPins(api huma.API) {
	huma.Register(api, operation("list-pins", http.MethodGet, "/pins", "links", "All pins, by the ends of the pair",
		"Pairs that are not linked now are among them: their pins hold when the link comes."), v.listPins)
}

func (v *v1) listPins(context.Context, *nothing) (*result[[]PinnedPair], error) {
	pins := v.mesh.Snapshot().Pins
	list := make([]PinnedPair, 0, len(pins))
	for _, pair := range slices.SortedFunc(maps.Keys(pins), topo.Pair.Compare) {
		list = append(list, PinnedPair{A: pair.A, B: pair.B, LinkPins: linkPinsOf(pins[pair])})
	}
	return answer(list, nil)
}

func linkPinsOf(p topo.LinkPins) LinkPins {
	return LinkPins{PinsAB: pinOf(p.AB), PinsBA: pinOf(p.BA), Cut: p.Cut, Linked: p.Linked}
}
