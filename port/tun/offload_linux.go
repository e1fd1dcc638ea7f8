package tun

import (
	"encoding/binary"

	"meshsim/fabric"
)

// headerSize is the length of struct virtio_net_hdr (linux/virtio_net.h), which stands before every packet.
const headerSize = 10

// The values of its fields that are used.
const (
	needsChecksum = 1 // flags: VIRTIO_NET_HDR_F_NEEDS_CSUM

	gsoNone  = 0
	gsoTCPv4 = 1
	gsoTCPv6 = 4
	gsoECN   = 0x80 // may be set beside the others
)

// minSegment is the least payload, in bytes, that a superpacket's segments may have. Linux accepts no smaller MSS from an
// application than 88 bytes (TCP_MAXSEG, tcp(7)), of which options take 40 at most (RFC 9293 section 3.1). Less is the
// work of a raw socket, for which ping's NET_RAW is enough, and one superpacket would be up to 65,000 packets. With 48
// the 64 KB that the kernel gives at most are 1,366 packets.
const minSegment = 48

// Offsets and lengths of RFC 791, RFC 8200, RFC 9293 and RFC 768.
const (
	ipv6Header        = 40
	protoTCP          = 6
	protoUDP          = 17
	tcpMinHeader      = 20
	tcpChecksumOffset = 16
)

// virtioHeader says what of a packet is left to do: computing its checksum, cutting it into segments.
type virtioHeader struct {
	flags, gso                             uint8
	length, segment, sumStart, sumPosition uint16 // sumPosition counts from sumStart
}

// The fields are in the machine's byte order.
func decodeHeader(b *[headerSize]byte) virtioHeader {
	u16 := func(i int) uint16 { return binary.NativeEndian.Uint16(b[i:]) }
	return virtioHeader{flags: b[0], gso: b[1], length: u16(2), segment: u16(4), sumStart: u16(6), sumPosition: u16(8)}
}

func (h virtioHeader) encode(b *[headerSize]byte) {
	b[0], b[1] = h.flags, h.gso
	for i, v := range []uint16{h.length, h.segment, h.sumStart, h.sumPosition} {
		binary.NativeEndian.PutUint16(b[2+2*i:], v)
	}
}

// fromKernel turns what was read from the device into a packet of the fabric: a superpacket is left whole, and any
// other gets its checksum. It is false for what cannot be carried, or would be cut into more packets than any TCP sends.
func fromKernel(h virtioHeader, data []byte) (fabric.Packet, bool) {
	p := fabric.Packet{Data: data}
	switch h.gso &^ gsoECN {
	case gsoNone:
		return p, h.flags&needsChecksum == 0 || complete(data, int(h.sumStart), int(h.sumPosition))
	case gsoTCPv4, gsoTCPv6:
		p.SegmentSize = h.segment
		return p, h.segment >= minSegment
	default:
		return p, false // was not asked for
	}
}

// complete finishes a checksum whose field holds the sum of the pseudo-header.
func complete(data []byte, start, position int) bool {
	at := start + position
	if start >= len(data) || at+2 > len(data) {
		return false
	}
	sum := ^fold(add(0, data[start:]))
	if sum == 0 && protocol(data) == protoUDP {
		sum = 0xffff // zero means that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(data[at:], sum)
	return true
}

// toKernel prepares a packet of the fabric for the device, in place, and returns the header to go before it. It is
// false for a superpacket that is none.
func toKernel(p fabric.Packet) (virtioHeader, bool) {
	if p.SegmentSize == 0 {
		return virtioHeader{}, true // its checksum is the receiver's to verify: links may corrupt packets
	}
	data := p.Data
	ip := networkHeader(data)
	if len(data) < ip+tcpMinHeader || protocol(data) != protoTCP {
		return virtioHeader{}, false
	}
	tcp := data[ip:]
	headers := ip + int(tcp[12]>>4)*4
	h := virtioHeader{flags: needsChecksum, length: uint16(headers), sumStart: uint16(ip), sumPosition: tcpChecksumOffset}
	h.gso = gsoTCPv6
	addresses := data[8:ipv6Header]
	if data[0]>>4 == 4 {
		h.gso = gsoTCPv4
		addresses = data[12:20]
		completeIPv4(data, ip)
	} else {
		binary.BigEndian.PutUint16(data[4:], uint16(len(data)-ipv6Header))
	}
	h.segment = p.SegmentSize
	if len(data)-headers <= int(p.SegmentSize) { // one segment is not cut
		h.gso, h.segment = gsoNone, 0
	}
	sum := add(protoTCP, addresses) + uint64(len(tcp))
	binary.BigEndian.PutUint16(tcp[tcpChecksumOffset:], fold(sum))
	return h, true
}

// completeIPv4 writes the length and the checksum of an IPv4 header of ip bytes.
func completeIPv4(data []byte, ip int) {
	binary.BigEndian.PutUint16(data[2:], uint16(len(data)))
	binary.BigEndian.PutUint16(data[10:], 0)
	binary.BigEndian.PutUint16(data[10:], ^fold(add(0, data[:ip])))
}

// networkHeader is the length of the IP header. Superpackets have no extension headers.
func networkHeader(data []byte) int {
	if data[0]>>4 == 4 {
		return int(data[0]&15) * 4
	}
	return ipv6Header
}

// protocol is the IPv4 protocol or the IPv6 next header.
func protocol(data []byte) byte {
	if data[0]>>4 == 4 {
		return data[9]
	}
	return data[6]
}

// add adds data's 16-bit words to a sum (RFC 1071), four bytes at a time.
func add(sum uint64, data []byte) uint64 {
	for ; len(data) >= 4; data = data[4:] {
		sum += uint64(binary.BigEndian.Uint32(data))
	}
	if len(data) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(data))
		data = data[2:]
	}
	if len(data) == 1 {
		sum += uint64(data[0]) << 8
	}
	return sum
}

func fold(sum uint64) uint16 {
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
