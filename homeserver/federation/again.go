package federation

import (
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// A server answers a transaction with what became of each PDU ("PUT /_matrix/federation/v1/send/{txnId}"). One that is
// still joining a room may drop that room's events without a word, though the servers that were there before take it for
// a member and will not send them again. What is not spoken of is therefore offered again, a few times: from an answer
// on, after Retry's waits.
const (
	maxOffers  = 7    // in all: the last is a minute after the first, by DefaultRetry
	maxOffered = 1000 // events that wait to be offered again, to all servers
)

// offer is an event for a server.
type offer struct {
	server string
	event  matrix.EventID
}

// offerAgain notes of which PDUs of a transaction a server has spoken, and puts the others into its queue again after a
// while.
func (s *Sender) offerAgain(server string, pdus []waitingPDU, spoken func(matrix.EventID) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var again []*event.PDU
	var wait time.Duration
	for _, pdu := range pdus {
		o := offer{server, pdu.ID()}
		offers, before := s.offers[o]
		if spoken(o.event) || offers >= maxOffers-1 || !before && len(s.offers) >= maxOffered {
			delete(s.offers, o)
			continue
		}
		s.offers[o] = offers + 1
		again = append(again, pdu.PDU)
		wait = max(wait, s.retry.nth(offers+1))
	}
	if len(again) == 0 || s.closed {
		return
	}
	time.AfterFunc(wait, func() {
		for _, pdu := range again {
			s.Enqueue(pdu, []string{server})
		}
	})
}

// nth is the wait before the n-th repetition, from 1.
func (r Retry) nth(n int) time.Duration {
	wait := r.First
	for range n - 1 {
		wait = r.after(wait)
	}
	return wait
}
