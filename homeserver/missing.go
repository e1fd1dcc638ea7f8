package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Bounds on what one PDU with missing events may make this server fetch.
const (
	missingPerRequest = 100
	missingRounds     = 40
	maxMissingStates  = 20  // gaps closed by asking for the state
	maxEarliest       = 200 // known events that are named, so that the request stays small
)

// unavailableError says that events are missing and no server gave them now. Trying again may help: the server
// that has them can be reached, or those that are missing come by themselves.
type unavailableError struct {
	id    matrix.EventID
	cause error
}

func (e *unavailableError) Error() string {
	return fmt.Sprintf("events before %s are not to be had now: %v", e.id, e.cause)
}

func (e *unavailableError) Unwrap() error { return e.cause }

// fetchAndIntegrate gets the events that lead from the known graph to a PDU from the server that sent it, then
// the state before those that still have a gap behind them, and puts all into the room. The caller holds
// r.fetching.
func (s *Server) fetchAndIntegrate(ctx context.Context, r *room, origin string, pdu *event.PDU) error {
	if s.cfg.Remote == nil {
		return failf(NotFound, "events before %s are missing", pdu.ID())
	}
	f := fetch{s: s, r: r, origin: origin, pool: map[matrix.EventID]*event.PDU{pdu.ID(): pdu}}
	if err := f.history(ctx, pdu); err != nil {
		return err
	}
	if err := f.recall(ctx); err != nil {
		return &unavailableError{pdu.ID(), err}
	}
	for _, p := range inOrder(f.pool) {
		err := f.integrate(ctx, p)
		if err == nil {
			continue
		}
		if unavailable := (*unavailableError)(nil); p == pdu || errors.As(err, &unavailable) {
			return err
		}
		s.log.Debug("an event before another is unusable", "room", r.id, "event", p.ID(), "error", err)
	}
	return nil
}

// fetch is one effort to complete the graph before a PDU.
type fetch struct {
	s      *Server
	r      *room
	origin string
	pool   map[matrix.EventID]*event.PDU // vetted events, not yet in the graph
	states int                           // how often a state was asked for
}

// history asks for missing events until the pool reaches the known graph, or nothing more comes.
func (f *fetch) history(ctx context.Context, pdu *event.PDU) error {
	for range missingRounds {
		latest := f.frontier()
		if len(latest) == 0 {
			return nil
		}
		raws, err := f.s.cfg.Remote.MissingEvents(ctx, f.origin, string(f.r.id), MissingQuery{
			Earliest: f.earliest(), Latest: latest, Limit: missingPerRequest, MinDepth: f.r.floorDepth(),
		})
		if err != nil {
			return &unavailableError{pdu.ID(), err}
		}
		if f.take(ctx, raws) == 0 {
			return nil
		}
	}
	return nil
}

// frontier lists the events of the pool that have events before them which are not known, at most twenty of them.
func (f *fetch) frontier() []string {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	var ids []string
	for _, pdu := range inOrder(f.pool) {
		if len(ids) < maxPrev && f.hasGapLocked(pdu) {
			ids = append(ids, string(pdu.ID()))
		}
	}
	return ids
}

func (f *fetch) hasGapLocked(pdu *event.PDU) bool {
	if _, ok := f.r.edgeLocked(pdu.PrevEvents()); ok {
		return false
	}
	for _, id := range pdu.PrevEvents() {
		known := f.pool[id] != nil || f.r.placedLocked(id) != nil || f.r.recallableLocked(id) != nil
		if !known && !f.r.isEdgeLocked(id) {
			return true
		}
	}
	return false
}

// earliest names what is known: the forward extremities, and where this server's part of the graph begins. Where that
// is much it names the latest: strangers decide how many gaps a graph has.
func (f *fetch) earliest() []string {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	ids := []string{}
	for _, n := range f.r.extremities {
		ids = append(ids, string(n.pdu.ID()))
	}
	for _, e := range f.r.edges {
		for _, id := range e.prev {
			ids = append(ids, string(id))
		}
	}
	return ids[max(0, len(ids)-maxEarliest):]
}

func (r *room) floorDepth() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.floor
}

// take adds events to the pool and returns how many were new.
func (f *fetch) take(ctx context.Context, raws []json.RawMessage) (added int) {
	for _, pdu := range f.s.vetAll(ctx, atMost(raws, missingPerRequest), f.r.version) {
		if pdu.RoomID() != f.r.id || f.pool[pdu.ID()] != nil || f.s.has(f.r, pdu) {
			continue
		}
		f.pool[pdu.ID()] = pdu
		added++
	}
	return added
}

// atMost leaves out what another server answers beyond what it was asked for.
func atMost(raws []json.RawMessage, limit int) []json.RawMessage {
	return raws[:min(len(raws), limit)]
}

// inOrder returns events behind those that they refer to.
func inOrder(pdus map[matrix.EventID]*event.PDU) []*event.PDU {
	order := make([]*event.PDU, 0, len(pdus))
	done := make(map[matrix.EventID]bool, len(pdus))
	var visit func(pdu *event.PDU)
	visit = func(pdu *event.PDU) {
		if done[pdu.ID()] {
			return
		}
		done[pdu.ID()] = true
		for _, id := range pdu.PrevEvents() {
			if prev := pdus[id]; prev != nil {
				visit(prev)
			}
		}
		order = append(order, pdu)
	}
	for _, pdu := range slices.SortedFunc(maps.Values(pdus), byDepth) {
		visit(pdu)
	}
	return order
}

// integrate puts one event of the pool into the room.
func (f *fetch) integrate(ctx context.Context, pdu *event.PDU) error {
	complete, err := f.s.tryIntegrate(f.r, f.origin, pdu)
	if complete {
		delete(f.pool, pdu.ID())
		return err
	}
	if err := f.authEvents(ctx, pdu); err != nil {
		return err
	}
	if complete, err = f.s.tryIntegrate(f.r, f.origin, pdu); complete {
		return err
	}
	if err := f.stateBefore(ctx, pdu); err != nil {
		return err
	}
	if complete, err = f.s.tryIntegrate(f.r, f.origin, pdu); !complete {
		return failf(NotFound, "%s does not give what event %s refers to", f.origin, pdu.ID())
	}
	return err
}

// authEvents fetches the auth chain of an event when some of it is missing.
func (f *fetch) authEvents(ctx context.Context, pdu *event.PDU) error {
	f.r.mu.Lock()
	_, missing := f.r.authEventsLocked(pdu)
	f.r.mu.Unlock()
	if len(missing) == 0 {
		return nil
	}
	raws, err := f.s.cfg.Remote.EventAuth(ctx, f.origin, string(f.r.id), string(pdu.ID()))
	if err != nil {
		return &unavailableError{pdu.ID(), err}
	}
	chain := f.s.vetAll(ctx, raws, f.r.version)
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	f.s.learnLocked(f.r, chain)
	if _, missing := f.r.authEventsLocked(pdu); len(missing) > 0 {
		return failf(NotFound, "%s does not give auth event %s of event %s", f.origin, missing[0], pdu.ID())
	}
	return nil
}

// stateBefore asks for the state before an event with a gap behind it.
func (f *fetch) stateBefore(ctx context.Context, pdu *event.PDU) error {
	if f.states++; f.states > maxMissingStates {
		// By the next try others may have closed some of them.
		return &unavailableError{pdu.ID(), failf(NotFound, "event %s has too many gaps behind it", pdu.ID())}
	}
	state, err := f.s.remoteState(ctx, f.r, f.origin, string(pdu.ID()))
	if err != nil {
		return &unavailableError{pdu.ID(), err}
	}
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	f.r.setEdgeLocked(pdu.PrevEvents(), state)
	f.s.recordLocked(f.r)
	return nil
}

// remoteState learns the state before an event from another server: first the ids, then what is not known yet,
// one by one when that is little, and otherwise all at once.
func (s *Server) remoteState(ctx context.Context, r *room, server, eventID string) (*State, error) {
	ids, err := s.cfg.Remote.StateIDs(ctx, server, string(r.id), eventID)
	if err != nil {
		return nil, err
	}
	fetched, err := s.fetchUnknown(ctx, r, server, eventID, ids)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.learnLocked(r, fetched)
	state := make([]*event.PDU, 0, len(ids.PDUs))
	for _, id := range ids.PDUs {
		if n := r.nodes[matrix.EventID(id)]; n != nil {
			state = append(state, n.pdu)
		}
	}
	learnt := s.learnStateLocked(r, nil, state)
	if learnt.Get(matrix.TypeCreate, "") == nil {
		return nil, failf(NotFound, "%s gives a state before event %s without a create event", server, eventID)
	}
	return learnt, nil
}

// fewEvents is how many events are fetched one by one rather than with the whole state.
const fewEvents = 10

func (s *Server) fetchUnknown(ctx context.Context, r *room, server, eventID string, ids StateIDs) ([]*event.PDU, error) {
	unknown := r.unknown(slices.Concat(ids.AuthChain, ids.PDUs))
	if len(unknown) > fewEvents {
		answer, err := s.cfg.Remote.State(ctx, server, string(r.id), eventID)
		if err != nil {
			return nil, err
		}
		return s.vetAll(ctx, slices.Concat(answer.AuthChain, answer.PDUs), r.version), nil
	}
	var raws []json.RawMessage
	for _, id := range unknown {
		raw, err := s.cfg.Remote.Event(ctx, server, id)
		if err != nil && KindOf(err) == Unreachable {
			return nil, err
		}
		if err == nil {
			raws = append(raws, raw)
		}
	}
	return s.vetAll(ctx, raws, r.version), nil
}

func (r *room) unknown(ids []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var unknown []string
	seen := map[string]bool{}
	for _, id := range ids {
		if r.nodes[matrix.EventID(id)] == nil && !seen[id] {
			seen[id] = true
			unknown = append(unknown, id)
		}
	}
	return unknown
}
