package fabric

import (
	"encoding/binary"
	"net/netip"
	"time"

	"meshsim/link"
)

// icmpError is an answer to a packet that cannot be forwarded, in both versions (RFC 792, RFC 4443).
type icmpError struct {
	why          link.DropReason
	type4, code4 uint8
	type6, code6 uint8
	mtu          int // of packet too big, in bytes
}

var (
	errTimeExceeded = icmpError{why: link.DropTTL, type4: 11, code4: 0, type6: 3, code6: 0}
	// A known address that no path leads to: network unreachable; no route to destination.
	errNoRoute = icmpError{why: link.DropNoRoute, type4: 3, code4: 0, type6: 1, code6: 0}
	// An address that nobody has: host unreachable; address unreachable.
	errNoHost = icmpError{why: link.DropNoRoute, type4: 3, code4: 1, type6: 1, code6: 3}
)

func errTooBig(mtu int) icmpError {
	return icmpError{why: link.DropTooBig, type4: 3, code4: 4, type6: 2, code6: 0, mtu: mtu}
}

// Lengths of ICMP errors, in bytes: RFC 1812, 4.3.2.3 and RFC 4443, 2.4(c).
const (
	icmpHeader   = 8
	maxError4    = 576
	maxError6    = 1280
	errorTTL     = 64
	errorTOS     = 0xc0 // internetwork control (RFC 1812, 4.3.2.5)
	errorClass6  = 0x6c // version 6 and the same class
	icmp6Errors  = 128  // types below it are errors
	errorsPerSec = 1000 // of one node (RFC 1812, 4.3.2.8; RFC 4443, 2.4(f)), with Linux's defaults
	errorBurst   = 50
)

// refuseLocked drops a packet at node n and tells its sender why, where the rules permit it.
func (f *Fabric) refuseLocked(n *node, data []byte, e icmpError, now link.Instant) {
	answer := n.answer(data, e, now)
	f.dropLocked(n, data, e.why)
	if answer == nil {
		return
	}
	h, _ := parseHeader(answer, false)
	dst := f.addrs[h.dst]
	if dst == nil {
		f.dropLocked(n, answer, link.DropNoRoute)
		return
	}
	f.enterLocked(n, Packet{Data: answer}, dst, now)
}

// answer builds the ICMP error e about a packet, or returns nil where none may be sent: for lack of an
// address, by RFC 1812 (4.3.2.7) and RFC 4443 (2.4(e)), or because the node has sent too many.
func (n *node) answer(data []byte, e icmpError, now link.Instant) []byte {
	if data[0]>>4 == 4 {
		if !n.addr4.IsValid() || !mayAnswer4(data) || !n.errors.take(now) {
			return nil
		}
		return e.build4(n.addr4, data)
	}
	if !n.addr6.IsValid() || !mayAnswer6(data, e) || !n.errors.take(now) {
		return nil
	}
	return e.build6(n.addr6, data)
}

func mayAnswer4(data []byte) bool {
	if binary.BigEndian.Uint16(data[6:])&ipv4OffsetMask != 0 {
		return false
	}
	src, dst := netip.AddrFrom4([4]byte(data[12:16])), netip.AddrFrom4([4]byte(data[16:20]))
	if !oneHost(src) || dst.IsMulticast() || dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	if data[9] != protoICMP {
		return true
	}
	ip := int(data[0]&15) * 4
	return len(data) > ip && !isError4(data[ip])
}

// isError4 reports whether an ICMPv4 type is an error (RFC 1122, 3.2.2).
func isError4(t uint8) bool {
	return t == 3 || t == 4 || t == 5 || t == 11 || t == 12
}

func mayAnswer6(data []byte, e icmpError) bool {
	src, dst := netip.AddrFrom16([16]byte(data[8:24])), netip.AddrFrom16([16]byte(data[24:40]))
	if !oneHost(src) || dst.IsMulticast() && e.mtu == 0 {
		return false
	}
	proto, at, ok := upper6(data)
	if !ok {
		return false
	}
	return proto != protoICMPv6 || at < len(data) && data[at] >= icmp6Errors
}

// oneHost reports whether an address can be that of a single host.
func oneHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// upper6 walks the extension headers (RFC 8200, 4) to the upper-layer header. It is false where they are
// broken off, or in a fragment that is not the first.
func upper6(data []byte) (proto uint8, at int, ok bool) {
	proto, at = data[6], ipv6Header
	for {
		switch proto {
		case 0, 43, 60: // hop-by-hop options, routing, destination options
			if at+2 > len(data) {
				return 0, 0, false
			}
			proto, at = data[at], at+8+int(data[at+1])*8
		case protoFragment:
			if at+8 > len(data) || binary.BigEndian.Uint16(data[at+2:])&^7 != 0 {
				return 0, 0, false
			}
			proto, at = data[at], at+8
		default:
			return proto, at, true
		}
	}
}

func (e icmpError) build4(src netip.Addr, about []byte) []byte {
	about = about[:min(len(about), maxError4-ipv4MinHeader-icmpHeader)]
	b := Alloc(ipv4MinHeader + icmpHeader + len(about))
	clear(b[:ipv4MinHeader+icmpHeader])
	b[0], b[1], b[8], b[9] = 4<<4|ipv4MinHeader/4, errorTOS, errorTTL, protoICMP
	copy(b[12:], src.AsSlice())
	copy(b[16:], about[12:16])
	setLength(b, ipv4MinHeader)
	icmp := b[ipv4MinHeader:]
	icmp[0], icmp[1] = e.type4, e.code4
	binary.BigEndian.PutUint16(icmp[6:], uint16(e.mtu))
	copy(icmp[icmpHeader:], about)
	binary.BigEndian.PutUint16(icmp[2:], checksum(icmp, 0))
	return b
}

func (e icmpError) build6(src netip.Addr, about []byte) []byte {
	about = about[:min(len(about), maxError6-ipv6Header-icmpHeader)]
	b := Alloc(ipv6Header + icmpHeader + len(about))
	clear(b[:ipv6Header+icmpHeader])
	b[0], b[6], b[7] = errorClass6, protoICMPv6, errorTTL
	copy(b[8:], src.AsSlice())
	copy(b[24:], about[8:24])
	setLength(b, ipv6Header)
	icmp := b[ipv6Header:]
	icmp[0], icmp[1] = e.type6, e.code6
	binary.BigEndian.PutUint32(icmp[4:], uint32(e.mtu))
	copy(icmp[icmpHeader:], about)
	binary.BigEndian.PutUint16(icmp[2:], checksum(icmp, pseudoSum(b, protoICMPv6, len(icmp))))
	return b
}

// errorBudget is a token bucket of ICMP errors. The zero value is full.
type errorBudget struct {
	spent int          // tokens
	since link.Instant // up to when tokens have been given back
}

func (b *errorBudget) take(now link.Instant) bool {
	const each = time.Second / errorsPerSec
	if back := now.Sub(b.since) / each; back > 0 {
		b.spent = max(0, b.spent-int(min(back, errorBurst)))
		b.since = b.since.Add(back * each)
	}
	if b.spent == errorBurst {
		return false
	}
	b.spent++
	return true
}
