package fabric

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naiveChecksum is RFC 1071 word by word.
func naiveChecksum(data []byte) uint16 {
	sum := uint32(0)
	for i, b := range data {
		if i%2 == 0 {
			sum += uint32(b) << 8
		} else {
			sum += uint32(b)
		}
		if sum > 0xffff {
			sum -= 0xffff
		}
	}
	return ^uint16(sum)
}

func TestChecksum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "data")
		if got, want := checksum(data, 0), naiveChecksum(data); got != want {
			t.Fatalf("got %#x, want %#x", got, want)
		}
	})
}

// RFC 1624: the updated checksum is right for every header, the corner case of zero included.
func TestDecrementTTL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "header")
		data[0] = 0x45
		binary.BigEndian.PutUint16(data[2:], 20)
		completeIPv4(data)
		ttl := data[8]
		if ok := decrementTTL(data); ok != (ttl > 1) {
			t.Fatalf("TTL %d: %v", ttl, ok)
		}
		if ttl > 1 && data[8] != ttl-1 {
			t.Fatalf("TTL %d became %d", ttl, data[8])
		}
		if _, ok := parseHeader(data, false); !ok {
			t.Fatal("the checksum is wrong")
		}
	})
}

func TestMalformedHeaders(t *testing.T) {
	good4, good6 := ipv4(0, 1, 60, 0), ipv6(0, 1, 60, 0)
	cases := map[string][]byte{
		"empty":             {},
		"version":           with(ipv6(0, 1, 60, 0), func(b []byte) { b[0] = 0x50 }),
		"short-v4":          good4[:19],
		"short-v6":          good6[:39],
		"header-length":     with(ipv4(0, 1, 60, 0), func(b []byte) { b[0] = 0x44 }),
		"header-beyond-end": with(ipv4(0, 1, 40, 0), func(b []byte) { b[0] = 0x4f }),
		"total-beyond-end":  good4[:59],
		"total-too-short":   with(ipv4(0, 1, 60, 0), func(b []byte) { b[2], b[3] = 0, 19 }),
		"payload-beyond-6":  good6[:59],
		"checksum":          func() []byte { b := ipv4(0, 1, 60, 0); b[10]++; return b }(),
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			if h, ok := parseHeader(data, false); ok {
				t.Errorf("accepted as %+v", h)
			}
		})
	}
	if h, ok := parseHeader(append(good4, 1, 2, 3), false); !ok || h.total != 60 {
		t.Errorf("padding is not told from the packet: %+v, %v", h, ok)
	}
}

func TestLateness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Lateness
		d := time.Duration(rapid.Int64Range(-10, int64(2*time.Second)).Draw(t, "lateness"))
		l.add(d)
		got := l.Quantile(0.5)
		if got <= d || got > max(d*5/4, 4*time.Microsecond)+time.Microsecond {
			t.Fatalf("%v is said to be below %v", d, got)
		}
	})
	var l Lateness
	for i := range 100 {
		l.add(time.Duration(i) * time.Millisecond)
	}
	before := l
	l.add(time.Hour)
	if since := l.Sub(before); since.Count() != 1 || since.Quantile(0.5) < 1500*time.Millisecond {
		t.Errorf("since then %d, %v", since.Count(), since.Quantile(0.5))
	}
	if p := before.Quantile(0.99); p < 98*time.Millisecond || p > 125*time.Millisecond {
		t.Errorf("p99 is %v", p)
	}
	if p := (&Lateness{}).Quantile(0.5); p != 0 {
		t.Errorf("an empty one has a median of %v", p)
	}
}

func FuzzHeader(f *testing.F) {
	for _, seed := range [][]byte{ipv4(0, 1, 60, 0), ipv6(0, 1, 60, 0), tcp4(0, 1, 100), tcp6(0, 1, 100)} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, super bool) {
		h, ok := parseHeader(data, super)
		if !ok {
			return
		}
		if h.length > h.total || h.total > len(data) || !h.src.IsValid() || !h.dst.IsValid() {
			t.Fatalf("accepted as %+v", h)
		}
	})
}
