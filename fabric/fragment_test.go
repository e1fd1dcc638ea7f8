package fabric

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"meshsim/link"
)

// reassemble puts the payload of IPv4 fragments together and checks that they cover it exactly once.
func reassemble(t testing.TB, fragments [][]byte) []byte {
	t.Helper()
	var payload []byte
	for i, f := range fragments {
		h, ok := parseHeader(f, false)
		if !ok || h.total != len(f) {
			t.Fatalf("fragment %d is malformed: % x", i, f)
		}
		field := binary.BigEndian.Uint16(f[6:])
		if at := int(field&ipv4OffsetMask) * 8; at != len(payload) {
			t.Fatalf("fragment %d is at %d, want %d", i, at, len(payload))
		}
		if more := field&ipv4MoreFollow != 0; more == (i == len(fragments)-1) {
			t.Fatalf("fragment %d of %d says more follow: %v", i, len(fragments), more)
		}
		payload = append(payload, f[h.length:]...)
	}
	return payload
}

func TestFragmentation(t *testing.T) {
	inLine(t, 4, link.Params{Delay: time.Millisecond}, func(t *testing.T, l *line) {
		l.set(1, 2, link.Params{MTU: 1000})
		l.set(2, 3, link.Params{MTU: 500}) // fragments are fragmented again
		sent := ipv4(0, 3, 1500, 0)
		for i := range sent[20:] {
			sent[20+i] = byte(i * 7)
		}
		want := bytes.Clone(sent[20:])
		l.send(0, sent)
		l.sleep(time.Second)
		var got [][]byte
		for _, p := range l.ports[3].packets() {
			if len(p.Data) > 500 || p.Data[8] != 62 {
				t.Errorf("a fragment has %d bytes and TTL %d", len(p.Data), p.Data[8])
			}
			got = append(got, p.Data)
		}
		if !bytes.Equal(reassemble(t, got), want) {
			t.Error("the payload was changed")
		}
		if s := l.stats(2, 3); s.AB.Packets != uint64(len(got)) {
			t.Errorf("%d packets counted, %d arrived", s.AB.Packets, len(got))
		}
	})
}

func TestFragmentsCoverThePayload(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		options := rapid.SampledFrom([][]byte{nil, {1, 1, 1, 0}, {0x83, 4, 9, 9, 7, 3, 9, 0}, {7, 0, 0, 0}}).Draw(rt, "options")
		payload := rapid.SliceOfN(rapid.Byte(), 1, 4000).Draw(rt, "payload")
		mtu := rapid.IntRange(link.MinMTU, 1500).Draw(rt, "mtu")
		data := append(append(ipv4(0, 1, 20, 0), options...), payload...)
		data[0] = 4<<4 | byte(5+len(options)/4)
		setLength(data, 20+len(options))
		var got [][]byte
		for f := range fragments(data, mtu) {
			if len(f) > mtu {
				rt.Fatalf("a fragment has %d bytes, the MTU is %d", len(f), mtu)
			}
			got = append(got, f)
		}
		if !bytes.Equal(reassemble(t, got), payload) {
			rt.Fatal("the payload was changed")
		}
		if later := got[len(got)-1]; len(got) > 1 && len(options) == 8 && !bytes.Equal(later[20:24], options[:4]) {
			rt.Fatalf("the copied option is lost: % x", later[:28])
		}
	})
}
