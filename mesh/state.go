// Package mesh is the controller: the desired state of the whole mesh and the life cycle of its servers.
//
// One goroutine owns the mesh. Commands go in, immutable snapshots with a version come out, and subscribers
// get what changed. Drivers, which may be slow, run beside it and never block a command. The mesh wires
// running servers into the fabric according to topo and route, knows no driver by name, and knows nothing of
// HTTP.
package mesh

import (
	"meshsim/node"
	"meshsim/topo"
)

// State is where a server is in its life.
//
//	new -> starting -> running <-> paused
//	          |            |  \-> stopping -> stopped -> starting | gone
//	          \-> failed(reason, last log lines) <-/     -> starting (retry) | gone
//
// Stop calls a start off: starting goes to stopping, and new, where nothing has begun yet, to stopped at once.
// Remove takes a server to gone from wherever it is: it cancels a start and stops what runs. Restore takes it
// from gone to starting again, as long as its data is kept.
type State string

// The states. Gone servers stay in the snapshot as tombstones (their ids are never reused).
const (
	Added    State = "new"
	Starting State = "starting"
	Running  State = "running"
	Paused   State = "paused"
	Stopping State = "stopping"
	Stopped  State = "stopped"
	Failed   State = "failed"
	Gone     State = "gone"
)

// Wired says whether a server in this state is part of the network.
func (s State) Wired() bool { return s == Running || s == Paused }

// Server is one server as a snapshot shows it.
type Server struct {
	ID      int
	Name    string
	Kind    string
	X, Y    float64 // pixels of the canvas at zoom 1
	State   State
	Reason  string           // of Failed: one sentence
	LogTail []string         // of Failed: the server's last log lines
	Gateway node.GatewayMode // of a server that runs or ran
	Unseen  string           // what of it is not observable, a sentence; empty where all is
	Version uint64           // of the snapshot in which it last changed
}

// Snapshot is the whole mesh at one version. It is immutable and shared.
type Snapshot struct {
	Version  uint64
	Seed     uint64
	Settings topo.Settings
	Servers  []Server // by id: Servers[i].ID == i; gone ones included
	Pins     map[topo.Pair]topo.LinkPins
	Graph    *topo.Graph // links between running and paused servers
	Routes   uint64      // version of the route table in force

	pinsVersion uint64 // of the snapshot in which Pins last changed
}

// Server returns a server that exists and is not gone.
func (s *Snapshot) Server(id int) (Server, bool) {
	if id < 0 || id >= len(s.Servers) || s.Servers[id].State == Gone {
		return Server{}, false
	}
	return s.Servers[id], true
}
