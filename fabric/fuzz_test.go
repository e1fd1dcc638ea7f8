package fabric

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/link"
)

// sendAnything sends bytes from node 0 of a line whose links delay, fragment and damage, with captures
// running, and checks that the network survives and still works.
func sendAnything(t *testing.T, data []byte, segment uint16) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, TimerClock(), 4, link.Params{})
		defer l.Close()
		l.set(0, 1, link.Params{Delay: time.Millisecond, MTU: 9000})
		l.set(1, 2, link.Params{Corrupt: 0.5, Duplicate: 0.5, MTU: 576})
		l.set(2, 3, link.Params{Rate: 1e6, MTU: 100, QueueLimit: 1 << 20})
		var file bytes.Buffer
		c, err := l.Capture(&file, OfLink(LinkID{1, 2}))
		if err != nil {
			t.Fatal(err)
		}
		l.ends[0].Send([]Packet{{Data: bytes.Clone(data), SegmentSize: segment}})
		l.sleep(time.Hour)
		for _, port := range l.ports {
			for _, p := range port.packets() {
				if _, ok := parseHeader(p.Data, p.SegmentSize > 0); !ok {
					t.Fatalf("a malformed packet was delivered: % x", p.Data)
				}
			}
		}
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		readCapture(t, &file, time.Now())
		l.send(3, ipv6(3, 2, 60, 42))
		l.sleep(time.Second)
		got := l.ports[2].packets()
		if len(got) == 0 || id(got[len(got)-1]) != 42 {
			t.Fatal("the network does not forward any more")
		}
	})
}

// FuzzSend puts arbitrary bytes through the whole network. Coverage depends on the order of goroutines here,
// so that -fuzzminimizetime=10x is advisable.
func FuzzSend(f *testing.F) {
	for _, seed := range [][]byte{
		ipv4(0, 3, 60, 0), ipv6(0, 3, 60, 0), tcp4(0, 3, 3000), tcp6(0, 3, 3000), ipv4(0, 3, 3000, 0), ipv4(0, 0, 28, 0),
		withTTL(ipv4(0, 3, 100, 0), 1), with(ipv4(0, 3, 2000, 0), func(b []byte) { b[0], b[20] = 0x47, 0x83 }),
	} {
		f.Add(seed, uint16(0), true)
		f.Add(seed, uint16(1000), true)
		f.Add(seed, uint16(1), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, segment uint16, fix bool) {
		if len(data) > 1<<16-1 {
			return
		}
		if fix {
			completeLengths(data)
		}
		sendAnything(t, data, segment)
	})
}

// completeLengths makes the length and checksum of an IPv4 header right, so that more than those are tested.
func completeLengths(data []byte) {
	if len(data) < ipv4MinHeader || data[0]>>4 != 4 {
		return
	}
	if ip := int(data[0]&15) * 4; ip >= ipv4MinHeader && ip <= len(data) {
		setLength(data, ip)
	}
}
