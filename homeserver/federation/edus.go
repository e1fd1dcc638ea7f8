package federation

import (
	"slices"

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
		if edu.Fleeting && q.timer != nil {
			return // the server cannot be reached: it would come late
		}
		s.addEDULocked(q, waitingEDU{edu, ticket})
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

// takeEDUs takes as many EDUs out of the queue as fit into one transaction.
func (q *queue) takeEDUs() []waitingEDU {
	n, size := 0, 0
	for n < len(q.edus) && n < maxEDUs {
		size += len(q.edus[n].Content)
		if n > 0 && size > maxEDUBytes {
			break
		}
		n++
	}
	taken := q.edus[:n:n]
	q.edus = slices.Clone(q.edus[n:])
	return taken
}

// dropFleeting needs Sender.mu. It forgets what would be outdated when the server is reached again. A transaction that has lost
// something is another one.
func (s *Sender) dropFleeting(q *queue) {
	q.edus = lasting(q.edus)
	if q.txn == nil {
		return
	}
	kept := lasting(q.txn.edus)
	switch {
	case len(kept) == len(q.txn.edus):
	case len(kept)+len(q.txn.pdus) == 0:
		q.txn = nil
	default:
		q.txn = s.transaction(q.txn.pdus, kept)
	}
}

func lasting(edus []waitingEDU) []waitingEDU {
	var kept []waitingEDU
	for _, edu := range edus {
		if !edu.Fleeting {
			kept = append(kept, edu)
		}
	}
	return kept
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
