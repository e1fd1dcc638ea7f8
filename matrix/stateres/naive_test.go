package stateres_test

import (
	"cmp"
	"math"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/eventauth"
)

// graph is every event of a room.
type graph map[matrix.EventID]*event.PDU

func (g graph) Event(id matrix.EventID) *event.PDU { return g[id] }
func (g graph) Rejected(matrix.EventID) bool       { return false }
func (g graph) add(pdus ...*event.PDU) {
	for _, p := range pdus {
		g[p.ID()] = p
	}
}

// ids is a set.
type ids map[matrix.EventID]bool

// naiveResolve follows the specification sentence by sentence, with maps and without any economy.
func naiveResolve(v *matrix.RoomVersion, states []model, g graph) model {
	unconflicted, conflicted := naiveSeparate(states)
	full := g.authDifference(states)
	for id := range conflicted {
		full[id] = true
	}
	start := unconflicted
	if v.ID == "12" {
		start = model{}
		for id := range g.subgraph(conflicted) {
			full[id] = true
		}
	}
	power := ids{}
	for id := range full {
		if !naivePowerEvent(g[id]) {
			continue
		}
		power[id] = true
		for a := range g.chain(id) {
			if full[a] {
				power[a] = true
			}
		}
	}
	partial := g.iterate(start, g.powerOrder(power))
	var rest []*event.PDU
	for id := range full {
		if !power[id] {
			rest = append(rest, g[id])
		}
	}
	result := g.iterate(partial, g.mainlineOrder(partial[event.Key{Type: matrix.TypePowerLevels}], rest))
	for key, id := range unconflicted {
		result[key] = id
	}
	return result
}

func naiveSeparate(states []model) (unconflicted model, conflicted ids) {
	unconflicted, conflicted = model{}, ids{}
	for _, s := range states {
		for key, id := range s {
			agreed := true
			for _, other := range states {
				agreed = agreed && other[key] == id
			}
			if agreed {
				unconflicted[key] = id
			} else {
				conflicted[id] = true
			}
		}
	}
	return unconflicted, conflicted
}

// chain is the auth chain of an event, without the event.
func (g graph) chain(id matrix.EventID) ids {
	set := ids{}
	for _, a := range g[id].AuthEvents() {
		set[a] = true
		for further := range g.chainOnce(a) {
			set[further] = true
		}
	}
	return set
}

// chainOnce avoids the exponential walk of a recursive chain.
func (g graph) chainOnce(id matrix.EventID) ids {
	set := ids{}
	queue := []matrix.EventID{id}
	for len(queue) > 0 {
		p := g[queue[0]]
		queue = queue[1:]
		for _, a := range p.AuthEvents() {
			if !set[a] {
				set[a] = true
				queue = append(queue, a)
			}
		}
	}
	return set
}

func (g graph) authDifference(states []model) ids {
	count := map[matrix.EventID]int{}
	for _, s := range states {
		full := ids{}
		for _, id := range s {
			for a := range g.chain(id) {
				full[a] = true
			}
		}
		for a := range full {
			count[a]++
		}
	}
	difference := ids{}
	for id, n := range count {
		if n < len(states) {
			difference[id] = true
		}
	}
	return difference
}

func (g graph) subgraph(conflicted ids) ids {
	set := ids{}
	for from := range conflicted {
		for middle := range g.chain(from) {
			for to := range g.chain(middle) {
				if conflicted[to] {
					set[middle] = true
				}
			}
			if conflicted[middle] {
				set[middle] = true
			}
		}
	}
	return set
}

func naivePowerEvent(p *event.PDU) bool {
	key, _ := p.StateKey()
	removal := p.Membership() == matrix.Leave || p.Membership() == matrix.Ban
	return p.Is(matrix.TypePowerLevels, "") || p.Is(matrix.TypeJoinRules, "") || removal && key != string(p.Sender())
}

// less is the comparison that both orderings share; a and b compare what is special to each.
func naiveLess(a, b int64, x, y *event.PDU) bool {
	return cmp.Or(cmp.Compare(a, b), cmp.Compare(x.OriginServerTS(), y.OriginServerTS()), cmp.Compare(x.ID(), y.ID())) < 0
}

func (g graph) powerOrder(set ids) []*event.PDU {
	var sorted []*event.PDU
	placed := ids{}
	for len(sorted) < len(set) {
		var best *event.PDU
		for id := range set {
			p := g[id]
			ready := !placed[id]
			for _, a := range p.AuthEvents() {
				ready = ready && (!set[a] || placed[a])
			}
			if ready && (best == nil || naiveLess(-g.senderPower(p), -g.senderPower(best), p, best)) {
				best = p
			}
		}
		sorted = append(sorted, best)
		placed[best.ID()] = true
	}
	return sorted
}

func (g graph) senderPower(p *event.PDU) int64 {
	var create, levels *event.PDU
	for _, candidate := range g {
		if candidate.Is(matrix.TypeCreate, "") {
			create = candidate
		}
	}
	for _, a := range p.AuthEvents() {
		if g[a].Is(matrix.TypePowerLevels, "") {
			levels = g[a]
		}
	}
	return eventauth.UserPower(create, levels, p.Sender())
}

func (g graph) levelsOf(id matrix.EventID) matrix.EventID {
	for _, a := range g[id].AuthEvents() {
		if g[a].Is(matrix.TypePowerLevels, "") {
			return a
		}
	}
	return ""
}

func (g graph) mainlineOrder(levels matrix.EventID, pdus []*event.PDU) []*event.PDU {
	var mainline []matrix.EventID
	for id := levels; id != ""; id = g.levelsOf(id) {
		mainline = append(mainline, id)
	}
	position := func(p *event.PDU) int64 {
		for id := g.levelsOf(p.ID()); id != ""; id = g.levelsOf(id) {
			if i := slices.Index(mainline, id); i >= 0 {
				return int64(i)
			}
		}
		return math.MaxInt64
	}
	slices.SortFunc(pdus, func(x, y *event.PDU) int {
		if naiveLess(-position(x), -position(y), x, y) {
			return -1
		}
		return 1
	})
	return pdus
}

func (g graph) iterate(start model, pdus []*event.PDU) model {
	state := model{}
	for key, id := range start {
		state[key] = id
	}
	for _, p := range pdus {
		view := eventauth.Events{}
		for _, candidate := range g {
			if candidate.Is(matrix.TypeCreate, "") && candidate.Version().RoomIDIsCreateHash {
				view[candidate.Key()] = candidate
			}
		}
		for _, a := range p.AuthEvents() {
			view[g[a].Key()] = g[a]
		}
		for key, id := range state {
			view[key] = g[id]
		}
		if eventauth.CheckState(p, view) == nil {
			state[p.Key()] = p.ID()
		}
	}
	return state
}
