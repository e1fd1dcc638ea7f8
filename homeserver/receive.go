package homeserver

import (
	"context"
	"encoding/json"
	"errors"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Receive processes the PDUs of a transaction and returns what became of each, by event id where that is
// known: nil, or why it was dropped. Rejected and soft-failed PDUs are not errors. A PDU whose missing events no
// server gives now is parked and tried again later. Closing the server ends it.
func (s *Server) Receive(ctx context.Context, origin string, pdus []json.RawMessage) map[string]error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := map[string]error{}
	s.background(func(closing context.Context) {
		defer context.AfterFunc(closing, cancel)()
		patience := newGrace(ctx)
		for _, raw := range pdus {
			pdu, err := s.receiveOne(ctx, origin, raw, patience)
			if err != nil {
				s.log.Debug("dropped a PDU", "origin", origin, "error", err)
				s.garbage.note(origin, func(g *Garbage) { g.PDUs++ })
			}
			if pdu != nil {
				results[string(pdu.ID())] = err
			}
		}
	})
	return results
}

func (s *Server) receiveOne(ctx context.Context, origin string, raw json.RawMessage, patience func() context.Context) (*event.PDU, error) {
	var place struct {
		RoomID matrix.RoomID `json:"room_id"`
	}
	if err := json.Unmarshal(raw, &place); err != nil {
		return nil, fail(BadRequest, err, "a PDU is no JSON object")
	}
	s.awaitJoin(ctx, place.RoomID)
	r := s.room(place.RoomID)
	if r == nil || !r.isJoined() {
		return s.receiveElsewhere(ctx, place.RoomID, raw)
	}
	pdu, err := s.commons.parse(raw, r.version)
	if err != nil {
		return nil, err
	}
	if pdu.RoomID() != r.id {
		return pdu, failf(BadRequest, "a PDU says two room ids, %s and %s", r.id, pdu.RoomID())
	}
	if s.has(r, pdu) {
		return pdu, nil
	}
	if pdu, err = s.vet(ctx, pdu); err != nil {
		return pdu, err
	}
	if err := s.checkACL(r, origin, string(pdu.Sender().Server())); err != nil {
		return pdu, err
	}
	complete, err := s.tryIntegrate(r, origin, pdu)
	if !complete && err == nil {
		complete, _, err = s.await(patience(), r, origin, pdu, nil)
	}
	if !complete && err == nil {
		err = s.integrate(ctx, r, origin, pdu)
	}
	if unavailable := (*unavailableError)(nil); errors.As(err, &unavailable) {
		s.park(r, origin, pdu)
		return pdu, nil
	}
	return pdu, err
}

// has reports whether an event has its place in the graph already.
func (s *Server) has(r *room, pdu *event.PDU) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.placedLocked(pdu.ID()) != nil
}

func (s *Server) checkACL(r *room, servers ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range servers {
		if err := r.aclLocked(name); err != nil {
			return err
		}
	}
	return nil
}

// receiveElsewhere takes a PDU of a room that this server is not in: all that can matter is that an invite is
// taken back.
func (s *Server) receiveElsewhere(ctx context.Context, roomID matrix.RoomID, raw json.RawMessage) (*event.PDU, error) {
	version := s.invitedVersion(roomID)
	if version == nil {
		return nil, failf(NotFound, "%s is not in room %s", s.cfg.Name, roomID)
	}
	pdu, err := s.vetted(ctx, raw, version)
	if err != nil {
		return nil, err
	}
	if pdu.Membership() == matrix.Leave || pdu.Membership() == matrix.Ban {
		s.noteRetraction(pdu)
	}
	return pdu, nil
}

// invitedVersion is the version of a room that a local user is invited to or knocks at, nil for other rooms.
func (s *Server) invitedVersion(roomID matrix.RoomID) *matrix.RoomVersion {
	s.members.mu.RLock()
	defer s.members.mu.RUnlock()
	for _, rooms := range s.members.users {
		if m, ok := rooms[string(roomID)]; ok && (m.Membership == matrix.Invite || m.Membership == matrix.Knock) {
			return m.Event.Version()
		}
	}
	return nil
}

// integrate puts a vetted PDU into the room, fetching what its graph lacks first. Until it is its turn to fetch, what is
// missing may still come by itself.
func (s *Server) integrate(ctx context.Context, r *room, origin string, pdu *event.PDU) error {
	complete, mine, err := s.await(ctx, r, origin, pdu, r.fetching)
	if complete || err != nil {
		return err
	}
	if !mine { // what it lacks does not come: events of its auth chain, or of the state before it
		select {
		case r.fetching <- struct{}{}:
		case <-ctx.Done():
			return &unavailableError{pdu.ID(), ctx.Err()}
		}
	}
	defer func() { <-r.fetching }()
	// Whoever fetched before may have brought what is missing here too.
	if complete, err = s.tryIntegrate(r, origin, pdu); complete || err != nil {
		return err
	}
	return s.fetchUnlessItComes(ctx, r, origin, pdu)
}

// fetchUnlessItComes gives up fetching when what was missing has come by itself meanwhile: others wait for their turn.
func (s *Server) fetchUnlessItComes(ctx context.Context, r *room, origin string, pdu *event.PDU) error {
	fetching, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan bool)
	go func() {
		complete, _, err := s.await(fetching, r, origin, pdu, nil)
		if complete = complete && err == nil; complete {
			cancel()
		}
		came <- complete
	}()
	err := s.fetchAndIntegrate(fetching, r, origin, pdu)
	cancel()
	if <-came {
		return nil
	}
	return err
}

// tryIntegrate puts a PDU into the room if all that it refers to is known.
func (s *Server) tryIntegrate(r *room, origin string, pdu *event.PDU) (complete bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.placedLocked(pdu.ID()) != nil {
		return true, nil
	}
	if len(pdu.PrevEvents()) == 0 {
		return true, failf(BadRequest, "event %s has no prev_events", pdu.ID())
	}
	if _, missing := r.authEventsLocked(pdu); len(missing) > 0 {
		return false, nil
	}
	before, missing, err := s.beforeLocked(r, pdu.PrevEvents())
	if err != nil || len(missing) > 0 {
		return false, nil // what state resolution lacks is fetched as well
	}
	outcome := s.acceptLocked(r, pdu, before)
	s.recordLocked(r)
	s.observe(origin, pdu, outcome)
	if outcome == Accepted {
		s.relayLocked(r, origin, r.nodes[pdu.ID()])
	}
	return true, nil
}
