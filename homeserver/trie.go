package homeserver

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// trie is a persistent hash trie from state keys to events. Its shape depends only on the keys in it, never
// on the order in which they came (keys are never removed), so that equal states have equal tries.
// The nil trie is empty; a trie is never changed once it is reachable.
type trie struct {
	present uint32 // which of the 32 slots exist
	slots   []slot // those, in order
}

// slot holds either an event or a deeper trie.
type slot struct {
	pdu   *event.PDU
	child *trie
}

const (
	trieBits  = 5
	trieDepth = 64 / trieBits // deeper than this all hash bits are used up: slots are a plain list
)

// place is the hash of a key. SHA-256, because state keys are chosen by strangers.
func place(k event.Key) uint64 {
	h := sha256.New()
	h.Write([]byte(k.Type))
	h.Write([]byte{0})
	h.Write([]byte(k.StateKey))
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(h.Sum(sum[:0]))
}

func chunk(hash uint64, depth int) uint32 {
	return 1 << (hash >> (depth * trieBits) & (1<<trieBits - 1))
}

func (t *trie) index(bit uint32) int { return bits.OnesCount32(t.present & (bit - 1)) }

func (t *trie) get(k event.Key) *event.PDU {
	hash := place(k)
	for depth := 0; t != nil; depth++ {
		if depth == trieDepth {
			return t.find(k)
		}
		bit := chunk(hash, depth)
		if t.present&bit == 0 {
			return nil
		}
		s := t.slots[t.index(bit)]
		if s.pdu != nil {
			if s.pdu.Key() == k {
				return s.pdu
			}
			return nil
		}
		t = s.child
	}
	return nil
}

// find looks through the plain list of the deepest level.
func (t *trie) find(k event.Key) *event.PDU {
	for _, s := range t.slots {
		if s.pdu.Key() == k {
			return s.pdu
		}
	}
	return nil
}

// with returns the trie with pdu at k, and what was there before.
func (t *trie) with(k event.Key, pdu *event.PDU) (next *trie, old *event.PDU) {
	return t.put(k, place(k), 0, pdu)
}

func (t *trie) put(k event.Key, hash uint64, depth int, pdu *event.PDU) (*trie, *event.PDU) {
	if t == nil {
		t = &trie{}
	}
	if depth == trieDepth {
		return t.putList(k, pdu)
	}
	bit := chunk(hash, depth)
	i := t.index(bit)
	if t.present&bit == 0 {
		return t.insert(i, bit, slot{pdu: pdu}), nil
	}
	s := t.slots[i]
	if s.child != nil {
		child, old := s.child.put(k, hash, depth+1, pdu)
		return t.replace(i, slot{child: child}), old
	}
	there := s.pdu.Key()
	if there == k {
		return t.replace(i, slot{pdu: pdu}), s.pdu
	}
	child, _ := (*trie)(nil).put(there, place(there), depth+1, s.pdu)
	child, _ = child.put(k, hash, depth+1, pdu)
	return t.replace(i, slot{child: child}), nil
}

func (t *trie) putList(k event.Key, pdu *event.PDU) (*trie, *event.PDU) {
	for i, s := range t.slots {
		if s.pdu.Key() == k {
			return t.replace(i, slot{pdu: pdu}), s.pdu
		}
	}
	return t.insert(len(t.slots), 0, slot{pdu: pdu}), nil
}

func (t *trie) insert(i int, bit uint32, s slot) *trie {
	slots := make([]slot, len(t.slots)+1)
	copy(slots, t.slots[:i])
	slots[i] = s
	copy(slots[i+1:], t.slots[i:])
	return &trie{present: t.present | bit, slots: slots}
}

func (t *trie) replace(i int, s slot) *trie {
	slots := make([]slot, len(t.slots))
	copy(slots, t.slots)
	slots[i] = s
	return &trie{present: t.present, slots: slots}
}

// each yields every event until yield returns false, and returns whether it never did.
func (t *trie) each(yield func(*event.PDU) bool) bool {
	if t == nil {
		return true
	}
	for _, s := range t.slots {
		if s.pdu != nil {
			if !yield(s.pdu) {
				return false
			}
		} else if !s.child.each(yield) {
			return false
		}
	}
	return true
}

// eachNew yields the events of t that base, a trie of the same depth, does not have.
func (t *trie) eachNew(base *trie, depth int, yield func(*event.PDU) bool) bool {
	if t == base || t == nil {
		return true
	}
	if base == nil {
		return t.each(yield)
	}
	if depth == trieDepth {
		return t.each(func(pdu *event.PDU) bool {
			return base.find(pdu.Key()) == pdu || yield(pdu)
		})
	}
	i := 0
	for rest := t.present; rest != 0; rest &= rest - 1 {
		bit := rest & -rest
		var other slot
		if base.present&bit != 0 {
			other = base.slots[base.index(bit)]
		}
		if !t.slots[i].eachNew(other, depth, yield) {
			return false
		}
		i++
	}
	return true
}

func (s slot) eachNew(base slot, depth int, yield func(*event.PDU) bool) bool {
	if s.pdu != nil {
		if base.pdu == s.pdu || base.child != nil && base.child.has(s.pdu) {
			return true
		}
		return yield(s.pdu)
	}
	if base.pdu == nil {
		return s.child.eachNew(base.child, depth+1, yield)
	}
	return s.child.each(func(pdu *event.PDU) bool { return pdu == base.pdu || yield(pdu) })
}

// has reports whether an event is anywhere below.
func (t *trie) has(pdu *event.PDU) bool {
	return !t.each(func(p *event.PDU) bool { return p != pdu })
}

// stateSum is a digest: a sum over the events of a state, kept up to date as they come and go. Different states may have
// the same sum (strangers could make some), so whoever finds an equal one compares.
type stateSum [2]uint64

func (d *stateSum) add(id matrix.EventID) {
	a, b := halves(id)
	d[0] += a
	d[1] += b
}

func (d *stateSum) remove(id matrix.EventID) {
	a, b := halves(id)
	d[0] -= a
	d[1] -= b
}

func halves(id matrix.EventID) (uint64, uint64) {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])
}
