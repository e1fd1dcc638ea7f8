package telemetry

import "time"

// Batch is what happened in a few milliseconds. It is shared by all subscribers and must not be changed.
type Batch struct {
	Sent     []SentGroup     // in the order in which each group began
	Received []ReceivedGroup // likewise
	Failed   []Failed
	Carried  []CarriedGroup // in the order in which each group began
	// Lost is how many notifications this subscriber lost since the batch it got before: it did not keep up,
	// or more came in than the hub holds.
	Lost uint64
}

// SentGroup is one event that one server handed to a transport for several others.
type SentGroup struct {
	Event     *Event
	From      int
	Transport Transport
	To        []SentTo
}

// SentTo is one destination of a [SentGroup]; see [Sent].
type SentTo struct {
	At      time.Time
	To      int
	Routes  uint64
	Txn     string
	Attempt int
}

// ReceivedGroup is one event that several servers have received.
type ReceivedGroup struct {
	Event *Event
	By    []ReceivedBy
}

// ReceivedBy is one receipt of a [ReceivedGroup]; see [Received].
type ReceivedBy struct {
	At       time.Time
	From, To int
	Basis    Basis
	Outcome  Outcome
}

// CarriedGroup is one event and what it took on the wire from one server to several others.
type CarriedGroup struct {
	Event     *Event
	From      int
	Transport Transport
	To        []CarriedTo
}

// CarriedTo is one destination of a [CarriedGroup]; see [Carried].
type CarriedTo struct {
	At      time.Time
	To      int
	Attempt int
	Wire    Wire
}

// sentKey is what the members of a SentGroup have in common, or of a CarriedGroup.
type sentKey struct {
	event     string
	from      int
	transport Transport
}

// grouping makes a batch of notifications.
type grouping struct {
	batch    Batch
	sent     map[sentKey]int // place in batch.Sent
	received map[string]int  // by event id: place in batch.Received
	carried  map[sentKey]int // place in batch.Carried
}

// group makes a batch. Notifications of one event need not share its description: each homeserver of a mesh
// may have decoded the event by itself.
func group(notifications []Notification) Batch {
	g := grouping{sent: make(map[sentKey]int), received: make(map[string]int), carried: make(map[sentKey]int)}
	for _, n := range notifications {
		switch n := n.(type) {
		case Sent:
			g.addSent(n)
		case Received:
			g.addReceived(n)
		case Failed:
			g.batch.Failed = append(g.batch.Failed, n)
		case Carried:
			g.addCarried(n)
		}
	}
	return g.batch
}

func (g *grouping) addSent(s Sent) {
	key := sentKey{event: s.Event.ID, from: s.From, transport: s.Transport}
	i, known := g.sent[key]
	if !known {
		i = len(g.batch.Sent)
		g.sent[key] = i
		g.batch.Sent = append(g.batch.Sent, SentGroup{Event: s.Event, From: s.From, Transport: s.Transport})
	}
	to := &g.batch.Sent[i].To
	*to = append(*to, SentTo{At: s.At, To: s.To, Routes: s.Routes, Txn: s.Txn, Attempt: s.Attempt})
}

func (g *grouping) addReceived(r Received) {
	i, known := g.received[r.Event.ID]
	if !known {
		i = len(g.batch.Received)
		g.received[r.Event.ID] = i
		g.batch.Received = append(g.batch.Received, ReceivedGroup{Event: r.Event})
	}
	by := &g.batch.Received[i].By
	*by = append(*by, ReceivedBy{At: r.At, From: r.From, To: r.To, Basis: r.Basis, Outcome: r.Outcome})
}

func (g *grouping) addCarried(c Carried) {
	key := sentKey{event: c.Event.ID, from: c.From, transport: c.Transport}
	i, known := g.carried[key]
	if !known {
		i = len(g.batch.Carried)
		g.carried[key] = i
		g.batch.Carried = append(g.batch.Carried, CarriedGroup{Event: c.Event, From: c.From, Transport: c.Transport})
	}
	to := &g.batch.Carried[i].To
	*to = append(*to, CarriedTo{At: c.At, To: c.To, Attempt: c.Attempt, Wire: c.Wire})
}
