package federation

import (
	"slices"
	"time"

	"meshsim/homeserver"
)

const (
	// maxEDUBacklog is how many EDUs wait for a server that cannot be reached; the oldest give way.
	maxEDUBacklog = 1000
	// maxEDUBytes bounds the EDUs of one transaction, so that with its PDUs it stays below maxBody.
	maxEDUBytes = 4 << 20
)

// EnqueueEDU implements homeserver.Outbox.
func (s *Sender) EnqueueEDU(edu homeserver.EDU, destinations []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ticket := s.ledger.edu(edu, destinations)
	s.enqueueLocked(destinations, func(q *queue) {
		if edu.Fleeting && q.timer != nil && !q.cooling {
			return // the server cannot be reached: it would come late
		}
		s.addEDULocked(q, waitingEDU{EDU: edu, ticket: ticket, since: time.Now()})
	})
}

// addEDULocked puts an EDU at the end of a queue, in place of what it makes outdated. When too many wait, the oldest one
// gives way.
func (s *Sender) addEDULocked(q *queue, edu waitingEDU) {
	var dropped []*ticket
	if edu.Key != "" {
		q.edus = slices.DeleteFunc(q.edus, func(old waitingEDU) bool {
			outdated := old.Type == edu.Type && old.Key == edu.Key
			if outdated {
				dropped = append(dropped, old.ticket)
			}
			return outdated
		})
	}
	if len(q.edus) >= maxEDUBacklog {
		s.log.Warn("an EDU was dropped: too many wait", "server", q.server, "waiting", maxEDUBacklog)
		dropped = append(dropped, q.edus[0].ticket)
		q.edus = slices.Delete(q.edus, 0, 1)
	}
	q.edus = append(q.edus, edu)
	s.ledger.over(dropped)
}

// takeEDUs takes as many EDUs out of the queue as fit into one transaction, on demand only those that last.
func (q *queue) takeEDUs(onlyLasting bool) (taken []waitingEDU) {
	var left []waitingEDU
	size := 0
	for i, edu := range q.edus {
		size += len(edu.Content)
		if len(taken) == maxEDUs || len(taken) > 0 && size > maxEDUBytes {
			left = append(left, q.edus[i:]...)
			break
		}
		if onlyLasting && edu.Fleeting {
			size -= len(edu.Content)
			left = append(left, edu)
			continue
		}
		taken = append(taken, edu)
	}
	q.edus = left
	return taken
}

// appendEDUs is canonical by construction: contents are, and the members are in order.
func appendEDUs(b []byte, edus []waitingEDU) []byte {
	for i, edu := range edus {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"content":`...), edu.Content...)
		b = append(append(b, `,"edu_type":"`...), edu.Type...)
		b = append(b, `"}`...)
	}
	return b
}
