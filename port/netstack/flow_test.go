package netstack

import (
	"net/netip"
	"testing"

	"meshsim/fabric"
)

// ipv4TCP is a packet from 10.0.0.1:1000 to 10.0.0.2:80 with a TCP header of 32 bytes.
func ipv4TCP(payload int) []byte {
	b := make([]byte, 20+32+payload)
	b[0], b[9] = 0x45, 6
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	copy(b[20:], []byte{1000 >> 8, 1000 & 0xff, 0, 80})
	b[32] = 8 << 4
	return b
}

// A superpacket takes on a link what its segments take.
func TestTCPFlow(t *testing.T) {
	for _, c := range []struct {
		name    string
		packet  fabric.Packet
		size    int64
		ignored bool
	}{
		{"acknowledgement", fabric.Packet{Data: ipv4TCP(0)}, 52, false},
		{"segment", fabric.Packet{Data: ipv4TCP(1400)}, 1452, false},
		{"superpacket", fabric.Packet{Data: ipv4TCP(4000), SegmentSize: 1400}, 4000 + 3*52, false},
		{"superpacket-of-full-segments", fabric.Packet{Data: ipv4TCP(2800), SegmentSize: 1400}, 2800 + 2*52, false},
		{"UDP", fabric.Packet{Data: append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 0, 17}, make([]byte, 40)...)}, 0, true},
		{"cut-off", fabric.Packet{Data: ipv4TCP(0)[:30]}, 0, true},
		{"empty", fabric.Packet{}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, size, ok := tcpFlow(c.packet)
			if ok == c.ignored || size != c.size {
				t.Fatalf("%d bytes, %v; want %d", size, ok, c.size)
			}
			want := flow{netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:80")}
			if ok && f != want {
				t.Errorf("flow %v, want %v", f, want)
			}
		})
	}
}
