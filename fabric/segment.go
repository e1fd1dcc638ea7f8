package fabric

import (
	"encoding/binary"
	"iter"
)

// TCP flags (RFC 9293, RFC 3168) that not every segment of a superpacket carries.
const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpCWR = 0x80
)

// headersLength is the length, in bytes, of a TCP packet's headers, IP and TCP.
func headersLength(data []byte) int {
	ip := ipv6Header
	if data[0]>>4 == 4 {
		ip = int(data[0]&15) * 4
	}
	return ip + tcpHeaderLength(data[ip:])
}

// segmentLength is the length of the longest IP packet, in bytes, that a superpacket stands for.
func segmentLength(data []byte, size uint16) int {
	headers := headersLength(data)
	return headers + min(int(size), len(data)-headers)
}

// weigh returns how many packets p stands for and how many bytes those have together.
func (p *flight) weigh() (packets, bytes uint64) {
	if !p.super() {
		return 1, uint64(len(p.Data))
	}
	headers := headersLength(p.Data)
	payload := len(p.Data) - headers
	n := max(1, (payload+int(p.SegmentSize)-1)/int(p.SegmentSize))
	return uint64(n), uint64(payload + n*headers)
}

// segments cuts a superpacket into the TCP segments that it stands for, size bytes of payload in each, as a
// network card does: sequence numbers and IPv4 identification count up, FIN and PSH stay with the last, CWR
// with the first. Each segment is in a buffer of its own.
func segments(data []byte, size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		headers := headersLength(data)
		payload := data[headers:]
		for i := 0; i == 0 || len(payload) > 0; i++ {
			n := min(size, len(payload))
			s := Alloc(headers + n)
			copy(s, data[:headers])
			copy(s[headers:], payload[:n])
			payload = payload[n:]
			completeSegment(s, i, i*size, len(payload) == 0)
			if !yield(s) {
				return
			}
		}
	}
}

// completeSegment adapts the headers of the i-th segment, whose payload starts at offset in that of the
// superpacket.
func completeSegment(s []byte, i, offset int, last bool) {
	ip := ipv6Header
	if s[0]>>4 == 4 {
		ip = int(s[0]&15) * 4
		binary.BigEndian.PutUint16(s[4:], binary.BigEndian.Uint16(s[4:])+uint16(i))
	}
	setLength(s, ip)
	tcp := s[ip:]
	binary.BigEndian.PutUint32(tcp[4:], binary.BigEndian.Uint32(tcp[4:])+uint32(offset))
	if !last {
		tcp[13] &^= tcpFIN | tcpPSH
	}
	if i > 0 {
		tcp[13] &^= tcpCWR
	}
	binary.BigEndian.PutUint16(tcp[16:], 0)
	binary.BigEndian.PutUint16(tcp[16:], checksum(tcp, pseudoSum(s, protoTCP, len(tcp))))
}

// setLength writes the length of packet s, whose IP header has ip bytes, into that header and completes the
// IPv4 checksum.
func setLength(s []byte, ip int) {
	if s[0]>>4 == 6 {
		binary.BigEndian.PutUint16(s[4:], uint16(len(s)-ipv6Header))
		return
	}
	binary.BigEndian.PutUint16(s[2:], uint16(len(s)))
	completeIPv4(s[:ip])
}

// completeIPv4 writes the checksum of an IPv4 header.
func completeIPv4(header []byte) {
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], checksum(header, 0))
}
