package federation

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

const (
	maxPDUs = 50 // in one transaction ("Transactions")
	// maxBacklog is how many events wait for a server that cannot be reached. Beyond that only the newest of
	// each room are kept, from which the server finds the others.
	maxBacklog = 1000
	keptOnCut  = 50
)

// Retry says when a transaction that failed is tried again: after First, then after Factor times as long each
// time, up to Most. A request from the server itself ends the wait.
type Retry struct {
	First  time.Duration
	Most   time.Duration
	Factor float64
}

// DefaultRetry suits a mesh whose links come and go within seconds.
var DefaultRetry = Retry{First: time.Second, Most: 30 * time.Second, Factor: 2}

// Sender queues events for other servers and delivers them in order, one transaction at a time for each
// server, until they have been taken. It implements homeserver.Outbox. A queue that is empty costs nothing;
// one that waits to try again costs a timer and no goroutine.
//
//	NewSender -> (Enqueue, Wake) -> Close
type Sender struct {
	client *Client
	retry  Retry
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	txns   atomic.Uint64
	run    uint64 // makes transaction ids differ from those of an earlier run
	ledger ledger

	mu     sync.Mutex
	queues map[string]*queue        // by server; only those with something to send
	line   []*queue                 // whose pause between joins is over
	turn   *time.Timer              // until the next of line may start; nil when it may at once
	offers map[offer]int            // how often events were offered of which the server has not said a word
	far    map[string]time.Duration // how long transactions take, of servers that are far
	closed bool
}

// queue is what waits for one server. Sender.mu guards it.
type queue struct {
	server  string
	pending []waitingPDU
	edus    []waitingEDU
	txn     *transaction // tried and not taken yet
	busy    bool         // a goroutine is sending
	timer   *time.Timer  // runs until the next try; nil while busy
	wait    time.Duration
	nextTry time.Time // while timer runs
	failure string    // of the last try
	began   time.Time // the last transaction
	cooling bool      // timer is a pause, not the wait after a failure; without a timer the queue stands in line
	patient bool      // the pause is for what is fleeting
}

// transaction keeps its id and body through all tries, so that the other server can tell a repetition.
type transaction struct {
	id   string
	body []byte // canonical JSON
	pdus []waitingPDU
	edus []waitingEDU
}

// NewSender returns a sender that has nothing to do.
func NewSender(client *Client, retry Retry, log *slog.Logger) *Sender {
	s := &Sender{client: client, retry: retry, log: log, run: rand.Uint64(), queues: map[string]*queue{},
		offers: map[offer]int{}, far: map[string]time.Duration{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close stops sending and waits for transactions under way to be given up. It is idempotent.
func (s *Sender) Close() {
	s.mu.Lock()
	s.closed = true
	for _, q := range s.queues {
		q.stopTimer()
	}
	if s.turn != nil {
		s.turn.Stop()
	}
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
}

// Enqueue implements homeserver.Outbox.
func (s *Sender) Enqueue(pdu *event.PDU, destinations []string, alongside ...homeserver.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ticket := s.ledger.event(pdu, destinations, alongside)
	s.enqueueLocked(destinations, func(q *queue) { s.addLocked(q, waitingPDU{pdu, ticket}) })
}

func (s *Sender) addLocked(q *queue, pdu waitingPDU) {
	q.pending = append(q.pending, pdu)
	if len(q.pending) > maxBacklog {
		s.ledger.over(q.cut())
	}
}

func (s *Sender) enqueueLocked(destinations []string, put func(*queue)) {
	for _, server := range destinations {
		q := s.queueLocked(server)
		put(q)
		switch {
		case q.busy:
		case !q.cooling && q.timer == nil && q.idle() && s.far[server] > 0:
			s.pauseLocked(q, s.far[server], true)
		case !q.cooling && q.timer == nil || q.cooling && !q.calm():
			s.startLocked(q)
		}
	}
}

func (s *Sender) queueLocked(server string) *queue {
	q := s.queues[server]
	if q == nil {
		q = &queue{server: server}
		s.queues[server] = q
	}
	return q
}

// Wake tries at once to send what waits for a server: it was heard from.
func (s *Sender) Wake(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[server]; q != nil && q.timer != nil && !q.cooling {
		q.wait = 0
		s.startLocked(q)
	}
}

// Waiting returns how many events wait for a server, those in a transaction that failed not counted.
func (s *Sender) Waiting(server string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[server]; q != nil {
		return len(q.pending)
	}
	return 0
}

func (s *Sender) startLocked(q *queue) {
	if s.closed {
		return
	}
	q.stopTimer()
	q.busy = true
	s.work.Go(func() { s.drain(q) })
}

func (q *queue) stopTimer() {
	q.cooling, q.patient = false, false
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
}

// drain sends transactions until the queue is empty or one fails.
func (s *Sender) drain(q *queue) {
	for {
		txn := s.next(q)
		if txn == nil {
			return
		}
		began := time.Now()
		err := s.deliver(q.server, txn)
		if err != nil {
			s.failed(q, err)
			return
		}
		s.mu.Lock()
		s.ledger.taken(q.server, txn)
		s.measuredLocked(q.server, time.Since(began))
		cooled := s.coolLocked(q)
		q.txn, q.wait, q.failure = nil, 0, ""
		s.mu.Unlock()
		if cooled {
			return
		}
	}
}

// next returns the transaction to send, nil when there is none: then the queue is gone.
func (s *Sender) next(q *queue) *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.txn != nil {
		return q.txn
	}
	q.forgetOutdated(time.Now())
	n := min(len(q.pending), maxPDUs)
	edus := q.takeEDUs(n > 0 && s.far[q.server] > 0)
	if n+len(edus) == 0 {
		q.busy = false
		delete(s.queues, q.server)
		return nil
	}
	q.txn, q.began = s.transaction(q.pending[:n:n], edus), time.Now()
	q.pending = slices.Clone(q.pending[n:])
	return q.txn
}

func (s *Sender) transaction(pdus []waitingPDU, edus []waitingEDU) *transaction {
	return &transaction{
		id:   strconv.FormatUint(s.run, 36) + "-" + strconv.FormatUint(s.txns.Add(1), 10),
		body: transactionBody(s.client.identity.Name, time.Now(), pdus, edus),
		pdus: pdus, edus: edus,
	}
}

// transactionBody is canonical by construction: PDUs and the contents of EDUs are, and the members are in
// order.
func transactionBody(origin string, now time.Time, pdus []waitingPDU, edus []waitingEDU) []byte {
	size := 100
	for _, pdu := range pdus {
		size += len(pdu.JSON()) + 1
	}
	for _, edu := range edus {
		size += len(edu.Content) + 64
	}
	b := appendEDUs(append(make([]byte, 0, size), `{"edus":[`...), edus)
	b = append(append(b, `],"origin":"`...), origin...)
	b = append(b, `","origin_server_ts":`...)
	b = strconv.AppendInt(b, now.UnixMilli(), 10)
	b = append(b, `,"pdus":[`...)
	for i, pdu := range pdus {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, pdu.JSON()...)
	}
	return append(b, "]}"...)
}

func (s *Sender) deliver(server string, txn *transaction) error {
	var answer struct {
		PDUs map[string]struct {
			Error string `json:"error"`
		} `json:"pdus"`
	}
	err := s.client.do(s.ctx, call{
		method: http.MethodPut, server: server, path: path("federation/v1/send", txn.id), body: txn.body,
	}, &answer)
	if err != nil {
		return err
	}
	for id, result := range answer.PDUs {
		if result.Error != "" {
			s.log.Debug("another server dropped an event", "server", server, "event", id, "reason", result.Error)
		}
	}
	s.offerAgain(server, txn.pdus, func(id matrix.EventID) bool { _, spoken := answer.PDUs[string(id)]; return spoken })
	return nil
}

// failed schedules the next try.
func (s *Sender) failed(q *queue, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.busy = false
	if s.closed {
		return
	}
	s.dropFleeting(q)
	q.wait, q.failure = s.retry.after(q.wait), err.Error()
	q.nextTry = time.Now().Add(q.wait)
	s.log.Debug("a transaction failed", "server", q.server, "again_in", q.wait, "error", err)
	var mine *time.Timer
	mine = time.AfterFunc(q.wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.timer == mine {
			s.startLocked(q)
		}
	})
	q.timer = mine
}

// after returns the wait that follows on another.
func (r Retry) after(wait time.Duration) time.Duration {
	if wait == 0 {
		return r.First
	}
	return min(time.Duration(float64(wait)*r.Factor), r.Most)
}

// cut drops the oldest events of a backlog, but never the newest of a room: it follows on all that this server
// sent there before, so that whoever receives it can ask for what is missing (get_missing_events). It returns what it
// dropped.
func (q *queue) cut() (dropped []*ticket) {
	rooms := map[matrix.RoomID]bool{}
	first := len(q.pending) - keptOnCut
	for _, pdu := range q.pending[first:] {
		rooms[pdu.RoomID()] = true
	}
	kept := make([]waitingPDU, 0, 2*keptOnCut)
	for i := first - 1; i >= 0; i-- {
		if room := q.pending[i].RoomID(); !rooms[room] {
			rooms[room] = true
			kept = append(kept, q.pending[i])
			continue
		}
		dropped = append(dropped, q.pending[i].ticket)
	}
	slices.Reverse(kept)
	q.pending = append(kept, q.pending[first:]...)
	return dropped
}

var _ homeserver.Outbox = (*Sender)(nil)
