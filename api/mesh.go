package api

import (
	"net/http"

	"meshsim/mesh"
	"meshsim/topo"
)

// Mesh is what the interface asks of the controller, which is a *mesh.Mesh. It is safe for concurrent use
// and its commands return as soon as they are accepted.
type Mesh interface {
	Snapshot() *mesh.Snapshot
	// Subscribe returns a channel that holds a value whenever there is a newer snapshot than the one last
	// asked for, and a function that ends the subscription.
	Subscribe() (<-chan struct{}, func())
	Kinds() []string // the default first

	Add(NewServer) (mesh.Server, error)
	Move(id int, x, y float64) error
	Start(id int) error
	Stop(id int) error
	Pause(id int) error
	Resume(id int) error
	Remove(id int) error
	Restore(id int) error

	SetSettings(topo.Settings) error
	SetPins(topo.Pair, topo.LinkPins) error

	// Client is a running server's client-server API, asked directly.
	Client(id int) (http.Handler, error)
	// Path returns the servers on the path that a version of the route table had from one to another.
	Path(routes uint64, from, to int) ([]int, bool)
}

// LinkObserver tells what passes over links.
type LinkObserver interface {
	// Counters returns the totals of both directions of a link, first from a to b.
	Counters(a, b int) []LinkCounters
}
