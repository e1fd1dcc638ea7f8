package channel

import (
	"github.com/flynn/noise"
)

// epochBits is how many bits of the counter count the datagrams under one key.
const epochBits = 16

// sealing encrypts one direction.
type sealing struct {
	state *noise.CipherState
	next  uint64 // counter
}

// seal appends the ciphertext of a datagram and returns its counter. header is authenticated.
func (s *sealing) seal(out, header, plain []byte) []byte {
	n := s.next
	if n > 0 && n&(1<<epochBits-1) == 0 {
		s.state.Rekey()
	}
	s.next++
	return s.state.Cipher().Encrypt(out, n, header, plain)
}

// opening decrypts one direction.
type opening struct {
	state    *noise.CipherState
	previous noise.Cipher // of the epoch before, nil in the first
	epoch    uint64
	replay   replayWindow
}

// open decrypts a datagram of which the low bits of the counter are known. It returns nil where that fails or where the
// datagram was seen before; newest tells whether it is the youngest so far.
func (o *opening) open(low uint16, header, sealed []byte) (plain []byte, newest bool) {
	n := o.replay.complete(low)
	if !o.replay.fresh(n) {
		return nil, false
	}
	cipher, advance := o.cipher(n >> epochBits)
	if cipher == nil {
		return nil, false
	}
	plain, err := cipher.Decrypt(make([]byte, 0, len(sealed)), n, header, sealed)
	if err != nil {
		return nil, false
	}
	if advance {
		o.previous = o.state.Cipher()
		o.state.Rekey()
		o.epoch++
	}
	return plain, o.replay.note(n)
}

// cipher returns the key of an epoch: of the present one, the one before or the one to come, and whether it is the
// latter.
func (o *opening) cipher(epoch uint64) (c noise.Cipher, advance bool) {
	switch epoch {
	case o.epoch:
		return o.state.Cipher(), false
	case o.epoch + 1:
		next := *o.state
		next.Rekey()
		return next.Cipher(), true
	case o.epoch - 1:
		return o.previous, false
	}
	return nil, false
}

// replayWindow remembers which of the latest counters were seen (RFC 6479).
type replayWindow struct {
	seen [replayBits / 64]uint64
	next uint64 // above the highest one seen
}

const replayBits = 1024

// complete finds the counter with the given low bits that is nearest to what is expected.
func (w *replayWindow) complete(low uint16) uint64 {
	const span = 1 << 16
	n := w.next&^(span-1) | uint64(low)
	switch {
	case n+span/2 < w.next:
		n += span
	case n >= w.next+span/2 && n >= span:
		n -= span
	}
	return n
}

func (w *replayWindow) fresh(n uint64) bool {
	if n >= w.next {
		return true
	}
	if w.next-n > replayBits {
		return false
	}
	return w.seen[n/64%uint64(len(w.seen))]&(1<<(n%64)) == 0
}

// note marks a counter as seen, and tells whether it is the highest.
func (w *replayWindow) note(n uint64) (newest bool) {
	if n >= w.next {
		newest = true
		for i := w.next; i <= n && i < w.next+replayBits; i++ {
			w.seen[i/64%uint64(len(w.seen))] &^= 1 << (i % 64)
		}
		if n >= w.next+replayBits {
			w.seen = [replayBits / 64]uint64{}
		}
		w.next = n + 1
	}
	w.seen[n/64%uint64(len(w.seen))] |= 1 << (n % 64)
	return newest
}
