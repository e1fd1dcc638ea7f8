package fabric

import (
	"sync"

	"meshsim/link"
)

// inboxLimit is how much may wait for a port that does not keep up, in bytes of memory.
const inboxLimit = 32 << 20

// inbox holds the packets that have arrived for a port and were not delivered yet.
type inbox struct {
	packets []Packet
	spare   []Packet // the slice delivered last, for reuse
	bytes   int      // of memory
}

func (b *inbox) take() []Packet {
	batch := b.packets
	b.packets, b.spare, b.bytes = b.spare, nil, 0
	return batch
}

// keepInbox is the capacity, in packets, up to which an inbox keeps its memory.
const keepInbox = 256

func (b *inbox) giveBack(batch []Packet) {
	clear(batch)
	if cap(batch) <= keepInbox {
		b.spare = batch[:0]
	}
}

// arrivedLocked puts a packet that is at its destination into the inbox of the port there.
func (f *Fabric) arrivedLocked(n *node, p flight) {
	a := n.port
	if a == nil || f.closed {
		f.dropLocked(n, p.Data, link.DropPortClosed)
		return
	}
	if a.inbox.bytes+footprint(p.Data) > inboxLimit {
		f.dropLocked(n, p.Data, link.DropPortFull)
		return
	}
	a.inbox.packets = append(a.inbox.packets, p.Packet)
	a.inbox.bytes += footprint(p.Data)
	if !a.listed && !a.delivering {
		a.listed = true
		f.ready = append(f.ready, a)
	}
}

// deliverReadyLocked delivers what packets that came off their links have made ready, once to each port.
func (f *Fabric) deliverReadyLocked() {
	ready := f.ready
	f.ready = nil
	for _, a := range ready {
		f.deliverLocked(a, f.waiter.lock)
	}
	if f.ready == nil {
		clear(ready)
		f.ready = ready[:0]
	}
}

// dispatchLocked passes the ready ports on to those who deliver.
func (f *Fabric) dispatchLocked() {
	if f.workers == 0 {
		return // the scheduler looks at f.ready
	}
	for _, a := range f.ready {
		f.work = append(f.work, a)
		f.working.Signal()
	}
	clear(f.ready)
	f.ready = f.ready[:0]
}

// deliver is a worker's goroutine.
func (f *Fabric) deliver() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		for len(f.work) == 0 && !f.closed {
			f.working.Wait()
		}
		if f.closed {
			return
		}
		a := f.work[0]
		f.work = f.work[1:]
		f.deliverLocked(a, (*sync.Mutex).Lock)
	}
}

// deliverLocked calls the port of a with all that has arrived for it. The lock is given up meanwhile and taken
// again with lock.
func (f *Fabric) deliverLocked(a *Attachment, lock func(*sync.Mutex)) {
	a.listed = false
	batch := a.inbox.take()
	if a.closed || len(batch) == 0 {
		return
	}
	a.node.capturedBatch(batch, f.clock)
	a.delivering = true
	f.mu.Unlock()
	a.port.Deliver(batch)
	lock(&f.mu)
	a.delivering = false
	a.inbox.giveBack(batch)
	switch {
	case a.closed:
		f.quiet.Broadcast()
	case len(a.inbox.packets) > 0:
		// More has come meanwhile. It is left to whoever is free, so that one busy port does not hold up
		// the scheduler.
		a.listed = true
		f.ready = append(f.ready, a)
		f.dispatchLocked()
	}
}
