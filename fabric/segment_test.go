package fabric

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"meshsim/link"
)

// tcp4 is a TCP packet with timestamps (32 bytes of TCP header) and the given payload length. Its checksum,
// and the length of one that is too long, are for the fabric to complete.
func tcp4(from, to, payload int) []byte {
	b := make([]byte, 20+32+payload)
	copy(b, ipv4(from, to, 20, 0))
	b[9] = protoTCP
	fillTCP(b[20:])
	if len(b) < 1<<16 {
		setLength(b, 20)
	}
	return b
}

func tcp6(from, to, payload int) []byte {
	b := make([]byte, 40+32+payload)
	copy(b, ipv6(from, to, 40, 0))
	b[6] = protoTCP
	fillTCP(b[40:])
	return b
}

const (
	firstSeq = 0xfffff000 // wraps
	tcpACK   = 0x10
)

func fillTCP(tcp []byte) {
	binary.BigEndian.PutUint16(tcp, 4000)
	binary.BigEndian.PutUint16(tcp[2:], 5000)
	binary.BigEndian.PutUint32(tcp[4:], firstSeq)
	tcp[12], tcp[13] = 8<<4, tcpACK|tcpPSH|tcpFIN|tcpCWR
	for i := range tcp[32:] {
		tcp[32+i] = byte(i * 7)
	}
}

func superpackets(payload int) map[string][]byte {
	return map[string][]byte{"v4": tcp4(0, 3, payload), "v6": tcp6(0, 3, payload)}
}

func TestSuperpacketsCrossWhole(t *testing.T) {
	for name, data := range superpackets(60_000) {
		t.Run(name, func(t *testing.T) {
			inLine(t, 4, link.Params{Delay: time.Millisecond}, func(t *testing.T, l *line) {
				l.ends[0].Send([]Packet{{Data: data, SegmentSize: 1420}})
				l.sleep(time.Second)
				got := l.ports[3].packets()
				if len(got) != 1 || got[0].SegmentSize != 1420 || got[0].Hops != 3 {
					t.Fatalf("%d packets arrived, the first of %d bytes, segments of %d", len(got), len(got[0].Data), got[0].SegmentSize)
				}
				headers := len(data) - 60_000
				s := l.stats(1, 2)
				if s.AB.Packets != 43 || s.AB.Bytes != uint64(60_000+43*headers) {
					t.Errorf("counted %d packets and %d bytes; 43 segments", s.AB.Packets, s.AB.Bytes)
				}
			})
		})
	}
}

func TestSuperpacketsAreCutBeforeAnImpairedLink(t *testing.T) {
	for name, data := range superpackets(10_000) {
		t.Run(name, func(t *testing.T) {
			inLine(t, 4, link.Params{}, func(t *testing.T, l *line) {
				l.set(1, 2, link.Params{Rate: 1e9, QueueLimit: 1 << 20})
				payload := bytes.Clone(data[len(data)-10_000:])
				l.ends[0].Send([]Packet{{Data: data, SegmentSize: 1420}})
				l.sleep(time.Second)
				got := l.ports[3].packets()
				if len(got) != 8 {
					t.Fatalf("%d segments arrived, want 8", len(got))
				}
				if joined := joinSegments(t, got); !bytes.Equal(joined, payload) {
					t.Error("the payload was changed")
				}
				before, after := l.stats(0, 1), l.stats(2, 3)
				if before.AB.Packets != 8 || before.AB.Packets != after.AB.Packets || before.AB.Bytes != after.AB.Bytes {
					t.Errorf("counted %+v before the cut and %+v after it", before.AB, after.AB)
				}
			})
		})
	}
}

// joinSegments checks the headers of the segments of one superpacket and returns their payload.
func joinSegments(t *testing.T, segments []Packet) []byte {
	t.Helper()
	var payload []byte
	for i, p := range segments {
		h, ok := parseHeader(p.Data, false)
		if !ok || h.total != len(p.Data) || p.SegmentSize != 0 {
			t.Fatalf("segment %d is malformed", i)
		}
		tcp := p.Data[h.length:]
		if checksum(tcp, pseudoSum(p.Data, protoTCP, len(tcp))) != 0 {
			t.Errorf("segment %d has a wrong checksum", i)
		}
		if seq, want := binary.BigEndian.Uint32(tcp[4:]), uint32(firstSeq+len(payload)); seq != want {
			t.Errorf("segment %d has sequence number %d, want %d", i, seq, want)
		}
		if !h.v6() && binary.BigEndian.Uint16(p.Data[4:]) != uint16(i) {
			t.Errorf("segment %d has IP id %d", i, binary.BigEndian.Uint16(p.Data[4:]))
		}
		want := byte(tcpACK)
		if i == 0 {
			want |= tcpCWR
		}
		if i == len(segments)-1 {
			want |= tcpPSH | tcpFIN
		}
		if tcp[13] != want {
			t.Errorf("segment %d has flags %#x, want %#x", i, tcp[13], want)
		}
		payload = append(payload, tcp[32:]...)
	}
	return payload
}

// The segments are too long for the second link, which refuses every one of them.
func TestSuperpacketsMeetTheMTU(t *testing.T) {
	for name, data := range superpackets(2_000) {
		t.Run(name, func(t *testing.T) {
			inLine(t, 4, link.Params{}, func(t *testing.T, l *line) {
				l.set(1, 2, link.Params{MTU: 1280})
				if name == "v4" {
					data[6] |= 0x40 // don't fragment
				}
				l.ends[0].Send([]Packet{{Data: data, SegmentSize: 1420}})
				l.sleep(time.Second)
				if n := len(l.ports[0].packets()); n != 1 {
					t.Errorf("%d answers, want one: the second segment fits", n)
				}
				if n := len(l.ports[3].packets()); n != 1 {
					t.Errorf("%d segments arrived, want 1", n)
				}
			})
		})
	}
}

func TestSuperpacketsThatCannotBeCut(t *testing.T) {
	udp := ipv4(0, 1, 1000, 0)
	short := tcp4(0, 1, 0)[:40]
	fragment := tcp4(0, 1, 3000)
	fragment[6] = 0x20
	for name, data := range map[string][]byte{"udp": udp, "header-cut-off": short, "fragment": fragment} {
		t.Run(name, func(t *testing.T) {
			inLine(t, 2, link.Params{}, func(t *testing.T, l *line) {
				l.ends[0].Send([]Packet{{Data: data, SegmentSize: 1000}})
				l.sleep(0)
				if n, _ := l.NodeStats(0); n.Drops[link.DropMalformed] != 1 {
					t.Errorf("dropped %v", n.Drops)
				}
			})
		})
	}
}
