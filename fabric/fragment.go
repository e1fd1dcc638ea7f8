package fabric

import (
	"encoding/binary"
	"iter"

	"meshsim/link"
)

// tooBigLocked handles a packet larger than the MTU of d: IPv4 without don't-fragment is fragmented (RFC
// 791), anything else is refused with the MTU (RFC 1191, RFC 8201).
func (f *Fabric) tooBigLocked(d *direction, p *flight, now link.Instant) {
	if !mayFragment(p.Data) {
		d.counters.drops[link.DropTooBig]++
		f.refuseLocked(d.from, p.Data, errTooBig(d.mtu), now)
		return
	}
	for fragment := range fragments(p.Data, d.mtu) {
		s := *p
		s.Data = fragment
		f.launchLocked(d, s, now)
	}
	Free(p.Data)
}

func mayFragment(data []byte) bool {
	return data[0]>>4 == 4 && binary.BigEndian.Uint16(data[6:])&ipv4DontFragment == 0
}

// fragments cuts an IPv4 packet, itself possibly a fragment, into pieces of at most mtu bytes, each in a
// buffer of its own. Options that are not to be copied into every fragment (RFC 791, 3.1) stay with the
// first alone.
func fragments(data []byte, mtu int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		first := data[:int(data[0]&15)*4]
		header := first
		payload := data[len(first):]
		field := binary.BigEndian.Uint16(data[6:])
		offset, more := field&ipv4OffsetMask, field&ipv4MoreFollow
		for len(payload) > 0 {
			n, flag := len(payload), more
			if len(header)+n > mtu {
				n, flag = (mtu-len(header))&^7, ipv4MoreFollow
			}
			s := Alloc(len(header) + n)
			copy(s, header)
			copy(s[len(header):], payload[:n])
			binary.BigEndian.PutUint16(s[6:], offset|flag)
			setLength(s, len(header))
			if !yield(s) {
				return
			}
			payload = payload[n:]
			offset += uint16(n / 8)
			header = laterHeader(first)
		}
	}
}

// IPv4 options (RFC 791).
const (
	optionEnd    = 0
	optionNop    = 1
	optionCopied = 0x80
)

// laterHeader is the header of all fragments but the first: only options with the copied flag stay.
func laterHeader(first []byte) []byte {
	if len(first) == ipv4MinHeader {
		return first
	}
	header := append(make([]byte, 0, len(first)), first[:ipv4MinHeader]...)
	for options := first[ipv4MinHeader:]; len(options) > 0 && options[0] != optionEnd; {
		n := optionLength(options)
		if options[0]&optionCopied != 0 {
			header = append(header, options[:n]...)
		}
		options = options[n:]
	}
	for len(header)%4 != 0 {
		header = append(header, optionEnd)
	}
	header[0] = 4<<4 | byte(len(header)/4)
	return header
}

// optionLength is the length of the first option; a malformed one reaches to the end.
func optionLength(options []byte) int {
	if options[0] == optionNop {
		return 1
	}
	if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
		return len(options)
	}
	return int(options[1])
}
