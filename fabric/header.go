package fabric

import (
	"encoding/binary"
	"net/netip"
)

// Lengths and numbers of RFC 791, RFC 8200 and RFC 9293.
const (
	ipv4MinHeader = 20
	ipv6Header    = 40
	tcpMinHeader  = 20

	protoICMP     = 1
	protoTCP      = 6
	protoFragment = 44
	protoICMPv6   = 58

	ipv4DontFragment = 1 << 14 // in the flags and offset field
	ipv4MoreFollow   = 1 << 13
	ipv4OffsetMask   = 1<<13 - 1
)

// header is what the fabric needs to know of an IP header. The bytes stay the truth: TTL and flags are
// read from them.
type header struct {
	src, dst netip.Addr
	length   int   // of the IP header without extension headers, in bytes
	total    int   // of the packet, in bytes; what comes after it is padding
	proto    uint8 // IPv4 protocol, IPv6 next header
}

func (h header) v6() bool { return h.src.Is6() }

// parseHeader reads the header of a packet and verifies it as a router does (RFC 1812, 5.2.2). With super,
// the lengths in the header are not looked at, as they cannot express a superpacket's, and the packet has to
// be TCP.
func parseHeader(data []byte, super bool) (header, bool) {
	if len(data) == 0 {
		return header{}, false
	}
	var h header
	var ok bool
	switch data[0] >> 4 {
	case 4:
		h, ok = parseIPv4(data, super)
	case 6:
		h, ok = parseIPv6(data, super)
	}
	if ok && super {
		ok = validSuper(data, h)
	}
	return h, ok
}

func parseIPv4(data []byte, super bool) (header, bool) {
	if len(data) < ipv4MinHeader {
		return header{}, false
	}
	h := header{length: int(data[0]&15) * 4, total: len(data), proto: data[9]}
	if h.length < ipv4MinHeader || h.length > len(data) {
		return header{}, false
	}
	if !super {
		h.total = int(binary.BigEndian.Uint16(data[2:]))
		if h.total < h.length || h.total > len(data) || checksum(data[:h.length], 0) != 0 {
			return header{}, false
		}
	}
	h.src = netip.AddrFrom4([4]byte(data[12:16]))
	h.dst = netip.AddrFrom4([4]byte(data[16:20]))
	return h, true
}

func parseIPv6(data []byte, super bool) (header, bool) {
	if len(data) < ipv6Header {
		return header{}, false
	}
	h := header{length: ipv6Header, total: len(data), proto: data[6]}
	if !super {
		h.total = ipv6Header + int(binary.BigEndian.Uint16(data[4:]))
		if h.total > len(data) {
			return header{}, false
		}
	}
	h.src = netip.AddrFrom16([16]byte(data[8:24]))
	h.dst = netip.AddrFrom16([16]byte(data[24:40]))
	return h, true
}

// validSuper reports whether a superpacket can be cut: it is unfragmented TCP with a whole header.
func validSuper(data []byte, h header) bool {
	if h.proto != protoTCP || len(data) < h.length+tcpMinHeader {
		return false
	}
	if !h.v6() && binary.BigEndian.Uint16(data[6:])&(ipv4MoreFollow|ipv4OffsetMask) != 0 {
		return false
	}
	tcp := tcpHeaderLength(data[h.length:])
	return tcp >= tcpMinHeader && h.length+tcp <= len(data)
}

func tcpHeaderLength(tcp []byte) int { return int(tcp[12]>>4) * 4 }

// decrementTTL takes one from the TTL or hop limit and is false, changing nothing, where none would be left.
// The IPv4 checksum is updated as in RFC 1624 (equation 3).
func decrementTTL(data []byte) bool {
	if data[0]>>4 == 6 {
		if data[7] <= 1 {
			return false
		}
		data[7]--
		return true
	}
	if data[8] <= 1 {
		return false
	}
	before := binary.BigEndian.Uint16(data[8:])
	data[8]--
	after := binary.BigEndian.Uint16(data[8:])
	sum := uint32(^binary.BigEndian.Uint16(data[10:])) + uint32(^before) + uint32(after)
	binary.BigEndian.PutUint16(data[10:], ^fold(sum))
	return true
}

// checksum is the Internet checksum (RFC 1071) of data, continuing from an unfolded sum.
func checksum(data []byte, sum uint32) uint16 { return ^fold(sumWords(data, sum)) }

// sumWords adds data's 16-bit words. A uint32 takes 64 KB of them.
func sumWords(data []byte, sum uint32) uint32 {
	acc := uint64(sum)
	for len(data) >= 4 {
		acc += uint64(binary.BigEndian.Uint32(data))
		data = data[4:]
	}
	if len(data) >= 2 {
		acc += uint64(binary.BigEndian.Uint16(data))
		data = data[2:]
	}
	if len(data) == 1 {
		acc += uint64(data[0]) << 8
	}
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	return uint32(fold(uint32(acc>>16) + uint32(acc&0xffff)))
}

func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// pseudoSum is the sum of the pseudo header of RFC 9293 (IPv4) and RFC 8200 (IPv6) for an upper-layer packet
// of length bytes.
func pseudoSum(data []byte, proto uint8, length int) uint32 {
	addresses := data[12:20]
	if data[0]>>4 == 6 {
		addresses = data[8:40]
	}
	return sumWords(addresses, 0) + uint32(proto) + uint32(length>>16) + uint32(length&0xffff)
}
