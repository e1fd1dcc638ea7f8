package link

import "time"

// transmitter is a queue, limited in bytes, before a sender of a constant rate.
//
// It works in exact integers: a packet takes size*8*1e9/rate ns, and the fraction of a nanosecond that is
// left over is charged to the next packet of the same busy period, so that a rate has no systematic error.
type transmitter struct {
	rate  BitRate
	limit int // bytes

	waiting departures
	bytes   int     // in waiting
	free    Instant // when the sender has sent all it was given
	rest    int64   // of free, in 1/rate ns
}

func (t *transmitter) set(p Params) {
	if t.rate != p.Rate {
		t.rest = 0 // it is in units of the old rate, and less than 1 ns
	}
	t.rate = p.Rate
	t.limit = p.EffectiveQueueLimit()
}

// admit queues a packet and returns when its last bit is sent, or false when the queue is full. A packet
// that finds the queue empty is always taken: a limit below its size would otherwise cut the link.
func (t *transmitter) admit(now Instant, size int) (Instant, bool) {
	t.expire(now)
	if t.rate == Unlimited {
		t.free = max(t.free, now)
		return t.free, true
	}
	if t.bytes > 0 && t.bytes+size > t.limit {
		return 0, false
	}
	if t.free < now {
		t.free, t.rest = now, 0
	}
	work := int64(size)*8*int64(time.Second) + t.rest
	t.free = t.free.Add(time.Duration(work / int64(t.rate)))
	t.rest = work % int64(t.rate)
	t.waiting.push(departure{t.free, size})
	t.bytes += size
	return t.free, true
}

func (t *transmitter) queued(now Instant) int {
	t.expire(now)
	return t.bytes
}

// expire forgets the packets that have left by now.
func (t *transmitter) expire(now Instant) {
	for t.waiting.len() > 0 && t.waiting.first().at <= now {
		t.bytes -= t.waiting.pop().size
	}
}

// departure is when a packet of size bytes has left.
type departure struct {
	at   Instant
	size int
}

// departures is a first-in first-out queue. It gives its memory back when it is empty.
type departures struct {
	items []departure
	head  int
}

func (q *departures) len() int         { return len(q.items) - q.head }
func (q *departures) first() departure { return q.items[q.head] }

func (q *departures) push(d departure) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, d)
}

// keepDepartures is the capacity up to which an empty queue keeps its memory.
const keepDepartures = 64

func (q *departures) pop() departure {
	d := q.items[q.head]
	q.head++
	if q.head < len(q.items) {
		return d
	}
	q.items, q.head = q.items[:0], 0
	if cap(q.items) > keepDepartures {
		q.items = nil
	}
	return d
}
