//go:build linux

package tun

import "testing"

// A superpacket is only taken where a real TCP may have made it: whoever may open a raw socket can write any header.
func TestSegmentsFinerThanTCPsAreRefused(t *testing.T) {
	for _, c := range []struct {
		slug    string
		gso     uint8
		segment uint16
		want    bool
	}{
		{"none", gsoTCPv4, 0, false},
		{"one-byte", gsoTCPv4, 1, false},
		{"one-byte-ipv6", gsoTCPv6, 1, false},
		{"one-byte-with-ecn", gsoTCPv4 | gsoECN, 1, false},
		{"below-the-least", gsoTCPv4, minSegment - 1, false},
		{"the-least", gsoTCPv4, minSegment, true},
		{"ethernet", gsoTCPv4, 1448, true},
		{"ethernet-ipv6", gsoTCPv6, 1428, true},
	} {
		t.Run(c.slug, func(t *testing.T) {
			p, ok := fromKernel(virtioHeader{gso: c.gso, segment: c.segment}, make([]byte, maxPacket))
			if ok != c.want || ok && p.SegmentSize != c.segment {
				t.Errorf("taken: %v, with segments of %d; want %v", ok, p.SegmentSize, c.want)
			}
		})
	}
}
