package federation

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix/event"
)

// The kinds of changes that a sender and a handler record.
const (
	kindOutgoing = "outgoing" // an event or EDU with the servers that it is for
	kindTaken    = "taken"    // what a server has taken of it
	kindReceived = "received" // the latest transaction of a server
)

// waitingPDU and waitingEDU wait for one server. The ticket is nil where there is no store.
type (
	waitingPDU struct {
		*event.PDU
		*ticket
	}
	waitingEDU struct {
		homeserver.EDU
		*ticket
		since time.Time // in the queue; zero for one that was kept from before
	}
)

// ticket is something outgoing that is kept until all servers that it is for have taken it. Sender.mu guards it.
type ticket struct {
	number int64 // ascending
	left   int   // servers that have not taken it
}

// ledger keeps in a store what waits for other servers. Sender.mu guards it; without a store it does nothing.
type ledger struct {
	store homeserver.Store
	last  int64 // number that was given
	upto  map[string]taken
}

// taken is up to which numbers a server has taken everything that was for it.
type taken struct {
	Server   string
	PDU, EDU int64
}

// storedOutgoing goes with the event, when it is one.
type storedOutgoing struct {
	Number       int64
	Destinations []string
	EDU          *homeserver.EDU `json:",omitempty"`
}

// event records that an event waits, in one with other changes.
func (l *ledger) event(pdu *event.PDU, destinations []string, alongside []homeserver.Change) *ticket {
	if l.store == nil {
		return nil
	}
	ticket, change := l.issue(storedOutgoing{Destinations: destinations})
	change.Events = []*event.PDU{pdu}
	l.store.Record(append(alongside, change)...)
	return ticket
}

// edu records that an EDU waits, unless nobody wants it late.
func (l *ledger) edu(edu homeserver.EDU, destinations []string) *ticket {
	if l.store == nil || edu.Fleeting {
		return nil
	}
	ticket, change := l.issue(storedOutgoing{Destinations: destinations, EDU: &edu})
	l.store.Record(change)
	return ticket
}

func (l *ledger) issue(out storedOutgoing) (*ticket, homeserver.Change) {
	l.last++
	out.Number = l.last
	return &ticket{l.last, len(out.Destinations)}, homeserver.Kept(kindOutgoing, out, outgoingKey(l.last))
}

func outgoingKey(number int64) string { return strconv.FormatInt(number, 10) }

// taken records that a server has taken a transaction. When that is lost, the server gets it again, which does no harm.
func (l *ledger) taken(server string, txn *transaction) {
	if l.store == nil {
		return
	}
	upto := l.upto[server]
	upto.Server = server
	var tickets []*ticket
	for _, pdu := range txn.pdus {
		upto.PDU = max(upto.PDU, pdu.number)
		tickets = append(tickets, pdu.ticket)
	}
	for _, edu := range txn.edus {
		if edu.ticket != nil {
			upto.EDU = max(upto.EDU, edu.number)
			tickets = append(tickets, edu.ticket)
		}
	}
	if l.upto == nil {
		l.upto = map[string]taken{}
	}
	l.upto[server] = upto
	l.store.Record(homeserver.Kept(kindTaken, upto, server))
	l.over(tickets)
}

// over notes that something is not to be sent to one server any more.
func (l *ledger) over(tickets []*ticket) {
	if l.store == nil {
		return
	}
	for _, t := range tickets {
		if t == nil {
			continue
		}
		if t.left--; t.left == 0 {
			l.store.Record(homeserver.Change{Kind: kindOutgoing, Key: outgoingKey(t.number)})
		}
	}
}

// Restore queues what waited when the store was last used. It is called before anything is enqueued; the sender begins to
// send at once.
func (s *Sender) Restore(recall homeserver.Recall) error {
	if s.ledger.store == nil {
		return nil
	}
	type waiting struct {
		storedOutgoing
		pdu *event.PDU
	}
	var all []waiting
	err := s.ledger.store.Load(recall, func(c homeserver.Change) error {
		if c.Kind == kindTaken {
			var upto taken
			err := json.Unmarshal(c.Value, &upto)
			s.ledger.restore(upto)
			return err
		}
		var out waiting
		if len(c.Events) > 0 {
			out.pdu = c.Events[0]
		}
		err := json.Unmarshal(c.Value, &out.storedOutgoing)
		all = append(all, out)
		return err
	}, kindTaken, kindOutgoing)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b waiting) int { return cmp.Compare(a.Number, b.Number) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, out := range all {
		s.requeueLocked(out.storedOutgoing, out.pdu)
	}
	return nil
}

func (l *ledger) restore(upto taken) {
	if l.upto == nil {
		l.upto = map[string]taken{}
	}
	l.upto[upto.Server] = upto
	l.last = max(l.last, upto.PDU, upto.EDU)
}

// requeueLocked queues something for the servers that have not taken it.
func (s *Sender) requeueLocked(out storedOutgoing, pdu *event.PDU) {
	l := &s.ledger
	l.last = max(l.last, out.Number)
	left := slices.DeleteFunc(out.Destinations, func(server string) bool {
		upto := l.upto[server]
		return pdu != nil && upto.PDU >= out.Number || pdu == nil && upto.EDU >= out.Number
	})
	if len(left) == 0 || pdu == nil && out.EDU == nil {
		l.store.Record(homeserver.Change{Kind: kindOutgoing, Key: outgoingKey(out.Number)})
		return
	}
	waits := &ticket{out.Number, len(left)}
	s.enqueueLocked(left, func(q *queue) {
		if pdu != nil {
			s.addLocked(q, waitingPDU{pdu, waits})
		} else {
			s.addEDULocked(q, waitingEDU{EDU: *out.EDU, ticket: waits})
		}
	})
}
