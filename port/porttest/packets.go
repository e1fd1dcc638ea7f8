package porttest

import (
	"encoding/binary"
	"net/netip"
)

// Protocol numbers (IANA), ICMP types (RFC 792, RFC 4443) and TCP flags (RFC 9293).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoICMPv6 = 58

	icmpEchoReply     = 0
	icmpEchoRequest   = 8
	icmpv6EchoRequest = 128
	icmpv6EchoReply   = 129

	tcpSYN = 0x02
	tcpRST = 0x04
)

// packet puts an IP header before a payload of the given protocol.
func packet(from, to netip.Addr, protocol byte, payload []byte) []byte {
	var head []byte
	if from.Is4() {
		head = make([]byte, 20)
		head[0], head[8], head[9] = 0x45, 64, protocol
		copy(head[12:], from.AsSlice())
		copy(head[16:], to.AsSlice())
	} else {
		head = make([]byte, 40)
		head[0], head[6], head[7] = 0x60, protocol, 64
		copy(head[8:], from.AsSlice())
		copy(head[24:], to.AsSlice())
	}
	data := append(head, payload...)
	setLength(data)
	return data
}

// setLength writes a packet's length, and the checksum of an IPv4 header.
func setLength(data []byte) {
	if data[0]>>4 == 6 {
		binary.BigEndian.PutUint16(data[4:], uint16(len(data)-40))
		return
	}
	binary.BigEndian.PutUint16(data[2:], uint16(len(data)))
	binary.BigEndian.PutUint16(data[10:], 0)
	binary.BigEndian.PutUint16(data[10:], ^sum(0, data[:20]))
}

// sum is the one's complement sum of RFC 1071.
func sum(start uint32, data []byte) uint16 {
	total := start
	for i := 0; i+1 < len(data); i += 2 {
		total += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	if len(data)%2 == 1 {
		total += uint32(data[len(data)-1]) << 8
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}

// pseudo is the sum of the pseudo-header.
func pseudo(from, to netip.Addr, protocol byte, length int) uint32 {
	total := uint32(sum(0, from.AsSlice())) + uint32(sum(0, to.AsSlice()))
	return total + uint32(protocol) + uint32(length)
}

func echoRequest(from, to netip.Addr, sequence uint16, size int) []byte {
	message := make([]byte, 8+size)
	binary.BigEndian.PutUint16(message[4:], 77)
	binary.BigEndian.PutUint16(message[6:], sequence)
	for i := range size {
		message[8+i] = byte(i)
	}
	if from.Is4() {
		message[0] = icmpEchoRequest
		binary.BigEndian.PutUint16(message[2:], ^sum(0, message))
		return packet(from, to, protoICMP, message)
	}
	message[0] = icmpv6EchoRequest
	binary.BigEndian.PutUint16(message[2:], ^sum(pseudo(from, to, protoICMPv6, len(message)), message))
	return packet(from, to, protoICMPv6, message)
}

// echoReply reads the sequence number of an echo reply.
func echoReply(data []byte) (sequence uint16, ok bool) {
	protocol, message := split(data)
	if len(message) < 8 || !(protocol == protoICMP && message[0] == icmpEchoReply || protocol == protoICMPv6 && message[0] == icmpv6EchoReply) {
		return 0, false
	}
	return binary.BigEndian.Uint16(message[6:]), true
}

func tcpSegment(from, to netip.Addr, fromPort, toPort uint16, seq uint32, flags byte, payload []byte) []byte {
	segment := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(segment[0:], fromPort)
	binary.BigEndian.PutUint16(segment[2:], toPort)
	binary.BigEndian.PutUint32(segment[4:], seq)
	segment[12], segment[13] = 5<<4, flags
	binary.BigEndian.PutUint16(segment[14:], 65535)
	segment = append(segment, payload...)
	binary.BigEndian.PutUint16(segment[16:], ^sum(pseudo(from, to, protoTCP, len(segment)), segment))
	return packet(from, to, protoTCP, segment)
}

// clearTCPChecksum makes the checksum of a TCP packet wrong.
func clearTCPChecksum(data []byte) {
	_, segment := split(data)
	segment[16], segment[17] = 0, 0
}

// tcpHead is what the suite looks at of a TCP header.
type tcpHead struct {
	from, to uint16
	ack      uint32
	flags    byte
}

func readTCP(data []byte) (tcpHead, bool) {
	protocol, segment := split(data)
	if protocol != protoTCP || len(segment) < 20 {
		return tcpHead{}, false
	}
	return tcpHead{
		from:  binary.BigEndian.Uint16(segment[0:]),
		to:    binary.BigEndian.Uint16(segment[2:]),
		ack:   binary.BigEndian.Uint32(segment[8:]),
		flags: segment[13],
	}, true
}

// split returns a packet's protocol and what follows its header, which has no options.
func split(data []byte) (protocol byte, payload []byte) {
	if data[0]>>4 == 4 {
		return data[9], data[20:]
	}
	return data[6], data[40:]
}
