package mesh

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"meshsim/node"
	"meshsim/topo"
)

// DefaultName is the name of a server that was given none. Such names belong to the ids they name.
func DefaultName(id int) string { return fmt.Sprint("hs", id) }

// validName checks the form of a name (CONTRACTS.md).
func validName(name string) bool {
	const most = 63
	if name == "" || len(name) > most || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// plan fills in the servers that the mesh begins with. Ids that are skipped are never used.
func (o *owner) plan(planned []Planned) error {
	planned = slices.SortedFunc(slices.Values(planned), func(a, b Planned) int { return a.ID - b.ID })
	for _, p := range planned {
		if p.ID < len(o.servers) {
			return errorf(Invalid, "server id %d is used twice or negative: ids count up from 0", p.ID)
		}
		if p.ID > node.MaxID {
			return errorf(Invalid, "server id %d is too large: the largest is %d", p.ID, node.MaxID)
		}
		for len(o.servers) < p.ID {
			o.skip()
		}
		if _, err := o.add(AddServer{X: p.X, Y: p.Y, Kind: p.Kind, Name: p.Name}); err != nil {
			return &Error{Kind: Invalid, Message: fmt.Sprintf("server %d: %v", p.ID, err), Cause: err}
		}
	}
	return nil
}

func (o *owner) skip() {
	id := len(o.servers)
	o.servers = append(o.servers, &server{
		Server: Server{ID: id, Name: DefaultName(id), Kind: o.config.DefaultKind, State: Gone},
		absent: true,
	})
}

func (o *owner) add(a AddServer) (Server, error) {
	id := len(o.servers)
	if id > node.MaxID {
		return Server{}, errorf(Conflict, "the mesh is full: all %d ids have been used", node.MaxID+1)
	}
	if err := topo.ValidatePosition(a.X, a.Y); err != nil {
		return Server{}, invalid(err)
	}
	if a.Kind == "" {
		a.Kind = o.config.DefaultKind
	}
	if o.drivers[a.Kind] == nil {
		return Server{}, o.unknownKind(a.Kind)
	}
	if a.Name == "" {
		a.Name = DefaultName(id)
	}
	if err := o.checkName(a.Name, id); err != nil {
		return Server{}, err
	}
	s := &server{Server: Server{ID: id, Name: a.Name, Kind: a.Kind, X: a.X, Y: a.Y, State: Added}}
	o.servers = append(o.servers, s)
	o.names.Store(a.Name, id)
	o.touch(s)
	if o.ctx != nil {
		o.enqueueStart(s)
	}
	return s.Server, nil
}

func (m *Mesh) unknownKind(kind string) *Error {
	return errorf(Invalid, "kind is %q: it must be one of %s", kind, strings.Join(m.kinds, ", "))
}

// isDefaultName says whether a name is hs and digits.
func isDefaultName(name string) bool {
	digits, ok := strings.CutPrefix(name, "hs")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// ValidateName says whether a server may have a name, as far as that depends on its id alone. Errors are of
// kind Invalid.
func ValidateName(name string, id int) error {
	if !validName(name) {
		return errorf(Invalid, "name is %q: it must be 1 to 63 of a-z, 0-9 and -, and begin and end with a letter or digit", name)
	}
	if isDefaultName(name) && name != DefaultName(id) {
		return errorf(Invalid, "name is %q: hs followed by digits is kept for the server with that id; this one has id %d", name, id)
	}
	return nil
}

func (o *owner) checkName(name string, id int) error {
	if err := ValidateName(name, id); err != nil {
		return err
	}
	holder, taken := o.names.Load(name)
	if !taken {
		return nil
	}
	switch s := o.servers[holder.(int)]; {
	case s.forgotten:
		return errorf(Conflict, "name %q belonged to server %d, which was removed: choose another name", name, holder)
	case s.State == Gone:
		return errorf(Conflict, "name %q belongs to server %d, which was removed: restore it or choose another name", name, holder)
	}
	return errorf(Conflict, "name %q is taken by server %d: choose another", name, holder)
}

func (o *owner) move(id int, x, y float64) error {
	s, err := o.find(id)
	if err != nil {
		return err
	}
	if err := topo.ValidatePosition(x, y); err != nil {
		return invalid(err)
	}
	if s.X == x && s.Y == y {
		return nil
	}
	s.X, s.Y = x, y
	o.rewire = o.rewire || s.State.Wired()
	o.touch(s)
	return nil
}

func (o *owner) setSettings(s topo.Settings) error {
	if err := s.Validate(); err != nil {
		return invalid(err)
	}
	if s == o.settings {
		return nil
	}
	o.settings = s
	o.rewire, o.changed = true, true
	return nil
}

func (o *owner) editPins(p topo.Pair, edit func(*topo.LinkPins)) error {
	pins := o.pins[p]
	edit(&pins)
	if err := o.checkLink(p, pins.Linked); err != nil {
		return err
	}
	if err := pins.Validate(); err != nil {
		return invalid(err)
	}
	if pins == o.pins[p] {
		return nil
	}
	o.pins = maps.Clone(o.pins)
	if pins == (topo.LinkPins{}) {
		delete(o.pins, p)
	} else {
		o.pins[p] = pins
	}
	o.pinsVersion = o.version + 1
	o.rewire, o.changed = true, true
	return nil
}

// checkLink says whether a pair is linked or pinned, or is about to be linked by a pin.
func (o *owner) checkLink(p topo.Pair, linking bool) error {
	a, err := o.find(p.A)
	if err != nil {
		return err
	}
	b, err := o.find(p.B)
	if err != nil {
		return err
	}
	if a == b {
		return errorf(Invalid, "a link needs two servers: %s has none to itself", a.Name)
	}
	if p.A > p.B {
		return errorf(Invalid, "the link between %s and %s is named by the lower id first", a.Name, b.Name)
	}
	_, pinned := o.pins[p]
	if _, linked := o.graph.Link(p); !linked && !pinned && !linking {
		return errorf(NotFound, "there is no link between %s and %s: each server links to the %d nearest within the limits, and to those that a link is pinned to",
			a.Name, b.Name, o.settings.Neighbours)
	}
	return nil
}

// checkPins validates the pins that the mesh begins with.
func (o *owner) checkPins() error {
	for p, pins := range o.pins {
		if p.A >= p.B {
			return errorf(Invalid, "the pins of link %d-%d must name two servers, the lower id first", p.A, p.B)
		}
		for _, id := range []int{p.A, p.B} {
			if _, err := o.find(id); err != nil {
				return errorf(Invalid, "the pins of link %d-%d name a server that is not there: %v", p.A, p.B, err)
			}
		}
		if err := pins.Validate(); err != nil {
			return errorf(Invalid, "the pins of link %d-%d: %v", p.A, p.B, err)
		}
	}
	return nil
}
