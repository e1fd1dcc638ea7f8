package stateres

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/eventauth"
)

// isPowerEvent follows the definition of "power events".
func isPowerEvent(p *event.PDU) bool {
	stateKey, isState := p.StateKey()
	if !isState {
		return false
	}
	switch p.Type() {
	case matrix.TypePowerLevels, matrix.TypeJoinRules:
		return true
	case matrix.TypeMember:
		m := p.Membership()
		return (m == matrix.Leave || m == matrix.Ban) && string(p.Sender()) != stateKey
	}
	return false
}

// powerSet is step 1's set X: the power events of the full conflicted set, and what of it is in their auth
// chains.
func (r *resolver) powerSet(full idSet) idSet {
	power := make(idSet)
	seen := make(idSet)
	var stack []matrix.EventID
	for id := range full {
		if p := r.event(id); p != nil && isPowerEvent(p) {
			stack = append(stack, id)
		}
	}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen.has(id) {
			continue
		}
		seen.add(id)
		if full.has(id) {
			power.add(id)
		}
		stack = append(stack, r.authOf(r.event(id))...)
	}
	return power
}

// ranked is an event with its sender's power as its own auth events tell it.
type ranked struct {
	*event.PDU
	power int64
}

func (a ranked) compare(b ranked) int {
	if a.power != b.power {
		return cmp.Compare(b.power, a.power)
	}
	return compareByTime(a.PDU, b.PDU)
}

func compareByTime(a, b *event.PDU) int {
	if a.OriginServerTS() != b.OriginServerTS() {
		return cmp.Compare(a.OriginServerTS(), b.OriginServerTS())
	}
	return cmp.Compare(a.ID(), b.ID())
}

// candidates is a heap of the events whose auth events have all been placed.
type candidates []ranked

func (c candidates) Len() int           { return len(c) }
func (c candidates) Less(i, j int) bool { return c[i].compare(c[j]) < 0 }
func (c candidates) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)        { *c = append(*c, x.(ranked)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// sortByPower is the reverse topological power ordering, by Kahn's algorithm.
func (r *resolver) sortByPower(set idSet) []*event.PDU {
	waiting := make(map[matrix.EventID]int, len(set))
	dependants := make(map[matrix.EventID][]matrix.EventID, len(set))
	var ready candidates
	for id := range set {
		p := r.event(id)
		for _, a := range r.authOf(p) {
			if set.has(a) {
				waiting[id]++
				dependants[a] = append(dependants[a], id)
			}
		}
		if waiting[id] == 0 && p != nil {
			ready = append(ready, ranked{p, r.senderPower(p)})
		}
	}
	heap.Init(&ready)
	sorted := make([]*event.PDU, 0, len(set))
	for len(ready) > 0 {
		next := heap.Pop(&ready).(ranked)
		sorted = append(sorted, next.PDU)
		for _, id := range dependants[next.ID()] {
			if waiting[id]--; waiting[id] == 0 {
				p := r.event(id)
				heap.Push(&ready, ranked{p, r.senderPower(p)})
			}
		}
	}
	return sorted
}

// senderPower is the power of the sender under the event's own auth events.
func (r *resolver) senderPower(p *event.PDU) int64 {
	var create, power *event.PDU
	for _, id := range p.AuthEvents() {
		a := r.event(id)
		switch {
		case a == nil:
		case a.Is(matrix.TypeCreate, ""):
			create = a
		case a.Is(matrix.TypePowerLevels, ""):
			power = a
		}
	}
	if r.version.RoomIDIsCreateHash && p.Type() != matrix.TypeCreate {
		create = r.event(p.RoomID().CreateEventID())
	}
	if p.Type() == matrix.TypeCreate {
		create = p
	}
	return eventauth.UserPower(create, power, p.Sender())
}

// sortByMainline is the mainline ordering based on the power levels event of a state.
func (r *resolver) sortByMainline(state State, pdus []*event.PDU) []*event.PDU {
	positions := r.mainline(state)
	type placed struct {
		*event.PDU
		position int
	}
	list := make([]placed, len(pdus))
	for i, p := range pdus {
		list[i] = placed{p, r.mainlinePosition(p, positions)}
	}
	slices.SortFunc(list, func(a, b placed) int {
		if a.position != b.position {
			return cmp.Compare(b.position, a.position)
		}
		return compareByTime(a.PDU, b.PDU)
	})
	sorted := make([]*event.PDU, len(list))
	for i, p := range list {
		sorted[i] = p.PDU
	}
	return sorted
}

// mainline maps the power levels events of the mainline to their positions.
func (r *resolver) mainline(state State) map[matrix.EventID]int {
	positions := make(map[matrix.EventID]int)
	id, found := state.Get(event.Key{Type: matrix.TypePowerLevels})
	for found {
		positions[id] = len(positions)
		id, found = r.powerLevelsOf(r.event(id))
	}
	return positions
}

// mainlinePosition finds the first mainline event above p, remembering the way in positions; MaxInt when
// there is none.
func (r *resolver) mainlinePosition(p *event.PDU, positions map[matrix.EventID]int) int {
	var way []matrix.EventID
	position := math.MaxInt
	for id, found := r.powerLevelsOf(p); found; id, found = r.powerLevelsOf(r.event(id)) {
		if known, on := positions[id]; on {
			position = known
			break
		}
		way = append(way, id)
	}
	for _, id := range way {
		positions[id] = position
	}
	return position
}

// powerLevelsOf finds the m.room.power_levels event among p's auth events.
func (r *resolver) powerLevelsOf(p *event.PDU) (matrix.EventID, bool) {
	for _, id := range r.authOf(p) {
		if a := r.event(id); a != nil && a.Is(matrix.TypePowerLevels, "") {
			return id, true
		}
	}
	return "", false
}
