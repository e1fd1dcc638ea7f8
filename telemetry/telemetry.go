// Package telemetry holds the types of the mesh's event stream and the hub that carries them.
//
// Whoever sees something happen (a gateway, a homeserver) publishes a small immutable value; the hub
// groups what belongs together (one event sent to a thousand servers is one group, not a thousand
// messages) and hands batches to subscribers within [MaxDelay]. A subscriber that does not keep up loses
// the oldest batches and is told how many notifications it lost; it is never waited for.
//
// The package stands at the bottom of the tree: it imports nothing of ours and knows neither packets nor
// homeservers. Servers are named by their mesh id, paths by the version of the route table in force
// together with both ends, so that a path is spelled out only where somebody reads it.
package telemetry

import "time"

// MaxDelay is how long a notification may stay in the hub before it is handed to subscribers.
const MaxDelay = 10 * time.Millisecond

// Transport says how a transaction crossed the mesh.
type Transport string

// The transports between two gateways.
const (
	HTTPS   Transport = "https"
	Lowband Transport = "lowband"
)

// Basis says what an observer knows when it reports an event as received (CONTRACTS.md, Gateway).
type Basis string

// Processed: the homeserver itself says that it handled the event. Accepted: it answered /send, which is
// all that can be seen of a stock homeserver from outside.
const (
	Processed Basis = "processed"
	Accepted  Basis = "accepted"
)

// Outcome is what a homeserver made of an event that it received.
type Outcome string

// The outcomes of the checks performed on receipt of a PDU (server-server specification).
const (
	OutcomeAccepted   Outcome = "accepted"
	OutcomeSoftFailed Outcome = "soft_failed"
	OutcomeRejected   Outcome = "rejected"
)

// Event describes one PDU. It is immutable and shared by all that report it.
type Event struct {
	ID       string // event id, computed with the room's version
	Type     string
	RoomID   string
	Sender   string  // user id
	StateKey *string // nil for a message event
	Bytes    int     // length of the PDU's JSON as it was sent
}

// Sent reports that From's gateway handed the transaction that carries Event to the transport.
type Sent struct {
	At        time.Time
	Event     *Event
	From, To  int    // server ids
	Routes    uint64 // version of the route table in force; with From and To it names the path
	Txn       string // transaction id
	Attempt   int    // 1 for the first time that this transaction is tried
	Transport Transport
}

// Received reports that server To has received Event from server From.
type Received struct {
	At       time.Time
	Event    *Event
	From, To int // server ids; From is the server that delivered it, not necessarily its origin
	Basis    Basis
	Outcome  Outcome
}

// Failed reports that a transaction did not arrive: the transport failed or the peer refused it. Events is empty and Txn
// "" for a connection that did not come about and of which it is not known what it was for.
type Failed struct {
	At       time.Time
	Events   []*Event
	From, To int
	Routes   uint64
	Txn      string
	Attempt  int
	Reason   string // one sentence
}

// Carried reports what Event's part in a transaction took on the wire, once the exchange is over, whether it succeeded or
// not. An exchange that is repeated is reported each time.
type Carried struct {
	At        time.Time
	Event     *Event
	From, To  int // server ids, of who sent the transaction and to whom
	Attempt   int
	Transport Transport
	Wire      Wire
}

// Wire is how much crossed the network in an exchange, in bytes, as counted where the request was sent: there is what left
// that server, repetitions and acknowledgements included, back is what reached it; what was lost on the way back is not
// in it. The exchange that opens a connection or a session has its handshake, too, and an acknowledgement that follows an
// exchange counts for the next one of its connection.
type Wire struct {
	There, Back int64
	// Headers tells whether those of TCP, UDP and IP are in it. Connections of the kernel do not tell; there it is the TLS
	// records alone.
	Headers bool
}

// Shares divides what an exchange took among the events that it carried, in proportion to the length of their JSON. The
// shares add up to the whole, of which what belongs to no event (EDUs, signatures, answers, handshakes) is a part.
func (w Wire) Shares(events []*Event) []Wire {
	var all int64
	for _, e := range events {
		all += int64(e.Bytes)
	}
	shares := make([]Wire, len(events))
	var before, there, back int64
	for i, e := range events {
		before += int64(e.Bytes)
		part := func(whole int64) int64 {
			if all == 0 {
				return whole * int64(i+1) / int64(len(events))
			}
			return whole * before / all
		}
		shares[i] = Wire{There: part(w.There) - there, Back: part(w.Back) - back, Headers: w.Headers}
		there, back = part(w.There), part(w.Back)
	}
	return shares
}

// A Notification is one of [Sent], [Received], [Failed] and [Carried].
type Notification interface{ notification() }

func (Sent) notification()     {}
func (Received) notification() {}
func (Failed) notification()   {}
func (Carried) notification()  {}

// Publisher is what observers are given. Publish never blocks and is safe for concurrent use.
type Publisher interface {
	Publish(Notification)
}
