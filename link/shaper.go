package link

import (
	"hash/fnv"
	"math/rand/v2"
)

// Direction is one of the two directions of a link.
type Direction uint8

// The directions of a link between A and B.
const (
	AB Direction = iota // from A to B
	BA                  // from B to A
)

// Verdict is the fate of one packet.
type Verdict struct {
	// Departs is when its last bit has left the queue. Valid unless the packet was refused, that is for
	// Drop == NotDropped and DropLoss.
	Departs Instant
	// Arrives is when it reaches the far end; valid when it is not dropped. Never before Departs.
	Arrives Instant
	// CopyArrives is when the second copy reaches the far end; valid when Duplicated. Never before Arrives.
	CopyArrives Instant
	// CorruptBit is the bit to flip, counted from the packet's first; valid when Corrupted.
	CorruptBit int
	// Drop is why the packet is lost, NotDropped where it is not.
	Drop       DropReason
	Duplicated bool
	Corrupted  bool
	Reordered  bool // it overtakes packets that were sent before it
}

// Shaper applies the parameters of one direction of a link to the packets sent over it.
//
// A packet passes, in this order: the cut (Down), the queue with its limit, the transmitter with its rate,
// the medium with loss, duplication and corruption, and the propagation delay with jitter and reordering.
// So a packet that is lost has used the link's rate, as on a radio link; in netem, which stands before the
// transmitter, it has not. Copies are made by the medium and use no rate.
//
// A Shaper is not safe for concurrent use.
type Shaper struct {
	params Params
	rng    *rand.PCG
	sender transmitter
	burst  burstState
	jitter correlated
	// lastArrives is when the latest of the packets that keep their order arrives.
	lastArrives Instant
}

// NewShaper returns the shaper of one direction of the link called name. Shapers with equal seed, name and
// direction draw the same random sequence. p must be valid.
func NewShaper(seed uint64, name string, dir Direction, p Params) *Shaper {
	h := fnv.New64a()
	h.Write([]byte(name))
	h.Write([]byte{byte(dir)})
	s := &Shaper{params: p, rng: rand.NewPCG(seed, h.Sum64())}
	s.sender.set(p)
	return s
}

// Params returns the parameters in force.
func (s *Shaper) Params() Params { return s.params }

// Set changes the parameters for the packets to come. What is queued or in flight keeps its schedule, and
// packets sent from now on do not overtake it. p must be valid.
func (s *Shaper) Set(p Params) {
	s.params = p
	s.sender.set(p)
}

// Queued is how many bytes wait at now for their transmission to end, overhead included.
func (s *Shaper) Queued(now Instant) int { return s.sender.queued(now) }

// Admit decides the fate of a packet of size bytes that is sent at now. Times should not go back from one
// call to the next; where they do, the packet takes its place behind those admitted before.
func (s *Shaper) Admit(now Instant, size int) Verdict {
	p := &s.params
	if p.Down {
		return Verdict{Drop: DropDown}
	}
	departs, ok := s.sender.admit(now, size+p.Overhead)
	if !ok {
		return Verdict{Drop: DropQueueFull}
	}
	v := Verdict{Departs: departs}
	if s.lost() {
		v.Drop = DropLoss
		return v
	}
	s.propagate(&v)
	if s.chance(p.Duplicate) {
		v.Duplicated = true
		v.CopyArrives = s.inOrder(departs.Add(s.delay()))
	}
	if s.chance(p.Corrupt) && size > 0 {
		v.Corrupted = true
		v.CorruptBit = int(s.rng.Uint64() % uint64(size*8))
	}
	return v
}

// propagate sets when the packet arrives. As in netem, a reordered packet skips the delay; the others keep
// their order, which in netem they do not.
func (s *Shaper) propagate(v *Verdict) {
	if s.chance(s.params.Reorder) {
		v.Arrives = v.Departs
		v.Reordered = v.Arrives < s.lastArrives
		return
	}
	v.Arrives = s.inOrder(v.Departs.Add(s.delay()))
}

// inOrder puts an arrival behind those before it.
func (s *Shaper) inOrder(t Instant) Instant {
	s.lastArrives = max(s.lastArrives, t)
	return s.lastArrives
}

// chance is true with probability p. It draws only where the answer is open, so that an impairment which is
// off leaves the sequence of the others alone.
func (s *Shaper) chance(p float64) bool {
	return p > 0 && (p >= 1 || s.uniform() < p)
}

// uniform draws from [0, 1).
func (s *Shaper) uniform() float64 { return float64(s.rng.Uint64()>>11) / (1 << 53) }
