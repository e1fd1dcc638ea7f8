package homeserver

import (
	"encoding/json"
	"fmt"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// fact is one thing that happened to a room as this server knows it. A room is its facts: [Server.replay] makes it again.
// States are told by what differs from what the facts before lead one to expect, which is nothing most of the time.
type fact struct {
	Kind  factKind         `json:"k"`
	Event int              `json:"e,omitempty"` // one more than the index in Change.Events; 0 for none
	Mark  mark             `json:"m,omitempty"`
	At    Position         `json:"at,omitempty"`
	Prev  []matrix.EventID `json:"prev,omitempty"` // of an edge
	Set   []int            `json:"set,omitempty"`  // events in the state that are not expected, like Event
	Gone  []event.Key      `json:"gone,omitempty"` // and what is expected, but not in it
	Name  string           `json:"name,omitempty"` // of a guest
}

type factKind string

const (
	factLearned  factKind = "learned"  // an event became known for its content
	factBehind   factKind = "behind"   // it lies behind this server's join
	factEdge     factKind = "edge"     // the state before events that are not known; expected is the current state
	factPlaced   factKind = "placed"   // an event got its place in the graph; the state is that before it
	factRecalled factKind = "recalled" // the same silently: it lies behind this server's join
	factEntered  factKind = "entered"  // the same for the join with which this server's part of the graph begins
	factLogged   factKind = "logged"   // an entry of the log; expected is the state of the one before, with the event in it
	factPast     factKind = "past"     // an entry of the log's old end
	factGuest    factKind = "guest"    // a server joined through this one
)

// journal holds facts that have not been recorded. Those of one change of the room are recorded together.
type journal struct {
	facts  []fact
	events []*event.PDU
	index  map[*event.PDU]int
	known  bool // others may know of the room: until then there is nothing to keep
}

// newRoom is a room that has yet to be filled.
func (s *Server) newRoom(id matrix.RoomID, version *matrix.RoomVersion) *room {
	r := newRoom(id, version)
	if s.cfg.Store != nil {
		r.journal = &journal{}
	}
	return r
}

// publicLocked says that others may know of the room from now on.
func (r *room) publicLocked() {
	if r.journal != nil {
		r.journal.known = true
	}
}

// ref returns what a fact names an event by.
func (j *journal) ref(pdu *event.PDU) int {
	if ref := j.index[pdu]; ref != 0 {
		return ref
	}
	if j.index == nil {
		j.index = map[*event.PDU]int{}
	}
	j.events = append(j.events, pdu)
	j.index[pdu] = len(j.events)
	return len(j.events)
}

// noteLocked adds a fact about an event.
func (r *room) noteLocked(kind factKind, pdu *event.PDU, m mark) {
	if j := r.journal; j != nil {
		j.facts = append(j.facts, fact{Kind: kind, Event: j.ref(pdu), Mark: m})
	}
}

// notePlaceLocked adds that an event got its place.
func (r *room) notePlaceLocked(kind factKind, n *node) {
	if r.journal != nil {
		r.noteStateLocked(fact{Kind: kind, Mark: n.mark}, n.pdu, r.expectedLocked(n.pdu.PrevEvents()), n.before)
	}
}

// noteEntryLocked adds a line of the log, which follows on one with the state before.
func (s *Server) noteEntryLocked(r *room, entry Entry, before *State) {
	if r.journal == nil {
		return
	}
	if entry.Event != nil && entry.Event.IsState() {
		before = before.with(s.commons, entry.Event)
	}
	r.noteStateLocked(fact{Kind: factLogged, At: entry.Position}, entry.Event, before, entry.State)
}

// noteEdgeLocked adds the state before events whose prev_events are not known.
func (r *room) noteEdgeLocked(prev []matrix.EventID, state *State) {
	if r.journal != nil {
		r.noteStateLocked(fact{Kind: factEdge, Prev: prev}, nil, r.current, state)
	}
}

// notePastLocked adds an entry of the log's old end.
func (r *room) notePastLocked(pdu *event.PDU, at Position) {
	if r.journal != nil {
		r.journal.facts = append(r.journal.facts, fact{Kind: factPast, Event: r.journal.ref(pdu), At: at})
	}
}

// noteGuestLocked adds that a server joined through this one.
func (r *room) noteGuestLocked(name string) {
	if r.journal != nil {
		r.journal.facts = append(r.journal.facts, fact{Kind: factGuest, Name: name})
	}
}

// noteStateLocked adds a fact with a state where another is expected.
func (r *room) noteStateLocked(f fact, pdu *event.PDU, expected, state *State) {
	if pdu != nil {
		f.Event = r.journal.ref(pdu)
	}
	if expected != state {
		for change := range expected.entries().Diff(state.entries()) {
			if change.After == "" {
				f.Gone = append(f.Gone, change.Key)
			} else {
				f.Set = append(f.Set, r.journal.ref(state.Event(change.Key)))
			}
		}
	}
	r.journal.facts = append(r.journal.facts, f)
}

// expectedLocked is the state that most events with these prev_events have before them.
func (r *room) expectedLocked(prev []matrix.EventID) *State {
	for _, id := range prev {
		if n := r.placedLocked(id); n != nil {
			return n.after
		}
	}
	if state, ok := r.edgeLocked(prev); ok {
		return state
	}
	for _, id := range prev {
		if state, ok := r.edgeLocked([]matrix.EventID{id}); ok {
			return state
		}
	}
	return nil
}

// takeFactsLocked returns what is to be recorded of a room, nil for nothing.
func (r *room) takeFactsLocked() []Change {
	j := r.journal
	if j == nil || !j.known || len(j.facts) == 0 {
		return nil
	}
	raw, err := json.Marshal(j.facts)
	if err != nil {
		panic(fmt.Sprintf("homeserver: the facts of a room cannot be encoded: %v", err))
	}
	change := Change{Kind: Fact, Key: string(r.id), Value: raw, Events: j.events}
	*j = journal{known: true}
	return []Change{change}
}

// recordLocked records the facts that were noted, with what else belongs to them.
func (s *Server) recordLocked(r *room, alongside ...Change) {
	if s.cfg.Store == nil {
		return
	}
	if changes := append(r.takeFactsLocked(), alongside...); len(changes) > 0 {
		s.cfg.Store.Record(changes...)
	}
}

// replay applies facts that were recorded together. Nobody else knows the server yet.
func (s *Server) replay(change Change) error {
	var facts []fact
	if err := json.Unmarshal(change.Value, &facts); err != nil {
		return fmt.Errorf("the facts of room %s are malformed: %w", change.Key, err)
	}
	id := matrix.RoomID(change.Key)
	r := s.rooms[id]
	if r == nil {
		if len(change.Events) == 0 {
			return fmt.Errorf("the history of room %s has no beginning", id)
		}
		r = s.newRoom(id, change.Events[0].Version())
		r.journal.known = true
		s.rooms[id] = r
	}
	for _, f := range facts {
		if err := s.replayFact(r, f, change.Events); err != nil {
			return fmt.Errorf("room %s: %w", id, err)
		}
	}
	return nil
}

func (s *Server) replayFact(r *room, f fact, events []*event.PDU) error {
	if f.Event < 0 || f.Event > len(events) {
		return fmt.Errorf("a fact (%s) names event %d of %d", f.Kind, f.Event, len(events))
	}
	var pdu *event.PDU
	if f.Event > 0 {
		pdu = events[f.Event-1]
		s.commons.checked(pdu)
	} else if f.Kind != factLogged && f.Kind != factEdge && f.Kind != factGuest {
		return fmt.Errorf("a fact (%s) names no event", f.Kind)
	}
	for _, ref := range f.Set {
		if ref < 1 || ref > len(events) {
			return fmt.Errorf("a fact (%s) names event %d of %d", f.Kind, ref, len(events))
		}
	}
	switch f.Kind {
	case factLearned:
		r.nodes[pdu.ID()] = &node{pdu: pdu, mark: f.Mark}
	case factBehind:
		if n := r.nodes[pdu.ID()]; n != nil {
			n.mark |= behind
		}
	case factEdge:
		r.keepEdgeLocked(f.Prev, s.told(f, r.current, events))
	case factPlaced, factRecalled, factEntered:
		s.replayPlace(r, f, pdu, events)
	case factLogged:
		s.replayEntry(r, f, pdu, events)
	case factPast:
		r.addPastLocked(Entry{Position: f.At, Event: pdu})
		s.stream.oldest = min(s.stream.oldest, f.At)
	case factGuest:
		r.addGuestLocked(f.Name)
	default:
		return fmt.Errorf("a fact is of the unknown kind %q", f.Kind)
	}
	return nil
}

// told is the state that a fact tells.
func (s *Server) told(f fact, expected *State, events []*event.PDU) *State {
	if len(f.Set)+len(f.Gone) == 0 {
		return expected
	}
	ids := expected.entries()
	for _, key := range f.Gone {
		ids = ids.Without(key)
	}
	for _, ref := range f.Set {
		pdu := events[ref-1]
		s.commons.checked(pdu)
		ids = ids.With(pdu.Key(), pdu.ID())
	}
	return s.commons.intern(ids, expected)
}

func (s *Server) replayPlace(r *room, f fact, pdu *event.PDU, events []*event.PDU) {
	before := s.told(f, r.expectedLocked(pdu.PrevEvents()), events)
	n := &node{pdu: pdu, before: before, after: before, mark: f.Mark}
	if pdu.IsState() && !n.is(rejected) {
		n.after = before.with(s.commons, pdu)
	}
	r.nodes[pdu.ID()] = n
	switch {
	case f.Kind == factEntered:
		r.extremities, r.floor = []*node{n}, pdu.Depth()
	case f.Kind == factPlaced && !n.is(rejected|softFailed):
		r.advanceLocked(n)
		s.redactLocked(r, pdu)
	}
}

func (s *Server) replayEntry(r *room, f fact, pdu *event.PDU, events []*event.PDU) {
	before := r.current
	expected := before
	if pdu != nil && pdu.IsState() {
		expected = before.with(s.commons, pdu)
	}
	entry := Entry{Position: f.At, Event: pdu, State: s.told(f, expected, events)}
	r.log = append(r.log, entry)
	r.current = entry.State
	s.stream.newest = max(s.stream.newest, f.At)
	s.noteMembers(r, before, entry.State, f.At)
}

// appendEvent adds an event unless there is none.
func appendEvent(events []*event.PDU, pdu *event.PDU) []*event.PDU {
	if pdu == nil {
		return events
	}
	return append(events, pdu)
}
