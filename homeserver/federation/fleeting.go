package federation

import (
	"slices"
	"time"
)

// What is outdated soon, such as who types, must not be in the way of what lasts. To a server that is near it goes along
// with events, or at once. To one that is far (over 300 bit/s a transaction takes ten seconds, and there is one at a time)
// it waits for as long as the last transaction took: an event that comes meanwhile goes first and without it, and what is
// newer takes its place.
const (
	// farAway is how long a transaction takes to a server that is far.
	farAway = time.Second
	// maxPatience bounds the wait.
	maxPatience = 15 * time.Second
)

// measuredLocked notes how long a transaction took.
func (s *Sender) measuredLocked(server string, took time.Duration) {
	if took < farAway {
		delete(s.far, server)
		return
	}
	s.far[server] = min(took, maxPatience)
}

// idle says whether nothing waits but what is fleeting.
func (q *queue) idle() bool { return len(q.pending) == 0 && len(lasting(q.edus)) == 0 }

// forgetOutdated drops what has waited for too long. It has no tickets: what is fleeting is not kept.
func (q *queue) forgetOutdated(now time.Time) {
	q.edus = slices.DeleteFunc(q.edus, func(edu waitingEDU) bool {
		return edu.Fleeting && edu.Lasts > 0 && now.Sub(edu.since) > edu.Lasts
	})
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
