package shorthand

import "sync"

// window is how many identifiers of each direction are remembered. A sender refers only to those in the younger part of
// it, so that the receiver still has them when messages overtake each other.
const (
	window     = 2048
	mineUsable = window / 2
	yourUsable = window / 4
)

// Table is what one end of a session knows about the identifiers that were exchanged in it. Each end numbers the ones
// that it sends; a number is never used twice. The zero Table is not usable: see [Coder.NewTable]. It is safe for
// concurrent use.
type Table struct {
	coder *Coder

	mu    sync.Mutex // guards what follows
	mine  slots      // sent by this end
	yours slots      // sent by the peer
	acked map[string]uint32
	heard map[string]uint32
}

// slots are numbered identifiers; those that fell out of the window are gone.
type slots struct {
	text map[uint32]string
	next uint32
}

func (s *slots) put(slot uint32, text string) (evicted string, gone uint32, ok bool) {
	s.text[slot] = text
	if slot < window {
		return "", 0, false
	}
	gone = slot - window
	evicted, ok = s.text[gone]
	delete(s.text, gone)
	return evicted, gone, ok
}

// NewTable makes the table of a new session. Both ends of a session begin with an empty one.
func (c *Coder) NewTable() *Table {
	return &Table{
		coder: c,
		mine:  slots{text: map[uint32]string{}},
		yours: slots{text: map[uint32]string{}},
		acked: map[string]uint32{},
		heard: map[string]uint32{},
	}
}

// reference finds how to refer to an identifier that the peer knows.
func (t *Table) reference(s string, next uint32) (tag, value uint64, ok bool) {
	if slot, known := t.acked[s]; known && next-slot <= mineUsable {
		return tagMine, uint64(next - slot), true
	}
	if slot, known := t.heard[s]; known && t.yours.next-slot <= yourUsable {
		return tagYours, uint64(slot), true
	}
	return 0, 0, false
}

// sentLocked numbers the identifiers of a message that is about to be sent.
func (t *Table) sentLocked(base uint32, defined []string) {
	for i, s := range defined {
		slot := base + uint32(i)
		if evicted, gone, ok := t.mine.put(slot, s); ok && t.acked[evicted] == gone {
			delete(t.acked, evicted)
		}
	}
	t.mine.next = base + uint32(len(defined))
}

// received takes over the identifiers of a message from the peer.
func (t *Table) receivedLocked(base uint32, defined []string) {
	for i, s := range defined {
		slot := base + uint32(i)
		if slot+window < t.yours.next {
			continue // so late that nobody refers to it
		}
		if evicted, gone, ok := t.yours.put(slot, s); ok && t.heard[evicted] == gone {
			delete(t.heard, evicted)
		}
		t.heard[s] = slot
		t.yours.next = max(t.yours.next, slot+1)
	}
}

// Sent stands for a message that was encoded with a table. When the peer has said that it has it, its identifiers can
// be referred to.
type Sent struct {
	table   *Table
	base    uint32
	defined []string
}

// Acknowledge notes that the peer has decoded the message. It does nothing for the zero Sent.
func (s Sent) Acknowledge() {
	if s.table == nil {
		return
	}
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, text := range s.defined {
		slot := s.base + uint32(i)
		if _, kept := t.mine.text[slot]; kept {
			t.acked[text] = slot
		}
	}
}
