// Package porttest is the conformance suite for fabric ports behind which there is a host with a TCP/IP stack.
//
// The suite speaks to the port in raw packets from a node of its own, over a fabric on Go timers: it needs no second
// stack to be right. What a port must do is written at fabric.Port.
package porttest

import (
	"net/netip"
	"testing"
	"time"

	"meshsim/fabric"
)

// Subject makes the port under test, attaches it to f as cfg says, and returns how to detach and release it.
type Subject func(t *testing.T, f *fabric.Fabric, cfg fabric.NodeConfig) (detach func())

// The addresses of the two nodes.
var (
	probe4   = netip.MustParseAddr("10.0.0.1")
	probe6   = netip.MustParseAddr("fd6d:6573:6873::1")
	subject4 = netip.MustParseAddr("10.0.0.2")
	subject6 = netip.MustParseAddr("fd6d:6573:6873::2")
)

// patience is how long an answer may take that is expected: the network takes no time, but the machine may be busy.
const patience = time.Minute

// Run runs the suite.
func Run(t *testing.T, start Subject) {
	cases := []struct {
		slug string
		run  func(t *testing.T, e *exchange)
	}{
		{"answers-echo-ipv4", func(t *testing.T, e *exchange) { e.echo(t, probe4, subject4, 56) }},
		{"answers-echo-ipv6", func(t *testing.T, e *exchange) { e.echo(t, probe6, subject6, 56) }},
		{"takes-full-packets", func(t *testing.T, e *exchange) { e.echo(t, probe4, subject4, 1472) }},
		{"refuses-closed-tcp-ports", refusesClosedPorts},
		{"survives-garbage", survivesGarbage},
		{"ignores-wrong-checksums", ignoresWrongChecksums},
		{"takes-batches-in-order", takesBatchesInOrder},
		{"accepts-superpackets", acceptsSuperpackets},
		{"is-silent-after-detaching", isSilentAfterDetaching},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			e := newExchange(t, start)
			defer e.close()
			c.run(t, e)
		})
	}
}

// exchange is a probe and a subject, one link apart.
type exchange struct {
	probe  *probe
	detach func()
}

// pair routes between two neighbours.
type pair struct{}

func (pair) NextHop(_, dst fabric.NodeID) (fabric.NodeID, bool) { return dst, true }

func newExchange(t *testing.T, start Subject) *exchange {
	t.Helper()
	f := fabric.New(fabric.Config{Clock: fabric.TimerClock()})
	t.Cleanup(f.Close) // also where the subject cannot be made here
	change := fabric.Change{Set: []fabric.LinkConfig{{LinkID: fabric.LinkID{A: 1, B: 2}}}, Router: pair{}}
	if err := f.Apply(change); err != nil {
		t.Fatal(err)
	}
	p := &probe{received: make(chan []byte, 1024)}
	attachment, err := f.Attach(fabric.NodeConfig{ID: 1, Name: "probe", Addrs: []netip.Addr{probe4, probe6}}, p)
	if err != nil {
		t.Fatal(err)
	}
	p.attachment = attachment
	e := &exchange{probe: p}
	e.detach = start(t, f, fabric.NodeConfig{ID: 2, Name: "subject", Addrs: []netip.Addr{subject4, subject6}})
	return e
}

func (e *exchange) close() {
	e.detach()
	e.probe.attachment.Close()
}

// probe is a port that keeps what it is given.
type probe struct {
	attachment *fabric.Attachment
	received   chan []byte
}

// Deliver implements fabric.Port.
func (p *probe) Deliver(batch []fabric.Packet) {
	for _, packet := range batch {
		select {
		case p.received <- packet.Data:
		default:
		}
	}
}

// send sends packets in one batch, as copies.
func (p *probe) send(packets ...[]byte) {
	batch := make([]fabric.Packet, len(packets))
	for i, data := range packets {
		batch[i].Data = fabric.Alloc(len(data))
		copy(batch[i].Data, data)
	}
	p.attachment.Send(batch)
}

// await returns the first packet that matches, and fails the test when none comes.
func (p *probe) await(t *testing.T, what string, match func([]byte) bool) []byte {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case data := <-p.received:
			if match(data) {
				return data
			}
		case <-late.C:
			t.Fatalf("no %s came within %v", what, patience)
		}
	}
}

// echo sends an echo request with a payload of size bytes and waits for its answer.
func (e *exchange) echo(t *testing.T, from, to netip.Addr, size int) {
	t.Helper()
	e.probe.send(echoRequest(from, to, 1, size))
	e.probe.await(t, "echo reply", func(data []byte) bool {
		sequence, ok := echoReply(data)
		return ok && sequence == 1 && len(data) == len(echoRequest(from, to, 1, size))
	})
}

func refusesClosedPorts(t *testing.T, e *exchange) {
	for _, pair := range [][2]netip.Addr{{probe4, subject4}, {probe6, subject6}} {
		e.probe.send(tcpSegment(pair[0], pair[1], 4000, 4001, 7, tcpSYN, nil))
		e.probe.await(t, "reset", func(data []byte) bool {
			h, ok := readTCP(data)
			return ok && h.flags&tcpRST != 0 && h.ack == 8 && h.from == 4001
		})
	}
}

// survivesGarbage sends every prefix and many corruptions of packets; afterwards the subject must still answer.
func survivesGarbage(t *testing.T, e *exchange) {
	for _, whole := range [][]byte{
		echoRequest(probe4, subject4, 2, 40),
		tcpSegment(probe4, subject4, 1, 2, 3, tcpSYN, []byte("x")),
		echoRequest(probe6, subject6, 2, 40),
		tcpSegment(probe6, subject6, 1, 2, 3, tcpSYN, []byte("x")),
	} {
		ipHeader := 20
		if whole[0]>>4 == 6 {
			ipHeader = 40
		}
		for n := ipHeader; n < len(whole); n++ {
			short := append([]byte(nil), whole[:n]...)
			setLength(short)
			e.probe.send(short)
		}
		for i := ipHeader; i < len(whole); i++ {
			bad := append([]byte(nil), whole...)
			bad[i] ^= 0xff
			e.probe.send(bad)
		}
	}
	e.echo(t, probe4, subject4, 8)
	e.echo(t, probe6, subject6, 8)
}

func ignoresWrongChecksums(t *testing.T, e *exchange) {
	for _, pair := range [][2]netip.Addr{{probe4, subject4}, {probe6, subject6}} {
		bad := tcpSegment(pair[0], pair[1], 4000, 4001, 7, tcpSYN, []byte("payload"))
		bad[len(bad)-1] ^= 1
		good := tcpSegment(pair[0], pair[1], 4002, 4001, 9, tcpSYN, []byte("payload"))
		e.probe.send(bad, good)
		e.probe.await(t, "reset", func(data []byte) bool {
			h, ok := readTCP(data)
			if ok && h.to == 4000 {
				t.Errorf("a segment to %v with a wrong checksum was answered", pair[1])
			}
			return ok && h.to == 4002
		})
	}
}

func takesBatchesInOrder(t *testing.T, e *exchange) {
	const count = 100
	var requests [][]byte
	for i := range count {
		requests = append(requests, echoRequest(probe4, subject4, uint16(i+1), 100))
	}
	e.probe.send(requests...)
	for want := uint16(1); want <= count; want++ {
		e.probe.await(t, "echo reply", func(data []byte) bool {
			sequence, ok := echoReply(data)
			if ok && sequence != want {
				t.Fatalf("reply %d came where %d was due", sequence, want)
			}
			return ok
		})
	}
}

// acceptsSuperpackets sends one to a closed port: the reset acknowledges all its bytes, so it was taken whole, and
// without a checksum, which a superpacket has not.
func acceptsSuperpackets(t *testing.T, e *exchange) {
	payload := make([]byte, 30_000)
	for _, pair := range [][2]netip.Addr{{probe4, subject4}, {probe6, subject6}} {
		data := tcpSegment(pair[0], pair[1], 4000, 4001, 7, tcpSYN, payload)
		p := fabric.Packet{Data: fabric.Alloc(len(data)), SegmentSize: 1400}
		copy(p.Data, data)
		clearTCPChecksum(p.Data)
		e.probe.attachment.Send([]fabric.Packet{p})
		e.probe.await(t, "reset", func(data []byte) bool {
			h, ok := readTCP(data)
			return ok && h.flags&tcpRST != 0 && h.ack == 8+uint32(len(payload))
		})
	}
}

func isSilentAfterDetaching(t *testing.T, e *exchange) {
	e.echo(t, probe4, subject4, 8)
	e.detach()
	for len(e.probe.received) > 0 {
		<-e.probe.received
	}
	e.probe.send(echoRequest(probe4, subject4, 9, 8))
	e.probe.await(t, "refusal by the network", func(data []byte) bool {
		if sequence, ok := echoReply(data); ok {
			t.Fatalf("echo %d was answered by a port that is detached", sequence)
		}
		return true
	})
}
