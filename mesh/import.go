package mesh

import (
	"context"
	"fmt"
	"maps"

	"meshsim/node"
	"meshsim/topo"
)

// Import describes servers that are added together, with their pins.
type Import struct {
	Servers  []AddServer                 // a name that is taken or kept for another id gives way to the default one
	Pins     map[topo.Pair]topo.LinkPins // by the places in Servers; A < B
	Settings *topo.Settings              // replace those of the mesh; nil leaves them
}

// Import adds servers with their pins, all of them or none. It returns the servers as they were added, in
// the order asked for; they are starting, or new until their turn comes.
func (m *Mesh) Import(ctx context.Context, in Import) ([]Server, error) {
	var added []Server
	err := m.do(ctx, func(o *owner) (err error) {
		added, err = o.addAll(in)
		return err
	})
	return added, err
}

// CheckImport says whether [Mesh.Import] would succeed now, and changes nothing.
func (m *Mesh) CheckImport(ctx context.Context, in Import) error {
	return m.do(ctx, func(o *owner) error { return o.checkImport(&in, len(o.servers)) })
}

func (o *owner) addAll(in Import) ([]Server, error) {
	first := len(o.servers)
	if err := o.checkImport(&in, first); err != nil {
		return nil, err
	}
	if in.Settings != nil {
		if err := o.setSettings(*in.Settings); err != nil {
			return nil, err
		}
	}
	added := make([]Server, len(in.Servers))
	for i, a := range in.Servers {
		if o.checkName(a.Name, first+i) != nil {
			a.Name = ""
		}
		s, err := o.add(a)
		if err != nil {
			panic(fmt.Sprintf("mesh: what was checked is refused: %v", err))
		}
		added[i] = s
	}
	o.addPins(in.Pins, first)
	return added, nil
}

// checkImport refuses what could not be added as a whole.
func (o *owner) checkImport(in *Import, first int) error {
	if last := first + len(in.Servers) - 1; last > node.MaxID {
		return errorf(Conflict, "%d servers do not fit: %d of %d ids are used", len(in.Servers), first, node.MaxID+1)
	}
	if in.Settings != nil {
		if err := in.Settings.Validate(); err != nil {
			return invalid(err)
		}
	}
	for i, a := range in.Servers {
		if err := o.checkAdded(a); err != nil {
			return &Error{Kind: Invalid, Message: fmt.Sprintf("server %d of the import: %v", i, err), Cause: err}
		}
	}
	for p, pins := range in.Pins {
		if p.A < 0 || p.A >= p.B || p.B >= len(in.Servers) {
			return errorf(Invalid, "the pins of %d-%d must name two of the %d servers, the lower place first", p.A, p.B, len(in.Servers))
		}
		if err := pins.Validate(); err != nil {
			return errorf(Invalid, "the pins of %d-%d: %v", p.A, p.B, err)
		}
	}
	return nil
}

// checkAdded refuses what [owner.add] would, apart from the name.
func (o *owner) checkAdded(a AddServer) error {
	if err := topo.ValidatePosition(a.X, a.Y); err != nil {
		return err
	}
	if a.Kind != "" && o.drivers[a.Kind] == nil {
		return o.unknownKind(a.Kind)
	}
	return nil
}

// addPins sets pins that are named by places from the server with the id first on.
func (o *owner) addPins(pins map[topo.Pair]topo.LinkPins, first int) {
	if len(pins) == 0 {
		return
	}
	o.pins = maps.Clone(o.pins)
	for p, pin := range pins {
		if pin != (topo.LinkPins{}) {
			o.pins[topo.Pair{A: first + p.A, B: first + p.B}] = pin
		}
	}
	o.pinsVersion = o.version + 1
	o.rewire, o.changed = true, true
}
