package homeserver

import (
	"cmp"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/eventauth"
	"meshsim/matrix/stateres"
)

// edge is the state before events whose prev_events are exactly these, as another server told it: where this
// server's part of the graph begins.
type edge struct {
	prev  []matrix.EventID // sorted
	state *State
}

// beforeLocked returns the state before an event with these prev_events, and the events that are missing to
// tell it. An error means that state resolution lacks an event.
func (s *Server) beforeLocked(r *room, prev []matrix.EventID) (before *State, missing []matrix.EventID, err error) {
	states := make([]*State, 0, len(prev))
	for _, id := range prev {
		if n := r.placedLocked(id); n != nil {
			states = append(states, n.after)
		} else {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		before, err = s.resolveLocked(r, states)
		return before, nil, err
	}
	if state, ok := r.edgeLocked(prev); ok {
		return state, nil, nil
	}
	// What is missing on its own may be an edge too: the state after the one event before a join.
	if known, ok := r.edgesLocked(missing); ok {
		before, err = s.resolveLocked(r, append(states, known...))
		return before, nil, err
	}
	return nil, missing, nil
}

// edgeLocked returns the state that is known for a whole set of prev_events.
func (r *room) edgeLocked(prev []matrix.EventID) (*State, bool) {
	sorted := slices.Sorted(slices.Values(prev))
	for _, e := range r.edges {
		if slices.Equal(e.prev, sorted) {
			return e.state, true
		}
	}
	return nil, false
}

// isEdgeLocked says whether the state after one event is known, though not the event's place.
func (r *room) isEdgeLocked(id matrix.EventID) bool {
	_, ok := r.edgeLocked([]matrix.EventID{id})
	return ok
}

func (r *room) edgesLocked(missing []matrix.EventID) (states []*State, ok bool) {
	for _, id := range missing {
		state, ok := r.edgeLocked([]matrix.EventID{id})
		if !ok {
			return nil, false
		}
		states = append(states, state)
	}
	return states, true
}

// maxEdges is how many edges a room keeps: strangers decide how many gaps there are. A state that was forgotten is asked
// for again when another event refers to the same gap.
const maxEdges = 1000

// setEdgeLocked notes the state before an event whose prev_events are not known here. The first edge, where this server
// came in, stays.
func (r *room) setEdgeLocked(prev []matrix.EventID, state *State) {
	if _, known := r.edgeLocked(prev); known || len(prev) == 0 {
		return
	}
	r.noteEdgeLocked(prev, state)
	r.keepEdgeLocked(prev, state)
}

func (r *room) keepEdgeLocked(prev []matrix.EventID, state *State) {
	if len(r.edges) == maxEdges {
		r.edges = slices.Delete(r.edges, 1, 2)
	}
	r.edges = append(r.edges, edge{slices.Sorted(slices.Values(prev)), state})
}

// authEventsLocked returns an event's auth events, and the ids of those that are not known.
func (r *room) authEventsLocked(pdu *event.PDU) (auth []*event.PDU, missing []matrix.EventID) {
	for _, id := range pdu.AuthEvents() {
		if n := r.nodes[id]; n != nil {
			auth = append(auth, n.pdu)
		} else {
			missing = append(missing, id)
		}
	}
	return auth, missing
}

// checkAuthEventsLocked is check 4 on receipt of a PDU: the authorisation rules based on the event's auth
// events, all of which are known.
func (s *Server) checkAuthEventsLocked(r *room, pdu *event.PDU) error {
	auth, _ := r.authEventsLocked(pdu)
	clean := !slices.ContainsFunc(pdu.AuthEvents(), r.isRejectedLocked)
	if clean && s.commons.isAuthed(pdu) {
		return nil
	}
	create := r.createLocked()
	if create == nil && pdu.Type() != matrix.TypeCreate && !r.version.RoomIDIsCreateHash {
		create = eventauth.EventsOf(auth...).Event(event.Key{Type: matrix.TypeCreate})
	}
	if err := eventauth.CheckAuthEvents(pdu, auth, create, r.isRejectedLocked); err != nil {
		return err
	}
	if err := eventauth.CheckState(pdu, eventauth.AuthState(auth, create)); err != nil {
		return err
	}
	s.commons.setAuthed(pdu)
	return nil
}

func (r *room) isRejectedLocked(id matrix.EventID) bool {
	n := r.nodes[id]
	return n != nil && n.is(rejected)
}

// placeLocked puts an event into the graph after the state before it became known, and returns its node. It
// does checks 4, 5 and 6 on receipt of a PDU. The event's auth events are known.
func (s *Server) placeLocked(r *room, pdu *event.PDU, before *State) *node {
	n := s.nodeLocked(r, pdu, before)
	if !n.is(rejected) && pdu.Type() != matrix.TypeCreate && checkState(pdu, r.current) != nil {
		n.mark = softFailed
	}
	r.nodes[pdu.ID()] = n
	s.commons.checked(pdu)
	r.cameLocked(pdu.ID())
	return n
}

// nodeLocked makes an event's node, after checks 4 and 5 on receipt of a PDU.
func (s *Server) nodeLocked(r *room, pdu *event.PDU, before *State) *node {
	n := &node{pdu: pdu, before: before, after: before}
	if s.checkAuthEventsLocked(r, pdu) != nil || checkState(pdu, before) != nil {
		n.mark = rejected
		return n
	}
	if pdu.IsState() {
		n.after = before.with(s.commons, pdu)
	}
	return n
}

func checkState(pdu *event.PDU, state *State) error { return eventauth.CheckState(pdu, state) }

// advanceLocked makes an event a forward extremity in place of those before it, unless one that follows it was faster.
func (r *room) advanceLocked(n *node) {
	retired := map[*node]bool{}
	r.retireLocked(n, retired)
	if !r.inLineLocked(n) {
		for old, was := range retired {
			r.union = r.union && (!was || n.after.holds(old.after))
		}
	}
	if r.followedLocked(n.pdu.ID()) {
		r.union = false
		return
	}
	i, _ := slices.BinarySearchFunc(r.extremities, n, func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.pdu.Depth(), a.pdu.Depth()), cmp.Compare(a.pdu.ID(), b.pdu.ID()))
	})
	r.extremities = slices.Insert(r.extremities, i, n)
	r.fresh = n
}

// inLineLocked says whether all events before n are accepted and of the union that the current state is. Then so is the
// state before n: it is the union of the states after them (stateres.Union).
func (r *room) inLineLocked(n *node) bool {
	if !r.union {
		return false
	}
	for _, id := range n.pdu.PrevEvents() {
		if prev := r.placedLocked(id); prev == nil || prev.lineage != r.lineage || prev.is(rejected|softFailed) {
			return false
		}
	}
	return true
}

// followedLocked says whether an event was accepted that refers to this one. It came first where another server told
// the state before it, so an edge names what it refers to.
func (r *room) followedLocked(id matrix.EventID) bool {
	if !slices.ContainsFunc(r.edges, func(e edge) bool { return slices.Contains(e.prev, id) }) {
		return false
	}
	for _, n := range r.nodes {
		if !n.is(outlier|rejected|softFailed) && slices.Contains(n.pdu.PrevEvents(), id) {
			return true
		}
	}
	return false
}

// retireLocked removes the events before n from the extremities. It looks behind events that are never
// extremities: otherwise an event that refers to a soft-failed one alone would leave both branches open. seen gets
// what was looked at, and whether it was an extremity.
func (r *room) retireLocked(n *node, seen map[*node]bool) {
	for _, id := range n.pdu.PrevEvents() {
		prev := r.placedLocked(id)
		if prev == nil {
			continue
		}
		if _, met := seen[prev]; met {
			continue
		}
		i := slices.Index(r.extremities, prev)
		if seen[prev] = i >= 0; i >= 0 {
			r.extremities = slices.Delete(r.extremities, i, i+1)
		}
		if prev.is(rejected | softFailed) {
			r.retireLocked(prev, seen)
		}
	}
}

// refreshLocked recomputes the current state from the extremities. Where it was their union, and the one that is fresh
// follows on all that it replaced and fits into that too, nothing else is looked at.
func (s *Server) refreshLocked(r *room) (*State, error) {
	fresh := r.fresh
	r.fresh = nil
	if r.union && fresh != nil {
		if union, ok := r.extendLocked(fresh); ok {
			fresh.lineage = r.lineage
			return s.commons.intern(union, r.current), nil
		}
	}
	states := make([]*State, len(r.extremities))
	for i, n := range r.extremities {
		states[i] = n.after
	}
	states = distinct(states)
	var union stateres.State
	if union, r.union = unionLocked(r, states); !r.union {
		return s.resolveLocked(r, states)
	}
	r.lineage++
	for _, n := range r.extremities {
		n.lineage = r.lineage
	}
	return s.commons.intern(union, r.current), nil
}

// extendLocked is the union of the current state, which is one, with that of a new extremity.
func (r *room) extendLocked(n *node) (stateres.State, bool) {
	current := r.current.entries()
	if !r.inLineLocked(n) {
		return stateres.Union(r.version, current, n.after.entries(), resolvable{r})
	}
	if !n.pdu.IsState() {
		return current, true
	}
	if union, ok := stateres.Join(r.version, current, n.pdu, resolvable{r}); ok {
		return union, true
	}
	return stateres.Union(r.version, current, n.after.entries(), resolvable{r})
}

// acceptLocked puts an event into the graph, moves the extremities and the current state on, applies
// redactions and tells the clients. It returns what became of the event. The caller records it.
func (s *Server) acceptLocked(r *room, pdu *event.PDU, before *State) Outcome {
	outcome := s.stageLocked(r, pdu, before)
	s.publishLocked(r)
	return outcome
}

// stageLocked is acceptLocked without telling the clients.
func (s *Server) stageLocked(r *room, pdu *event.PDU, before *State) Outcome {
	n := s.placeLocked(r, pdu, before)
	r.notePlaceLocked(factPlaced, n)
	if n.is(rejected) {
		return Rejected
	}
	if n.is(softFailed) {
		return SoftFailed
	}
	r.advanceLocked(n)
	s.redactLocked(r, pdu)
	s.stageStateLocked(r, pdu)
	return Accepted
}

// stageStateLocked recomputes the current state. pdu is the event that changed it, nil for none.
func (s *Server) stageStateLocked(r *room, pdu *event.PDU) {
	next, err := s.refreshLocked(r)
	if err != nil {
		// The event stays; a later one brings the state up to date once what is lacking has come.
		s.log.Warn("state of a room cannot be resolved", "room", r.id, "error", err)
		next = r.current
	}
	r.staged = append(r.staged, stagedEntry{pdu: pdu, before: r.current, after: next})
	r.current = next
	r.joined = next.hasServer(s.cfg.Name)
}

// stagedEntry is a line of the log that is not written yet.
type stagedEntry struct {
	pdu           *event.PDU
	before, after *State // the room's current state
}

// publishLocked writes what is staged to the log and wakes the clients. A client takes a state event that it
// is shown to be in force, so that is what the event's entry says; where state resolution decided otherwise,
// an entry without an event corrects it.
func (s *Server) publishLocked(r *room) {
	for _, e := range r.staged {
		seen := e.before
		if e.pdu != nil {
			if e.pdu.IsState() {
				seen = seen.with(s.commons, e.pdu)
			}
			s.logLocked(r, Entry{Event: e.pdu, State: seen}, e.before)
		}
		if e.pdu == nil || seen != e.after {
			s.logLocked(r, Entry{State: e.after}, seen)
		}
	}
	if len(r.staged) > 0 {
		s.alertRoom(string(r.id))
	}
	r.staged = nil
}

// logLocked writes one entry to the log.
func (s *Server) logLocked(r *room, entry Entry, before *State) {
	s.stream.append(func(position Position) {
		entry.Position = position
		r.log = append(r.log, entry)
		s.noteEntryLocked(r, entry, before)
		s.noteMembers(r, before, entry.State, position)
	})
}
