package fabric

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"meshsim/link"
)

// answer is what an ICMP error says.
type answer struct {
	from       netip.Addr
	kind, code uint8
	mtu        int
}

// readAnswer checks that p is a well-formed ICMP error about a packet that begins with about, sent to node to,
// and returns what it says.
func readAnswer(t *testing.T, p Packet, to int, about []byte) answer {
	t.Helper()
	h, ok := parseHeader(p.Data, false)
	if !ok || h.total != len(p.Data) {
		t.Fatalf("malformed answer % x", p.Data)
	}
	icmp := p.Data[h.length:]
	var a answer
	if h.v6() {
		if h.proto != protoICMPv6 || h.dst != v6(to) || checksum(icmp, pseudoSum(p.Data, protoICMPv6, len(icmp))) != 0 {
			t.Fatalf("bad ICMPv6 answer % x", p.Data)
		}
		a.mtu = int(binary.BigEndian.Uint32(icmp[4:]))
	} else {
		if h.proto != protoICMP || h.dst != v4(to) || checksum(icmp, 0) != 0 {
			t.Fatalf("bad ICMP answer % x", p.Data)
		}
		a.mtu = int(binary.BigEndian.Uint16(icmp[6:]))
	}
	if quoted := icmp[icmpHeader:]; !bytes.HasPrefix(quoted, about) {
		t.Errorf("quotes % x, want % x", quoted, about)
	}
	a.from, a.kind, a.code = h.src, icmp[0], icmp[1]
	return a
}

// addressed rewrites the destination of a packet.
func addressed(b []byte, dst netip.Addr) []byte {
	if dst.Is4() {
		copy(b[16:], dst.AsSlice())
		completeIPv4(b[:20])
		return b
	}
	copy(b[24:], dst.AsSlice())
	return b
}

func withTTL(b []byte, ttl uint8) []byte {
	if b[0]>>4 == 6 {
		b[7] = ttl
		return b
	}
	b[8] = ttl
	completeIPv4(b[:20])
	return b
}

func dontFragment(b []byte) []byte {
	b[6] |= 0x40
	completeIPv4(b[:20])
	return b
}

// Nodes 0 to 4 stand in a line; node 9 is known and cannot be reached.
func TestErrorsAreAnswered(t *testing.T) {
	stranger4, stranger6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	cases := map[string]struct {
		packet []byte
		why    link.DropReason
		at     NodeID
		want   answer
	}{
		"ttl-v4":         {withTTL(ipv4(0, 4, 60, 1), 2), link.DropTTL, 2, answer{v4(2), 11, 0, 0}},
		"ttl-v6":         {withTTL(ipv6(0, 4, 60, 1), 2), link.DropTTL, 2, answer{v6(2), 3, 0, 0}},
		"ttl-first-hop":  {withTTL(ipv4(0, 4, 60, 1), 1), link.DropTTL, 1, answer{v4(1), 11, 0, 0}},
		"no-route-v4":    {ipv4(0, 9, 60, 1), link.DropNoRoute, 0, answer{v4(0), 3, 0, 0}},
		"no-route-v6":    {ipv6(0, 9, 60, 1), link.DropNoRoute, 0, answer{v6(0), 1, 0, 0}},
		"no-such-host-4": {addressed(ipv4(0, 1, 60, 1), stranger4), link.DropNoRoute, 0, answer{v4(0), 3, 1, 0}},
		"no-such-host-6": {addressed(ipv6(0, 1, 60, 1), stranger6), link.DropNoRoute, 0, answer{v6(0), 1, 3, 0}},
		"too-big-v4":     {dontFragment(ipv4(0, 4, 1400, 1)), link.DropTooBig, 3, answer{v4(3), 3, 4, 1300}},
		"too-big-v6":     {ipv6(0, 4, 1400, 1), link.DropTooBig, 3, answer{v6(3), 2, 0, 1300}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inLine(t, 5, link.Params{Delay: time.Millisecond}, func(t *testing.T, l *line) {
				l.set(3, 4, link.Params{MTU: 1300})
				attachStray(l)
				sent := bytes.Clone(c.packet)
				l.send(0, c.packet)
				l.sleep(time.Second)
				got := l.ports[0].packets()
				if len(got) != 1 {
					t.Fatalf("%d answers", len(got))
				}
				// The TTL and checksum of the quoted header are those on arrival there.
				if a := readAnswer(t, got[0], 0, sent[:4]); a != c.want {
					t.Errorf("got %+v, want %+v", a, c.want)
				}
				if len(got[0].Data) > 1280 || got[0].Data[0]>>4 == 4 && len(got[0].Data) > 576 {
					t.Errorf("the answer has %d bytes", len(got[0].Data))
				}
				if n, _ := l.NodeStats(c.at); n.Drops[c.why] != 1 || n.Drops.Total() != 1 {
					t.Errorf("node %d dropped %v", c.at, n.Drops)
				}
			})
		})
	}
}

func attachStray(l *line) {
	l.t.Helper()
	if _, err := l.Attach(NodeConfig{ID: 9, Addrs: []netip.Addr{v4(9), v6(9)}}, &recorder{clock: l.clock}); err != nil {
		l.t.Fatal(err)
	}
}

// with returns packet b changed by f, its IPv4 checksum made right.
func with(b []byte, f func([]byte)) []byte {
	f(b)
	if b[0]>>4 == 4 {
		completeIPv4(b[:20])
	}
	return b
}

// RFC 1812, 4.3.2.7 and RFC 4443, 2.4(e).
func TestErrorsThatMustNotBeAnswered(t *testing.T) {
	icmp4 := func(kind uint8) func([]byte) {
		return func(b []byte) { b[9], b[20] = protoICMP, kind }
	}
	icmp6 := func(kind uint8) func([]byte) {
		return func(b []byte) { b[6], b[40] = protoICMPv6, kind }
	}
	unreachable4 := func() []byte { return addressed(ipv4(0, 1, 60, 1), netip.MustParseAddr("192.0.2.1")) }
	unreachable6 := func() []byte { return addressed(ipv6(0, 1, 60, 1), netip.MustParseAddr("2001:db8::1")) }
	cases := map[string]struct {
		packet []byte
		answer bool
	}{
		"echo-v4-is-no-error":    {with(unreachable4(), icmp4(8)), true},
		"echo-v6-is-no-error":    {with(unreachable6(), icmp6(128)), true},
		"unreachable-v4":         {with(unreachable4(), icmp4(3)), false},
		"time-exceeded-v4":       {with(unreachable4(), icmp4(11)), false},
		"redirect-v4":            {with(unreachable4(), icmp4(5)), false},
		"parameter-problem-v4":   {with(unreachable4(), icmp4(12)), false},
		"unreachable-v6":         {with(unreachable6(), icmp6(1)), false},
		"unknown-error-v6":       {with(unreachable6(), icmp6(100)), false},
		"first-fragment-v4":      {with(unreachable4(), func(b []byte) { b[6] = 0x20 }), true},
		"later-fragment-v4":      {with(unreachable4(), func(b []byte) { b[7] = 10 }), false},
		"later-fragment-v6":      {with(unreachable6(), func(b []byte) { b[6], b[43] = protoFragment, 8 }), false},
		"error-behind-options-6": {with(unreachable6(), func(b []byte) { b[6], b[40], b[41], b[48] = 60, protoICMPv6, 0, 1 }), false},
		"broken-extension-v6":    {with(unreachable6(), func(b []byte) { b[6], b[41] = 0, 255; b[40] = 0 }), false},
		"multicast-v4":           {addressed(ipv4(0, 1, 60, 1), netip.MustParseAddr("224.0.0.1")), false},
		"broadcast-v4":           {addressed(ipv4(0, 1, 60, 1), netip.MustParseAddr("255.255.255.255")), false},
		"multicast-v6":           {addressed(ipv6(0, 1, 60, 1), netip.MustParseAddr("ff02::2")), false},
		"no-source-v4":           {with(unreachable4(), func(b []byte) { clear(b[12:16]) }), false},
		"no-source-v6":           {with(unreachable6(), func(b []byte) { clear(b[8:24]) }), false},
		"loopback-source-v4":     {with(unreachable4(), func(b []byte) { b[12] = 127 }), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
				l.send(0, c.packet)
				l.sleep(time.Second)
				if got := len(l.ports[0].packets()) == 1; got != c.answer {
					t.Errorf("answered: %v, want %v", got, c.answer)
				}
				if n, _ := l.NodeStats(0); n.Drops[link.DropNoRoute] != 1 {
					t.Errorf("dropped %v", n.Drops)
				}
			})
		})
	}
}

func TestErrorsAreLimitedInRate(t *testing.T) {
	inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
		for range 200 {
			l.send(0, ipv4(0, 7, 60, 1))
		}
		l.sleep(time.Second)
		if n := len(l.ports[0].packets()); n != errorBurst {
			t.Errorf("%d answers at once, want %d", n, errorBurst)
		}
		for range 200 {
			l.send(0, ipv4(0, 7, 60, 1))
			l.sleep(time.Second / errorsPerSec)
		}
		if n := len(l.ports[0].packets()); n != errorBurst+200 {
			t.Errorf("%d answers in all, want %d", n, errorBurst+200)
		}
	})
}

// A node without a port has no address to answer from.
func TestNodesWithoutAddressStaySilent(t *testing.T) {
	inLine(t, 3, link.Params{}, func(t *testing.T, l *line) {
		l.ends[1].Close()
		l.send(0, withTTL(ipv4(0, 2, 60, 1), 1))
		l.send(0, ipv4(0, 2, 60, 2))
		l.sleep(time.Second)
		if n := len(l.ports[0].packets()); n != 0 {
			t.Errorf("%d answers", n)
		}
		if got := l.ports[2].packets(); len(got) != 1 || id(got[0]) != 2 {
			t.Errorf("it does not forward any more: %v", got)
		}
	})
}

func TestCutLinksAreSilent(t *testing.T) {
	inLine(t, 3, link.Params{}, func(t *testing.T, l *line) {
		l.set(1, 2, link.Params{Down: true})
		l.send(0, ipv4(0, 2, 60, 1))
		l.sleep(time.Second)
		if n := len(l.ports[0].packets()); n != 0 {
			t.Errorf("%d answers", n)
		}
		if s := l.stats(1, 2); s.AB.Drops[link.DropDown] != 1 {
			t.Errorf("got %v", s.AB.Drops)
		}
	})
}
