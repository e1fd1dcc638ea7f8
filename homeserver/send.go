package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/eventauth"
)

// maxPrev bounds prev_events of events made here. The rest of a wide graph's extremities stays for the events
// to come (the event format allows 20).
const maxPrev = 20

// Draft is an event that a local user wants to send.
type Draft struct {
	RoomID   string
	Sender   string
	Type     string
	StateKey *string         // nil for an event that is no state
	Content  json.RawMessage // a JSON object; nil for an empty one
	Redacts  string          // the target of an m.room.redaction, put where the room version wants it
	Built    func(id string) // told the event's id before anybody can see the event; may be nil
	// Alongside returns what is to be recorded in one with the event. It is called where there is a store; may be nil.
	Alongside func(id string) []Change
}

// Send builds, checks, signs and sends an event into a room that this server is in. It does not wait for
// other servers. Errors: NotFound for the room, Forbidden by the authorisation rules, TooLarge, BadRequest.
func (s *Server) Send(_ context.Context, d Draft) (*event.PDU, error) {
	r := s.room(matrix.RoomID(d.RoomID))
	if r == nil {
		return nil, failf(NotFound, "this server is not in room %s", d.RoomID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.joined {
		return nil, failf(Forbidden, "nobody on this server is in room %s", d.RoomID)
	}
	return s.sendLocked(r, d)
}

func (s *Server) sendLocked(r *room, d Draft) (*event.PDU, error) {
	pdu, before, err := s.buildLocked(r, d)
	if err != nil {
		return nil, err
	}
	if d.Built != nil {
		d.Built(string(pdu.ID()))
	}
	var alongside []Change
	if s.cfg.Store != nil && d.Alongside != nil {
		alongside = d.Alongside(string(pdu.ID()))
	}
	if err := s.admitLocked(r, pdu, before, alongside...); err != nil {
		return nil, err
	}
	return pdu, nil
}

// buildLocked makes a signed event that follows the room's extremities and is allowed there.
func (s *Server) buildLocked(r *room, d Draft) (*event.PDU, *State, error) {
	b, before, err := s.draftLocked(r, d)
	if err != nil {
		return nil, nil, err
	}
	pdu, err := s.sign(b, r.version)
	if err != nil {
		return nil, nil, err
	}
	if err := s.allowed(pdu, before); err != nil {
		return nil, nil, err
	}
	return pdu, before, nil
}

// draftLocked fills in what the room says: prev_events, auth_events and depth.
func (s *Server) draftLocked(r *room, d Draft) (event.Builder, *State, error) {
	content, err := canonicalContent(d.Content)
	if err != nil {
		return event.Builder{}, nil, err
	}
	b := event.Builder{
		RoomID: r.id, Type: d.Type, StateKey: d.StateKey, Sender: matrix.UserID(d.Sender), Content: content,
		Redacts: matrix.EventID(d.Redacts),
	}
	for _, n := range r.extremities[:min(len(r.extremities), maxPrev)] {
		b.PrevEvents = append(b.PrevEvents, n.pdu.ID())
		b.Depth = max(b.Depth, min(n.pdu.Depth()+1, matrix.MaxSafeInteger))
	}
	before, missing, err := s.beforeLocked(r, b.PrevEvents)
	if err != nil || len(missing) > 0 {
		return event.Builder{}, nil, fail(Internal, err, "the state of room %s cannot be resolved", r.id)
	}
	b.AuthEvents = selectAuthEvents(b, r.version, before)
	return b, before, nil
}

// selectAuthEvents is the specification's "Auth events selection".
func selectAuthEvents(b event.Builder, version *matrix.RoomVersion, state *State) []matrix.EventID {
	target := eventauth.Target{Type: b.Type, IsState: b.StateKey != nil, Sender: b.Sender, Content: b.Content}
	if b.StateKey != nil {
		target.StateKey = *b.StateKey
	}
	ids := []matrix.EventID{}
	for _, k := range target.StateNeeded(version) {
		if pdu := state.Event(k); pdu != nil {
			ids = append(ids, pdu.ID())
		}
	}
	return ids
}

func canonicalContent(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	content, err := matrix.CanonicalJSON(raw)
	if err != nil {
		return nil, fail(BadRequest, err, "the content is no canonical JSON")
	}
	if content[0] != '{' {
		return nil, failf(BadRequest, "the content must be a JSON object")
	}
	return content, nil
}

// sign builds an event of this server.
func (s *Server) sign(b event.Builder, version *matrix.RoomVersion) (*event.PDU, error) {
	return s.signAt(b, version, time.Now())
}

func (s *Server) signAt(b event.Builder, version *matrix.RoomVersion, at time.Time) (*event.PDU, error) {
	pdu, err := s.build(b, version, at)
	if err != nil {
		return nil, err
	}
	pdu = s.commons.keep(pdu)
	s.commons.setVerdict(pdu, true)
	return pdu, nil
}

func (s *Server) build(b event.Builder, version *matrix.RoomVersion, at time.Time) (*event.PDU, error) {
	pdu, err := b.Build(version, matrix.ServerName(s.cfg.Name), matrix.KeyID(s.cfg.KeyID), s.cfg.Key, at)
	if size := (*event.SizeError)(nil); errors.As(err, &size) {
		return nil, fail(TooLarge, err, "the event is too large")
	}
	if err != nil {
		return nil, fail(BadRequest, err, "the event is malformed")
	}
	return pdu, nil
}

func (s *Server) allowed(pdu *event.PDU, before *State) error {
	if err := checkState(pdu, before); err != nil {
		return fail(Forbidden, err, "the room's rules refuse this %s event", pdu.Type())
	}
	return nil
}

// admitLocked puts an event that this server vouches for into the room and sends it to the other servers. All of it
// is recorded together, with what else belongs to it.
func (s *Server) admitLocked(r *room, pdu *event.PDU, before *State, alongside ...Change) error {
	earlier := r.current
	switch s.acceptLocked(r, pdu, before) {
	case Rejected:
		s.recordLocked(r)
		return failf(Forbidden, "the room's rules refuse this %s event", pdu.Type())
	case SoftFailed:
		s.recordLocked(r)
		return failf(Forbidden, "the room's current state refuses this %s event", pdu.Type())
	}
	others := s.concernedLocked(r, pdu, earlier)
	if len(others) == 0 {
		s.recordLocked(r, alongside...)
		return nil
	}
	s.cfg.Outbox.Enqueue(pdu, others, append(r.takeFactsLocked(), alongside...)...)
	return nil
}

// concernedLocked returns all servers that are or, until this event, were in the room, apart from this one and the
// sender's.
func (s *Server) concernedLocked(r *room, pdu *event.PDU, earlier *State) []string {
	if s.cfg.Outbox == nil {
		return nil
	}
	others := slices.Concat(earlier.JoinedServers(), r.current.JoinedServers())
	if pdu.Membership() == matrix.Leave || pdu.Membership() == matrix.Ban {
		others = append(others, serverOf(pdu.Key().StateKey)) // perhaps only invited
	}
	slices.Sort(others)
	return slices.DeleteFunc(slices.Compact(others), func(name string) bool {
		return name == s.cfg.Name || name == string(pdu.Sender().Server())
	})
}

// MaySend returns nil when an event would be allowed now, and otherwise what Send would return.
func (s *Server) MaySend(d Draft) error {
	r, err := s.residentRoom(d.RoomID)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _, err = s.buildLocked(r, d)
	return err
}
