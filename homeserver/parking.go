package homeserver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"meshsim/matrix/event"
)

// Parked PDUs wait for missing events that no server gave when they came.
const (
	maxParked       = 256             // in one room
	parkingAttempts = 20              // while servers cannot be reached
	parkingRefusals = 6               // when they can, but do not give what is missing
	parkingDelay    = 2 * time.Second // doubled each time
	maxParkingDelay = time.Minute
)

// parking holds the PDUs of one room that are tried again later.
type parking struct {
	pdus  []parkedPDU
	timer *time.Timer // nil while nothing waits
}

type parkedPDU struct {
	pdu      *event.PDU
	origin   string
	attempts int
	refused  bool // by the latest attempt
}

func (s *Server) park(r *room, origin string, pdu *event.PDU) {
	s.parkAgain(r, parkedPDU{pdu: pdu, origin: origin})
}

func (s *Server) parkAgain(r *room, p parkedPDU) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.parked.pdus {
		if other.pdu.ID() == p.pdu.ID() {
			return
		}
	}
	if p.attempts >= parkingAttempts || p.refused && p.attempts >= parkingRefusals {
		s.giveUpParked(r, p)
		return
	}
	if len(r.parked.pdus) >= maxParked {
		displaced, ok := r.parked.displace(p.origin)
		if !ok {
			s.giveUpParked(r, p)
			return
		}
		s.giveUpParked(r, displaced)
	}
	if p.attempts == 0 {
		s.keepParked(p)
	}
	r.parked.pdus = append(r.parked.pdus, p)
	if r.parked.timer == nil {
		delay := min(parkingDelay<<p.attempts, maxParkingDelay)
		r.parked.timer = time.AfterFunc(delay, func() { s.background(func(ctx context.Context) { s.unpark(ctx, r) }) })
	}
}

// displace makes room for a PDU of an origin by taking out the latest of the origin that has most, and returns it. False
// says that none has more than this one: every origin has its share, so that a hostile server has only itself to crowd
// out.
func (p *parking) displace(origin string) (parkedPDU, bool) {
	counts := map[string]int{}
	greediest := origin
	for _, parked := range p.pdus {
		counts[parked.origin]++
		if n := counts[parked.origin]; n > counts[greediest] {
			greediest = parked.origin
		}
	}
	if counts[greediest] <= counts[origin]+1 {
		return parkedPDU{}, false
	}
	for i, parked := range slices.Backward(p.pdus) {
		if parked.origin == greediest {
			p.pdus = slices.Delete(p.pdus, i, i+1)
			return parked, true
		}
	}
	return parkedPDU{}, false
}

func (s *Server) giveUpParked(r *room, p parkedPDU) {
	s.log.Warn("gave up on a PDU whose missing events nobody gives", "room", r.id, "event", p.pdu.ID(), "origin", p.origin)
	s.Drop(kindParked, string(r.id), string(p.pdu.ID()))
}

// unpark tries all parked PDUs of a room once: with the server that sent them, then with another.
func (s *Server) unpark(ctx context.Context, r *room) {
	r.mu.Lock()
	pdus := r.parked.pdus
	r.parked = parking{}
	r.mu.Unlock()
	slices.SortFunc(pdus, func(a, b parkedPDU) int { return cmp.Compare(a.pdu.Depth(), b.pdu.Depth()) })
	for _, p := range pdus {
		err := s.integrateFrom(ctx, r, p)
		if err == nil {
			s.Drop(kindParked, string(r.id), string(p.pdu.ID()))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Debug("a parked PDU stays parked", "room", r.id, "event", p.pdu.ID(), "error", err)
			p.attempts++
			p.refused = KindOf(err) != Unreachable
			s.parkAgain(r, p)
		}
	}
}

func (s *Server) integrateFrom(ctx context.Context, r *room, p parkedPDU) error {
	err := s.integrate(ctx, r, p.origin, p.pdu)
	if unavailable := (*unavailableError)(nil); !errors.As(err, &unavailable) {
		return nil // done, or beyond help
	}
	others := r.otherServers(s.cfg.Name)
	if len(others) == 0 {
		return err
	}
	return s.integrate(ctx, r, others[p.attempts%len(others)], p.pdu)
}
