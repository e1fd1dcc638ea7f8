package federation

import (
	"slices"
	"time"
)

// In a crowd that joins a room, every join goes to everybody: a thousand joins would be a million transactions. So there
// is a pause between two transactions to one server that carry nothing but who is in a room, and joins that come within
// it go together. The first is sent at once, whatever else is to be sent takes along what waits, and so many joins as
// fill a transaction do not wait either.
//
// Servers whose pause is over stand in line, and each has its turn: whoever lets a crowd in sends a steady 250 such
// transactions a second, however large it is, and the larger it is the more joins go together. Were all of them begun at
// once, a thousand answers would be waited for at the same time; and were the pause alone what holds them back, a machine
// that is short of time would fall ever further behind with transactions of one join each.
const (
	pauseBetween = 500 * time.Millisecond
	turnEvery    = 4 * time.Millisecond
)

// calm says whether nothing waits that ends a pause: of one between joins, anything but who is in a room, or as much as a
// transaction holds; of one for what is fleeting, anything else.
func (q *queue) calm() bool {
	if q.patient {
		return q.idle()
	}
	return q.onlyJoins()
}

// onlyJoins says whether nothing waits but who is in a room, and less than a transaction holds.
func (q *queue) onlyJoins() bool {
	return len(q.edus) == 0 && len(q.pending) < maxPDUs && onlyMembers(q.pending)
}

func onlyMembers(pdus []waitingPDU) bool {
	return !slices.ContainsFunc(pdus, func(pdu waitingPDU) bool { return pdu.Type() != "m.room.member" })
}

// coolLocked begins a pause after a transaction that was taken, and says whether it did.
func (s *Sender) coolLocked(q *queue) bool {
	if far := s.far[q.server]; far > 0 && len(q.edus) > 0 && q.idle() {
		s.pauseLocked(q, far, true)
		return true
	}
	if len(q.txn.edus) > 0 || !onlyMembers(q.txn.pdus) || !q.onlyJoins() {
		return false
	}
	s.pauseLocked(q, pauseBetween-time.Since(q.began), false)
	return true
}

// pauseLocked lets a queue wait; patient says that it is for what is fleeting.
func (s *Sender) pauseLocked(q *queue, d time.Duration, patient bool) {
	q.busy, q.cooling, q.patient = false, true, patient
	if s.closed {
		return
	}
	if d <= 0 {
		s.warmLocked(q)
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.timer == mine {
			s.warmLocked(q)
		}
	})
	q.timer = mine
}

// warmLocked ends a pause. What came meanwhile is sent at once where it waited for the sake of what is fleeting, and
// otherwise when it is this queue's turn.
func (s *Sender) warmLocked(q *queue) {
	patient := q.patient
	q.stopTimer()
	switch {
	case len(q.pending)+len(q.edus) == 0:
		delete(s.queues, q.server)
	case patient:
		s.startLocked(q)
	default:
		q.cooling = true
		s.line = append(s.line, q)
		if s.turn == nil {
			s.nextInLineLocked()
		}
	}
}

// nextInLineLocked starts the first queue of the line that has not been started since it lined up, and goes on with the
// next one a little later.
func (s *Sender) nextInLineLocked() {
	s.turn = nil
	for len(s.line) > 0 && !s.closed {
		q := s.line[0]
		s.line = s.line[1:]
		if !q.cooling || q.timer != nil {
			continue
		}
		s.startLocked(q)
		s.turn = time.AfterFunc(turnEvery, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.nextInLineLocked()
		})
		return
	}
}
