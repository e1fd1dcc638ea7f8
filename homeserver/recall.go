package homeserver

import (
	"cmp"
	"context"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

const (
	maxRecallGaps = 3      // states that recall asks for at most before it leaves the rest to be fetched
	maxRecalled   = 10_000 // events that it gives a place at once
)

// recall gives a place in the graph to events that this server knows for their content alone, where the pool
// follows on them. When many servers join at once, each learns of the others' joins as state before its own, and
// then gets events from the branches beside its own join that refer to them: all that these lack is here already,
// so that nobody has to be asked, or only for the state where the branches begin.
func (f *fetch) recall(ctx context.Context) error {
	for asked := 0; ; asked++ {
		f.r.mu.Lock()
		known, gaps := f.behindLocked()
		if len(gaps) == 0 {
			f.s.recallLocked(f.r, known)
		}
		f.r.mu.Unlock()
		if len(gaps) == 0 || distinctPrev(gaps) > maxRecallGaps-asked {
			return nil
		}
		if err := f.stateBefore(ctx, gaps[0]); err != nil {
			if KindOf(err) == Unreachable {
				return err
			}
			f.s.log.Debug("the state behind known events is not to be had", "room", f.r.id, "event", gaps[0].ID(), "error", err)
			return nil
		}
	}
}

// behindLocked follows the pool backwards through what can be recalled: it returns that, and which of it has events
// before it that are unknown, the oldest first.
func (f *fetch) behindLocked() (known map[matrix.EventID]*event.PDU, gaps []*event.PDU) {
	known = map[matrix.EventID]*event.PDU{}
	var next []*event.PDU
	for _, pdu := range f.pool {
		next = append(next, pdu)
	}
	for len(next) > 0 && len(known) < maxRecalled {
		pdu := next[len(next)-1]
		next = next[:len(next)-1]
		if _, ok := f.r.edgeLocked(pdu.PrevEvents()); ok {
			continue
		}
		for _, id := range pdu.PrevEvents() {
			n := f.r.recallableLocked(id)
			if n == nil || known[id] != nil || f.r.isEdgeLocked(id) {
				continue
			}
			known[id] = n.pdu
			next = append(next, n.pdu)
		}
	}
	for _, pdu := range known {
		if f.hasGapLocked(pdu) {
			gaps = append(gaps, pdu)
		}
	}
	slices.SortFunc(gaps, byDepth)
	return known, gaps
}

// recallLocked places events behind this server's join. They are no news: clients are not told, and they are no
// extremities, as this server's join follows on them.
func (s *Server) recallLocked(r *room, known map[matrix.EventID]*event.PDU) {
	for _, pdu := range inOrder(known) {
		before, missing, err := s.beforeLocked(r, pdu.PrevEvents())
		if err != nil || len(missing) > 0 {
			continue // as before: its state will be asked for
		}
		n := s.nodeLocked(r, pdu, before)
		n.mark |= behind
		r.nodes[pdu.ID()] = n
		r.cameLocked(pdu.ID())
		r.notePlaceLocked(factRecalled, n)
	}
	s.recordLocked(r)
}

// distinctPrev counts the places in the graph at which events begin.
func distinctPrev(pdus []*event.PDU) int {
	var places [][]matrix.EventID
	for _, pdu := range pdus {
		place := slices.Sorted(slices.Values(pdu.PrevEvents()))
		if !slices.ContainsFunc(places, func(p []matrix.EventID) bool { return slices.Equal(p, place) }) {
			places = append(places, place)
		}
	}
	return len(places)
}

func byDepth(a, b *event.PDU) int {
	return cmp.Or(cmp.Compare(a.Depth(), b.Depth()), cmp.Compare(a.ID(), b.ID()))
}
