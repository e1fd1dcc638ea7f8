package federation

import (
	"slices"
	"time"
)

// pauseBetween is the least time between two transactions to one server that carry nothing but who is in a room. In a
// crowd that joins one, every join goes to everybody: a thousand joins would be a million transactions, and those that come
// within the pause go together. The first is sent at once, and whatever else is to be sent takes along what waits.
const pauseBetween = 500 * time.Millisecond

// calm says whether nothing waits that ends a pause: of one between joins, anything but who is in a room; of one for what
// is fleeting, anything else.
func (q *queue) calm() bool {
	if q.patient {
		return q.idle()
	}
	return len(q.edus) == 0 && onlyMembers(q.pending)
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
	left := pauseBetween - time.Since(q.began)
	if left <= 0 || len(q.txn.edus) > 0 || !onlyMembers(q.txn.pdus) || len(q.edus) > 0 || !onlyMembers(q.pending) {
		return false
	}
	s.pauseLocked(q, left, false)
	return true
}

// pauseLocked lets a queue wait; patient says that it is for what is fleeting.
func (s *Sender) pauseLocked(q *queue, d time.Duration, patient bool) {
	q.busy, q.cooling, q.patient = false, true, patient
	if s.closed {
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

// warmLocked ends a pause.
func (s *Sender) warmLocked(q *queue) {
	q.stopTimer()
	if len(q.pending)+len(q.edus) == 0 {
		delete(s.queues, q.server)
		return
	}
	s.startLocked(q)
}
