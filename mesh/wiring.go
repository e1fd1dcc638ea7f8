package mesh

import (
	"time"

	"meshsim/fabric"
	"meshsim/node"
	"meshsim/route"
	"meshsim/topo"
)

// wire makes the fabric follow the desired state. When the fabric refuses, nothing has changed and the next
// commit tries again.
func (o *owner) wire() error {
	if !o.rewire {
		return nil
	}
	begun := time.Now()
	graph := topo.Build(o.settings, o.wired(), o.pins)
	set, removed := topo.Diff(o.graph, graph)
	change := fabric.Change{Set: linkConfigs(set), Remove: linkIDs(removed)}
	o.wireClients(&change)
	table := o.routing.Load().current().table
	reroute := len(set) > 0 || len(removed) > 0 || o.cost != o.settings.Cost
	if reroute {
		table = route.New(graph, o.settings.Cost)
		change.Router = router{table}
	}
	if err := o.apply(change); err != nil {
		return err
	}
	o.graph, o.cost, o.clientLink, o.rewire = graph, o.settings.Cost, o.settings.ClientLink(), false
	for _, s := range o.servers {
		o.noteClient(s)
	}
	if reroute {
		o.routing.Store(o.routing.Load().with(graph, table))
		o.changed = true
	}
	now := time.Now()
	o.notBefore = now.Add(pace * now.Sub(begun))
	return nil
}

func (o *owner) apply(c fabric.Change) error {
	if len(c.Set) == 0 && len(c.Remove) == 0 && c.Router == nil {
		return nil
	}
	if err := o.config.Fabric.Apply(c); err != nil {
		return &Error{Kind: Internal, Message: "the network refused the change: " + err.Error(), Cause: err}
	}
	return nil
}

// wired returns the servers that are part of the network.
func (o *owner) wired() []topo.Node {
	nodes := make([]topo.Node, 0, len(o.servers))
	for _, s := range o.servers {
		if s.State.Wired() {
			nodes = append(nodes, topo.Node{ID: s.ID, X: s.X, Y: s.Y})
		}
	}
	return nodes
}

// wireClients adds to a change what is to become of client links.
func (o *owner) wireClients(change *fabric.Change) {
	params := o.settings.ClientLink()
	same := params == o.clientLink
	for _, s := range o.servers {
		id := node.ClientFabricLink(s.ID)
		switch linked := o.clients[s.ID]; {
		case s.State.Wired() && !(linked && same):
			change.Set = append(change.Set, fabric.LinkConfig{LinkID: id, AB: params, BA: params})
		case !s.State.Wired() && linked:
			change.Remove = append(change.Remove, id)
		}
	}
}

// noteClient remembers whether a server's client link is in the fabric.
func (o *owner) noteClient(s *server) {
	if s.State.Wired() {
		o.clients[s.ID] = true
	} else {
		delete(o.clients, s.ID)
	}
}

func linkConfigs(links []topo.Link) []fabric.LinkConfig {
	configs := make([]fabric.LinkConfig, len(links))
	for i, l := range links {
		configs[i] = fabric.LinkConfig{LinkID: node.FabricLink(l.A, l.B), AB: l.AB, BA: l.BA}
	}
	return configs
}

func linkIDs(pairs []topo.Pair) []fabric.LinkID {
	ids := make([]fabric.LinkID, len(pairs))
	for i, p := range pairs {
		ids[i] = node.FabricLink(p.A, p.B)
	}
	return ids
}

// router tells the fabric where packets go. The client side of a server hangs on that server alone.
type router struct{ table *route.Table }

func (r router) NextHop(at, dst fabric.NodeID) (fabric.NodeID, bool) {
	from, fromClient := node.ServerOf(at)
	to, toClient := node.ServerOf(dst)
	switch {
	case fromClient:
		return node.FabricNode(from), true
	case from == to && toClient:
		return dst, true
	}
	next, ok := r.table.NextHop(from, to)
	return node.FabricNode(next), ok
}

// routings are the route tables that paths may still be asked of, the one in force last.
type routings struct{ kept []routing }

type routing struct {
	version uint64
	graph   *topo.Graph
	table   *route.Table
}

// keptRoutings is how many tables are kept. Notifications name the table in force when they were made and
// leave within telemetry.MaxDelay; even a drag makes no more tables than this in several times that.
const keptRoutings = 8

func newRoutings() *routings {
	empty := &topo.Graph{}
	return &routings{kept: []routing{{graph: empty, table: route.New(empty, topo.MinLatency)}}}
}

func (r *routings) current() *routing { return &r.kept[len(r.kept)-1] }

// with returns the routings after another table came into force.
func (r *routings) with(g *topo.Graph, t *route.Table) *routings {
	kept := r.kept
	if len(kept) == keptRoutings {
		kept = kept[1:]
	}
	next := make([]routing, len(kept), len(kept)+1)
	copy(next, kept)
	return &routings{kept: append(next, routing{version: r.current().version + 1, graph: g, table: t})}
}

// of returns the table of a version, or the one in force where that is no longer kept.
func (r *routings) of(version uint64) *routing {
	for i := range r.kept {
		if r.kept[i].version == version {
			return &r.kept[i]
		}
	}
	return r.current()
}
