package netstack_test

import (
	"testing"

	"meshsim/fabric"
	"meshsim/link"
)

// FuzzDeliver hands arbitrary bytes to a host as packets and superpackets.
func FuzzDeliver(f *testing.F) {
	f.Add([]byte{}, uint16(0))
	f.Add([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, uint16(0))
	f.Add([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		1, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0}, uint16(1400))
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 8, 58, 64}, make([]byte, 40)...), uint16(0))
	c := newChain(f, 1, link.Params{})
	listenAll(f, c.b)
	f.Fuzz(func(t *testing.T, data []byte, segmentSize uint16) {
		own := fabric.Alloc(len(data))
		copy(own, data)
		c.b.Deliver([]fabric.Packet{{Data: own, SegmentSize: segmentSize}})
	})
}
