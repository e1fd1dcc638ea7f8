package fabric

import (
	"fmt"

	"meshsim/link"
)

// A ChangeError says which link of a [Change] cannot be applied, and why.
type ChangeError struct {
	Link   LinkID
	Reason string
	Err    error // the parameter at fault, or nil
}

func (e *ChangeError) Error() string {
	return fmt.Sprintf("link %d-%d: %s", e.Link.A, e.Link.B, e.Reason)
}

func (e *ChangeError) Unwrap() error { return e.Err }

// Apply edits the network at one instant. It fails with a *[ChangeError] or [ErrClosed] and changes nothing
// then. It is an error to remove a link that does not exist and to name one twice.
func (f *Fabric) Apply(c Change) error {
	if err := c.validate(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	for _, id := range c.Remove {
		if f.links[id] == nil {
			return &ChangeError{Link: id, Reason: "cannot be removed, there is no such link"}
		}
	}
	for _, id := range c.Remove {
		f.removeLocked(f.links[id])
	}
	for _, l := range c.Set {
		f.setLocked(l)
	}
	if c.Router != nil {
		f.router = c.Router
		f.routes++
	}
	f.wakeLocked()
	return nil
}

// validate checks all that can be known without the network.
func (c Change) validate() error {
	named := make(map[LinkID]bool, len(c.Set)+len(c.Remove))
	for _, id := range c.Remove {
		if named[id] {
			return &ChangeError{Link: id, Reason: "is removed twice"}
		}
		named[id] = true
	}
	for _, l := range c.Set {
		if named[l.LinkID] {
			return &ChangeError{Link: l.LinkID, Reason: "is named twice"}
		}
		named[l.LinkID] = true
		if err := l.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (l LinkConfig) validate() error {
	if l.A >= l.B {
		return &ChangeError{Link: l.LinkID, Reason: "the first end must be the smaller id"}
	}
	for _, p := range []link.Params{l.AB, l.BA} {
		if err := p.Validate(); err != nil {
			return &ChangeError{l.LinkID, err.Error(), err}
		}
	}
	return nil
}

// setLocked adds a link or changes its parameters.
func (f *Fabric) setLocked(c LinkConfig) {
	w := f.links[c.LinkID]
	if w == nil {
		w = f.addLocked(c)
	}
	w.dirs[link.AB].set(c.AB)
	w.dirs[link.BA].set(c.BA)
}

func (f *Fabric) addLocked(c LinkConfig) *wire {
	a, b := f.nodeLocked(c.A), f.nodeLocked(c.B)
	w := &wire{id: c.LinkID}
	name := fmt.Sprintf("%d-%d", c.A, c.B)
	w.dirs[link.AB] = f.newDirection(w, a, b, link.NewShaper(f.seed, name, link.AB, c.AB))
	w.dirs[link.BA] = f.newDirection(w, b, a, link.NewShaper(f.seed, name, link.BA, c.BA))
	f.links[c.LinkID] = w
	f.order = nil
	f.edits++
	return w
}

func (f *Fabric) newDirection(w *wire, from, to *node, s *link.Shaper) *direction {
	d := &direction{from: from, to: to, wire: w, shaper: s, place: -1}
	if from.id > to.id {
		d.side = 1
	}
	from.out[to.id] = d
	return d
}

// removeLocked takes a link away and drops what is on it.
func (f *Fabric) removeLocked(w *wire) {
	delete(f.links, w.id)
	f.order = nil
	f.edits++
	for _, d := range w.dirs {
		delete(d.from.out, d.to.id)
		f.due.remove(d)
		for d.flights.len() > 0 {
			p := d.flights.pop()
			f.inFlight -= footprint(p.Data)
			packets, _ := p.weigh()
			f.totals.Drops[link.DropRewired] += packets
			d.from.drops[link.DropRewired] += packets
			Free(p.Data)
		}
	}
	for _, d := range w.dirs {
		f.releaseLocked(d.from)
	}
	for _, t := range w.taps {
		t.end()
	}
}
