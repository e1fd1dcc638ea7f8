package fabric

import "encoding/binary"

// tcp4 is a TCP packet with timestamps (32 bytes of TCP header) and the given payload length. Its lengths
// and checksums are for the fabric to complete.
func tcp4(from, to, payload int) []byte {
	b := make([]byte, 20+32+payload)
	copy(b, ipv4(from, to, 20, 0))
	b[9], b[32] = protoTCP, 8<<4
	binary.BigEndian.PutUint16(b[20:], 4000)
	binary.BigEndian.PutUint16(b[22:], 5000)
	for i := range payload {
		b[52+i] = byte(i)
	}
	if len(b) < 1<<16 {
		setLength(b, 20)
	}
	return b
}
