package fabric

import (
	"sync"

	"meshsim/link"
)

// captureLimit is how many bytes of packets wait for a reader before packets are lost to it.
const captureLimit = 4 << 20

// record is one packet of a capture.
type record struct {
	at      link.Instant
	data    []byte // the tap's own copy
	segment uint16 // Packet.SegmentSize
	side    side
	drop    link.DropReason
}

// side says which of the two interfaces of a capture a packet belongs to.
type side uint8

const (
	sentByNode  side = 0
	givenToNode side = 1
)

// tap is the buffer between forwarding and the writer of a capture.
type tap struct {
	mu    sync.Mutex
	queue []record
	bytes int // not written yet
	lost  [2]uint64
	ended bool
	more  chan struct{} // holds a token while there is something to look at
}

func newTap() *tap { return &tap{more: make(chan struct{}, 1)} }

// see copies a packet into the buffer, or counts it as lost.
func (t *tap) see(p *Packet, s side, drop link.DropReason, at link.Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	if t.bytes+len(p.Data) > captureLimit {
		t.lost[s]++
		return
	}
	data := Alloc(len(p.Data))
	copy(data, p.Data)
	t.bytes += len(data)
	t.queue = append(t.queue, record{at, data, p.SegmentSize, s, drop})
	t.signal()
}

func (t *tap) signal() {
	select {
	case t.more <- struct{}{}:
	default:
	}
}

func (t *tap) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.signal()
}

// next waits for records. It is false with the last ones.
func (t *tap) next() ([]record, bool) {
	<-t.more
	t.mu.Lock()
	defer t.mu.Unlock()
	batch := t.queue
	t.queue = nil
	return batch, !t.ended
}

func (t *tap) written(r record) {
	t.mu.Lock()
	t.bytes -= len(r.data)
	t.mu.Unlock()
	Free(r.data)
}

// discard forgets what is left after a failed write.
func (t *tap) discard() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = nil
}

// offered shows the captures of d's link a packet that was sent over it.
func (d *direction) offered(p *flight, now link.Instant, drop link.DropReason) {
	for _, t := range d.wire.taps {
		t.see(&p.Packet, d.side, drop, now)
	}
}

// capturedBatch shows the captures of a node what its port is about to be given.
func (n *node) capturedBatch(batch []Packet, c Clock) {
	if len(n.taps) == 0 {
		return
	}
	now := c.Now()
	for i := range batch {
		n.captured(&batch[i], givenToNode, now)
	}
}

// captured shows the captures of a node packets that its port sends or is given.
func (n *node) captured(p *Packet, s side, now link.Instant) {
	for _, t := range n.taps {
		t.see(p, s, link.NotDropped, now)
	}
}
