package probe

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// exchange is a sequence of echo requests to one address. It is for one goroutine, beside the one that reads.
type exchange struct {
	conn Conn
	to   netip.Addr
	id   uint16
	data []byte

	sent    int
	open    []request // in the order in which they are sent, and so of their time-outs
	expiry  *time.Timer
	answers chan answer
	broken  chan error
	done    chan struct{} // closed when nobody takes answers any more
	ended   chan struct{} // closed when nobody reads any more
}

// request is a request without an answer.
type request struct {
	seq      int
	at       time.Time
	deadline time.Time
}

// answer is a message that is for one of our requests.
type answer struct {
	seq     uint16
	outcome Outcome
	from    netip.Addr
	at      time.Time
}

func newExchange(conn Conn, to netip.Addr, size int) (*exchange, error) {
	if err := checkFamily(conn.Local(), to); err != nil {
		return nil, err
	}
	x := &exchange{
		conn: conn, to: to, id: uint16(rand.Uint32()), data: make([]byte, size), expiry: time.NewTimer(time.Hour),
		answers: make(chan answer), broken: make(chan error, 1), done: make(chan struct{}), ended: make(chan struct{}),
	}
	x.expiry.Stop()
	go x.read()
	return x, nil
}

// close ends the reading goroutine, with the socket.
func (x *exchange) close() {
	close(x.done)
	x.conn.Close()
	<-x.ended
	x.expiry.Stop()
}

// read hands on what answers us until the socket is closed.
func (x *exchange) read() {
	defer close(x.ended)
	for {
		m, err := x.conn.Receive()
		if err != nil {
			x.broken <- err
			return
		}
		a, ok := x.decode(m)
		if !ok {
			continue
		}
		select {
		case x.answers <- a:
		case <-x.done:
			return
		}
	}
}

// send sends the next request.
func (x *exchange) send(ttl int, timeout time.Duration) error {
	seq := x.sent + 1
	message := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(x.id), Seq: int(uint16(seq)), Data: x.data}}
	var pseudo []byte
	if x.to.Is6() {
		message.Type = ipv6.ICMPTypeEchoRequest
		pseudo = icmp.IPv6PseudoHeader(x.conn.Local().AsSlice(), x.to.AsSlice())
	}
	encoded, err := message.Marshal(pseudo)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := x.conn.Send(encoded, x.to, ttl); err != nil {
		return err
	}
	x.sent = seq
	x.open = append(x.open, request{seq: seq, at: now, deadline: now.Add(timeout)})
	x.rearm()
	return nil
}

// settle finds the request that an answer is for; a second answer is for none.
func (x *exchange) settle(a answer) (Reply, bool) {
	i := slices.IndexFunc(x.open, func(r request) bool { return uint16(r.seq) == a.seq })
	if i < 0 {
		return Reply{}, false
	}
	asked := x.open[i]
	x.open = slices.Delete(x.open, i, i+1)
	x.rearm()
	return Reply{Seq: asked.seq, Outcome: a.outcome, From: a.from, RTT: a.at.Sub(asked.at)}, true
}

// expire gives up the requests whose time is over.
func (x *exchange) expire(each func(Reply) error) error {
	now := time.Now()
	for len(x.open) > 0 && !x.open[0].deadline.After(now) {
		lost := Reply{Seq: x.open[0].seq, Outcome: Lost}
		x.open = x.open[1:]
		if err := each(lost); err != nil {
			return err
		}
	}
	x.rearm()
	return nil
}

// rearm sets the timer to the first time-out.
func (x *exchange) rearm() {
	x.expiry.Stop()
	if len(x.open) > 0 {
		x.expiry.Reset(time.Until(x.open[0].deadline))
	}
}

// The protocol numbers of ICMP and ICMPv6.
const (
	protocolICMP   = 1
	protocolICMPv6 = 58
)

// decode tells whether a message answers one of our requests, and how.
func (x *exchange) decode(m Message) (answer, bool) {
	protocol := protocolICMP
	if x.to.Is6() {
		protocol = protocolICMPv6
	}
	parsed, err := icmp.ParseMessage(protocol, m.Data)
	if err != nil {
		return answer{}, false
	}
	a := answer{from: m.From, at: m.At}
	var quoted []byte
	switch body := parsed.Body.(type) {
	case *icmp.Echo:
		a.seq, a.outcome = uint16(body.Seq), Replied
		isReply := parsed.Type == ipv4.ICMPTypeEchoReply || parsed.Type == ipv6.ICMPTypeEchoReply
		return a, isReply && uint16(body.ID) == x.id && m.From == x.to
	case *icmp.TimeExceeded:
		a.outcome, quoted = TTLExceeded, body.Data
	case *icmp.DstUnreach:
		a.outcome, quoted = unreachable(parsed), body.Data
	case *icmp.PacketTooBig:
		a.outcome, quoted = TooBig, body.Data
	default:
		return answer{}, false
	}
	id, seq, ok := x.quoted(quoted)
	a.seq = seq
	return a, ok && id == x.id
}

// needsFragmentation is the code of an unreachable destination in IPv4 that stands for a packet too big (RFC 1191).
const needsFragmentation = 4

func unreachable(m *icmp.Message) Outcome {
	if m.Type == ipv4.ICMPTypeDestinationUnreachable && m.Code == needsFragmentation {
		return TooBig
	}
	return Unreachable
}

// quoted reads the request that an error is about: its IP header and at least eight bytes more.
func (x *exchange) quoted(packet []byte) (id, seq uint16, ok bool) {
	headers, echo := ipv6.HeaderLen, byte(ipv6.ICMPTypeEchoRequest)
	if x.to.Is4() {
		if len(packet) == 0 {
			return 0, 0, false
		}
		headers, echo = int(packet[0]&15)*4, byte(ipv4.ICMPTypeEcho)
	}
	const echoHeader = 8
	if len(packet) < headers+echoHeader || packet[headers] != echo {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(packet[headers+4:]), binary.BigEndian.Uint16(packet[headers+6:]), true
}
