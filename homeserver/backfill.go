package homeserver

import (
	"cmp"
	"context"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Backfill asks other servers for up to limit events before the oldest that this server has, and returns how
// many entries the room's log got at its old end; 0 when the room's beginning is reached or nobody answers.
func (r *Room) Backfill(ctx context.Context, limit int) (int, error) {
	return r.s.backfill(ctx, r.r, limit)
}

func (s *Server) backfill(ctx context.Context, r *room, limit int) (int, error) {
	from := r.oldEnd()
	if len(from) == 0 || s.cfg.Remote == nil {
		return 0, nil
	}
	limit = min(limit, maxBackfill)
	var last error
	for _, server := range r.otherServers(s.cfg.Name) {
		raws, err := s.cfg.Remote.Backfill(ctx, server, string(r.id), from, limit)
		if err != nil {
			last = err
			if ctx.Err() != nil {
				break
			}
			continue
		}
		pdus := s.vetAll(ctx, atMost(raws, limit), r.version)
		s.learnAuth(ctx, r, server, pdus)
		if added := s.addHistory(r, pdus); added > 0 {
			return added, nil
		}
	}
	return 0, last
}

// oldEnd lists the events before the old end of this server's part of the graph that are missing.
func (r *room) oldEnd() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, e := range r.edges {
		for _, id := range e.prev {
			if !r.loggedLocked(id) && r.history[id] == nil && len(ids) < maxPrev {
				ids = append(ids, string(id))
			}
		}
	}
	for _, pdu := range r.history {
		for _, id := range pdu.PrevEvents() {
			if !r.loggedLocked(id) && r.history[id] == nil && len(ids) < maxPrev {
				ids = append(ids, string(id))
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// maxAuthAsks is how often the auth events of events from backfill are asked for: those of one event are mostly those
// of all.
const maxAuthAsks = 5

// learnAuth asks for the auth events of events that came from backfill, where they are not known.
func (s *Server) learnAuth(ctx context.Context, r *room, server string, pdus []*event.PDU) {
	asked := 0
	for _, pdu := range pdus {
		r.mu.Lock()
		_, missing := r.authEventsLocked(pdu)
		r.mu.Unlock()
		if len(missing) == 0 || pdu.RoomID() != r.id {
			continue
		}
		if asked++; asked > maxAuthAsks {
			return
		}
		raws, err := s.cfg.Remote.EventAuth(ctx, server, string(r.id), string(pdu.ID()))
		if err != nil {
			s.log.Debug("auth events of the history are not to be had", "room", r.id, "event", pdu.ID(), "error", err)
			continue
		}
		chain := s.vetAll(ctx, raws, r.version)
		r.mu.Lock()
		s.learnLocked(r, chain)
		s.recordLocked(r)
		r.mu.Unlock()
	}
}

// addHistory puts vetted events at the old end of the log. They do not take part in the graph: what they did
// to the state is in the states that this server learnt. Only those that their auth events allow are shown.
func (s *Server) addHistory(r *room, pdus []*event.PDU) (added int) {
	slices.SortFunc(pdus, func(a, b *event.PDU) int {
		return cmp.Or(cmp.Compare(b.Depth(), a.Depth()), cmp.Compare(b.OriginServerTS(), a.OriginServerTS()), cmp.Compare(a.ID(), b.ID()))
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pdu := range pdus {
		if pdu.RoomID() != r.id || r.history[pdu.ID()] != nil || r.loggedLocked(pdu.ID()) {
			continue
		}
		if _, missing := r.authEventsLocked(pdu); len(missing) > 0 || s.checkAuthEventsLocked(r, pdu) != nil {
			continue
		}
		s.commons.checked(pdu)
		s.stream.prepend(func(position Position) {
			r.addPastLocked(Entry{Position: position, Event: pdu})
			r.notePastLocked(pdu, position)
		})
		added++
	}
	s.recordLocked(r)
	return added
}

func (r *room) addPastLocked(entry Entry) {
	if r.history == nil {
		r.history = map[matrix.EventID]*event.PDU{}
	}
	r.history[entry.Event.ID()] = entry.Event
	r.past = append(r.past, entry)
}
