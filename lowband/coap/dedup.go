package coap

// remembered is how many of the peer's messages are remembered: more than it has outstanding at once, many times over.
const remembered = 128

// memory knows the latest confirmable messages of the peer, so that a repeated one is not handled again (RFC 7252,
// section 4.5). The association's lock guards it.
type memory struct {
	byMID map[uint16]*known
	order []*known // a ring once it is full
	next  int
}

// known is a message of the peer.
type known struct {
	mid   uint16
	reply []byte // what it was answered with; nil while that is not decided
}

func newMemory() memory { return memory{byMID: make(map[uint16]*known)} }

func (m *memory) find(mid uint16) *known { return m.byMID[mid] }

func (m *memory) add(mid uint16) *known {
	k := &known{mid: mid}
	if len(m.order) < remembered {
		m.order = append(m.order, k)
	} else {
		if old := m.order[m.next]; m.byMID[old.mid] == old {
			delete(m.byMID, old.mid)
		}
		m.order[m.next] = k
		m.next = (m.next + 1) % remembered
	}
	m.byMID[mid] = k
	return k
}
