package mesh

import (
	"context"
	"maps"
	"reflect"

	"meshsim/topo"
)

// published is a snapshot with the signal that there is a newer one.
type published struct {
	snapshot *Snapshot
	next     chan struct{} // closed when the next one is published
}

// Subscription follows the mesh. It remembers only which snapshot it has told last: however slow its reader,
// it costs the mesh nothing, and what it is told next is all that changed since. It needs no closing. It is
// for one goroutine.
type Subscription struct {
	mesh *Mesh
	seen *Snapshot
}

// Subscribe follows the mesh from the snapshot in force.
func (m *Mesh) Subscribe() *Subscription {
	return &Subscription{mesh: m, seen: m.Snapshot()}
}

// Change is what differs between two versions of the mesh.
type Change struct {
	Since    *Snapshot      // the version before
	Snapshot *Snapshot      // the version after
	Settings *topo.Settings // nil where unchanged
	Servers  []Server       // added or changed, by id
	Links    []topo.Link    // added, or changed in parameters or pins, in order
	Removed  []topo.Pair    // links removed, in order
}

// Snapshot returns the version up to which this subscription has told of changes.
func (s *Subscription) Snapshot() *Snapshot { return s.seen }

// Next waits until the mesh has changed and returns everything that did since the last call. It fails with
// the context's error, and with kind Closed once the mesh has ended.
func (s *Subscription) Next(ctx context.Context) (Change, error) {
	for {
		now := s.mesh.state.Load()
		if now.snapshot.Version != s.seen.Version {
			change := changeBetween(s.seen, now.snapshot)
			s.seen = now.snapshot
			return change, nil
		}
		select {
		case <-now.next:
		case <-ctx.Done():
			return Change{}, ctx.Err()
		case <-s.mesh.closed:
			if s.mesh.Snapshot().Version == s.seen.Version {
				return Change{}, errClosed()
			}
		}
	}
}

func changeBetween(from, to *Snapshot) Change {
	c := Change{Since: from, Snapshot: to}
	if from.Settings != to.Settings {
		c.Settings = &to.Settings
	}
	for i := range to.Servers {
		if to.Servers[i].Version > from.Version {
			c.Servers = append(c.Servers, to.Servers[i])
		}
	}
	c.Links, c.Removed = topo.Diff(from.Graph, to.Graph)
	if from.pinsVersion != to.pinsVersion {
		c.Links = withRepinned(c.Links, from, to)
	}
	return c
}

// withRepinned adds the links whose pins changed without changing a parameter.
func withRepinned(links []topo.Link, from, to *Snapshot) []topo.Link {
	repinned := make(map[topo.Pair]bool)
	for p, pins := range to.Pins {
		if !reflect.DeepEqual(from.Pins[p], pins) {
			repinned[p] = true
		}
	}
	for p := range from.Pins {
		if _, still := to.Pins[p]; !still {
			repinned[p] = true
		}
	}
	for _, l := range links {
		delete(repinned, l.Pair)
	}
	for p := range maps.Keys(repinned) {
		if l, ok := to.Graph.Link(p); ok {
			links = append(links, l)
		}
	}
	topo.SortLinks(links)
	return links
}
