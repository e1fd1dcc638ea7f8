package meshfile

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"meshsim/gateway"
	"meshsim/link"
	"meshsim/mesh"
	"meshsim/node"
	"meshsim/topo"
)

// source finds the lines of values.
type source struct{ document *yaml.Node }

// fail makes an error at the value that a path of keys (string) and places (int) leads to, or at the last
// one on the way that exists.
func (s source) fail(err error, path ...any) error {
	at := s.document
	if at.Kind == yaml.DocumentNode && len(at.Content) > 0 {
		at = at.Content[0]
	}
	for _, step := range path {
		next := child(at, step)
		if next == nil {
			break
		}
		at = next
	}
	return &Error{Line: at.Line, Message: err.Error()}
}

func child(n *yaml.Node, step any) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// failRange is fail at the field that a RangeError names, below a path.
func (s source) failRange(err error, path ...any) error {
	if refused, ok := errors.AsType[*topo.RangeError](err); ok {
		for field := range strings.FieldsSeq(refused.Field) {
			path = append(path, field)
		}
	}
	return s.fail(err, path...)
}

// plan checks what the file says and makes a plan of it.
func (f *file) plan(s source) (Plan, error) {
	p := Plan{Seed: f.Seed, Settings: f.Settings.topo(), Pins: make(map[topo.Pair]topo.LinkPins)}
	if err := p.Settings.Validate(); err != nil {
		return Plan{}, s.failRange(err, "settings")
	}
	p.Transport = Transport{Choice: gateway.Choice(f.Settings.Transport), Below: link.BitRate(f.Settings.LowbandBelow)}
	ids := make(map[string]int)
	next := 0
	for i := range f.Servers {
		planned, err := f.server(s, i, next, ids)
		if err != nil {
			return Plan{}, err
		}
		p.Servers = append(p.Servers, planned)
		next = planned.ID + 1
	}
	for i := range f.Links {
		pair, pins, err := f.link(s, i, ids)
		if err != nil {
			return Plan{}, err
		}
		if _, twice := p.Pins[pair]; twice {
			return Plan{}, s.fail(fmt.Errorf("the link of %s and %s is listed twice", f.Links[i].A, f.Links[i].B), "links", i)
		}
		p.Pins[pair] = pins
	}
	return p, nil
}

// maxGap is how many ids in a row may be those of removed servers. Each is remembered for as long as the mesh runs, and
// one line of a file must not fill the memory.
const maxGap = 100_000

// server checks the i-th server, whose id is at least next, and enters it in ids by its name.
func (f *file) server(s source, i, next int, ids map[string]int) (mesh.Planned, error) {
	v := &f.Servers[i]
	p := mesh.Planned{ID: next, Name: v.Name, Kind: v.Kind, X: v.At[0], Y: v.At[1]}
	if v.ID != nil {
		p.ID = *v.ID
	}
	if most := min(next+maxGap, node.MaxID); p.ID < next || p.ID > most {
		err := fmt.Errorf("id is %d: ids count up, so it must be %d to %d", p.ID, next, most)
		return p, s.fail(err, "servers", i, "id")
	}
	if p.Name == "" {
		p.Name = mesh.DefaultName(p.ID)
	}
	if err := mesh.ValidateName(p.Name, p.ID); err != nil {
		return p, s.fail(err, "servers", i, "name")
	}
	if other, taken := ids[p.Name]; taken {
		return p, s.fail(fmt.Errorf("name %q is taken by server %d", p.Name, other), "servers", i, "name")
	}
	if err := topo.ValidatePosition(p.X, p.Y); err != nil {
		return p, s.fail(err, "servers", i, "at")
	}
	ids[p.Name] = p.ID
	return p, nil
}

// link checks the i-th link with pins.
func (f *file) link(s source, i int, ids map[string]int) (topo.Pair, topo.LinkPins, error) {
	v := &f.Links[i]
	a, knownA := ids[v.A]
	b, knownB := ids[v.B]
	var pins topo.LinkPins
	switch {
	case !knownA:
		return topo.Pair{}, pins, s.fail(fmt.Errorf("there is no server named %q", v.A), "links", i, "a")
	case !knownB:
		return topo.Pair{}, pins, s.fail(fmt.Errorf("there is no server named %q", v.B), "links", i, "b")
	case a == b:
		return topo.Pair{}, pins, s.fail(fmt.Errorf("a link needs two servers: both ends are %s", v.A), "links", i, "b")
	case v.Both != nil && (v.AtoB != nil || v.BtoA != nil):
		return topo.Pair{}, pins, s.fail(errors.New("write either both, or a_to_b and b_to_a"), "links", i, "both")
	}
	pins = topo.LinkPins{AB: v.AtoB.topo(), BA: v.BtoA.topo(), Cut: v.Cut, Linked: v.Linked}
	if v.Both != nil {
		pins.AB, pins.BA = v.Both.topo(), v.Both.topo()
	}
	keys := [2]string{"a_to_b", "b_to_a"}
	if v.Both != nil {
		keys = [2]string{"both", "both"}
	}
	if err := pins.AB.Validate(); err != nil {
		return topo.Pair{}, pins, s.failRange(err, "links", i, keys[0])
	}
	if err := pins.BA.Validate(); err != nil {
		return topo.Pair{}, pins, s.failRange(err, "links", i, keys[1])
	}
	if a > b {
		pins.AB, pins.BA = pins.BA, pins.AB
	}
	return topo.PairOf(a, b), pins, nil
}

// yamlLine is how the decoder begins its messages.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s+)?line (\d+): `)

// located takes the first line number out of a decoder's error, and the names of our Go types.
func located(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	text := err.Error()
	if e, ok := errors.AsType[*yaml.TypeError](err); ok && len(e.Errors) > 0 {
		text = e.Errors[0]
	}
	line := 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if field, unknown := strings.CutPrefix(text, "field "); unknown {
		field, _, _ = strings.Cut(field, " not found in type")
		text = fmt.Sprintf("there is no field %s here", field)
	}
	if value, _, wrong := strings.Cut(text, " into meshfile."); wrong {
		text = value + ": fields with their values belong here"
	}
	return &Error{Line: line, Message: text}
}
