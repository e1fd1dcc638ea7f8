package channel

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/flynn/noise"
)

// The first byte of a datagram.
const (
	kindHello      = 0x01
	kindWelcome    = 0x02
	kindUnknown    = 0x03
	kindUnreadable = 0x04
	kindFirst      = 0x05
	kindSecond     = 0x06
	kindThird      = 0x07
	kindData       = 0x40
)

// Lengths in bytes.
const (
	idLen         = 2
	helloHeader   = 1 + idLen
	welcomeHeader = 1 + 2*idLen
	dataHeader    = 1 + idLen + 2
	tagLen        = 16
	timeLen       = 6
	// welcomeOverhead: an ephemeral key, the hint and the payload's tag.
	welcomeOverhead = welcomeHeader + 32 + 1 + tagLen
	// helloOverhead: an ephemeral key, a static key and its tag, the time, the hint and the payload's tag.
	helloOverhead = helloHeader + 32 + 48 + timeLen + 1 + tagLen
)

// Overhead is how much longer a datagram gets in an established session.
const Overhead = dataHeader + tagLen

// maxQueued bounds what waits for the end of the handshake.
const maxQueued = 32

type id uint16

// Session is a channel to one peer. It is safe for concurrent use.
//
//	dialled -> greeting -----------------> established -> ended
//	                    \-> introduced -/  /
//	accepted -----------------------------/
//
// It is introduced when it has met its peer, until that is heard again.
type Session struct {
	endpoint *Endpoint
	own      id // datagrams for this session carry it
	dialled  bool
	begunBy  ephemeral             // of the peer, where it has begun the session
	trust    func(PublicKey) error // of a session that meets its peer

	mu         sync.Mutex // guards what follows
	peer       PublicKey  // set from the beginning, or once the peer was met
	addr       net.Addr
	remote     id                    // set before the session is established, and not after
	handshake  *noise.HandshakeState // nil once established
	hello      []byte                // as sent, while it may be repeated; the first message or the third of one that meets its peer
	early      []byte                // what hello carries
	queue      [][]byte
	probe      *noise.HandshakeState // asks a peer that cannot read the hello for its key
	welcome    []byte                // as sent
	third      []byte                // as received, until the peer has heard an answer
	first      []byte                // what third carries
	out        sealing
	in         opening
	unanswered bool // whether something was sent since the peer was last heard
	lastHeard  time.Time
	peerHint   byte
	ended      bool
	receive    func([]byte)
	lost       func(error)
	traffic    Traffic
}

// Traffic is what a session has sent and received, handshakes and repetitions included: datagrams, and the bytes in them.
type Traffic struct {
	Sent, SentBytes         uint64
	Received, ReceivedBytes uint64
}

// Traffic returns what the session has sent and received.
func (s *Session) Traffic() Traffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.traffic
}

func (s *Session) writeLocked(datagram []byte) {
	s.traffic.Sent++
	s.traffic.SentBytes += uint64(len(datagram))
	s.endpoint.write(datagram, s.addr)
}

func (s *Session) readLocked(datagram []byte) {
	s.traffic.Received++
	s.traffic.ReceivedBytes += uint64(len(datagram))
}

// Peer returns the peer's static key, the zero key before it was met.
func (s *Session) Peer() PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer
}

// Addr is where datagrams go to. It must not be called with what Send waits for held.
func (s *Session) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Dialled tells whether this end has begun the session.
func (s *Session) Dialled() bool { return s.dialled }

// Hint returns the byte that the peer gave with its part of the handshake, 0 before that came.
func (s *Session) Hint() byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peerHint
}

// Established tells whether the handshake is complete, and when the peer was last heard.
func (s *Session) Established() (bool, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handshake == nil && s.hello == nil, s.lastHeard
}

// Move changes the address that datagrams go to. The peer's own datagrams change it, too.
func (s *Session) Move(to net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = to
}

// Send sends a datagram, or keeps it until the handshake is complete. It does not keep the slice.
func (s *Session) Send(datagram []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
	case s.dialled && (s.handshake != nil || s.hello != nil):
		s.greetLocked(datagram)
	case s.handshake == nil:
		s.unanswered = true
		s.dataLocked(datagram)
	default:
		s.welcomeLocked(datagram)
	}
}

// Silent is told by the user that datagrams are not answered, and since when. If nothing at all was heard of the peer in
// that time, the session is lost.
func (s *Session) Silent(since time.Time) {
	s.mu.Lock()
	lost := !s.ended && s.handshake == nil && s.lastHeard.Before(since)
	s.mu.Unlock()
	if lost {
		s.lose(ErrLost)
	}
}

func (s *Session) dataLocked(datagram []byte) {
	b := make([]byte, 0, dataHeader+len(datagram)+tagLen)
	b = append(b, kindData)
	b = binary.BigEndian.AppendUint16(b, uint16(s.remote))
	b = binary.BigEndian.AppendUint16(b, uint16(s.out.next))
	s.writeLocked(s.out.seal(b, b[:dataHeader:dataHeader], datagram))
}

// greetLocked sends the first message of the handshake, or sends it again when the caller sends again what it waits
// for.
func (s *Session) greetLocked(datagram []byte) {
	if s.hello == nil && !s.beginLocked(datagram) {
		return
	}
	repeated := s.early != nil && bytes.Equal(datagram, s.early)
	for _, q := range s.queue {
		repeated = repeated || bytes.Equal(datagram, q)
	}
	switch {
	case repeated:
		s.writeLocked(s.hello)
	case len(s.queue) < maxQueued:
		if len(s.queue) == 0 && s.early == nil {
			s.writeLocked(s.hello)
		}
		s.queue = append(s.queue, bytes.Clone(datagram))
	}
}

// beginLocked makes the first datagram of the handshake.
func (s *Session) beginLocked(datagram []byte) bool {
	if s.trust != nil {
		return s.makeFirstLocked()
	}
	if s.endpoint.cfg.Early(datagram) {
		s.early = bytes.Clone(datagram)
	}
	return s.makeHelloLocked()
}

func (s *Session) makeHelloLocked() bool {
	payload := make([]byte, 0, timeLen+1+len(s.early))
	payload = appendTime(payload, s.endpoint.stamp())
	payload = append(payload, s.endpoint.cfg.Hint)
	payload = append(payload, s.early...)
	b := append(make([]byte, 0, helloOverhead+len(s.early)), kindHello)
	b = binary.BigEndian.AppendUint16(b, uint16(s.own))
	b, _, _, err := s.handshake.WriteMessage(b, payload)
	if err != nil {
		return false // the source of randomness has failed; the caller sends again
	}
	s.hello = b
	return true
}

// welcomeLocked answers a hello; the datagram goes with it.
func (s *Session) welcomeLocked(datagram []byte) {
	b := append(make([]byte, 0, welcomeOverhead+len(datagram)), kindWelcome)
	b = binary.BigEndian.AppendUint16(b, uint16(s.remote))
	b = binary.BigEndian.AppendUint16(b, uint16(s.own))
	payload := append([]byte{s.endpoint.cfg.Hint}, datagram...)
	b, in, out, err := s.handshake.WriteMessage(b, payload)
	if err != nil {
		return
	}
	s.welcome = b
	s.establishLocked(in, out)
	s.writeLocked(b)
}

func (s *Session) establishLocked(in, out *noise.CipherState) {
	s.in.state, s.out.state = in, out
	s.handshake = nil
	s.unanswered = false
	s.lastHeard = time.Now()
	s.endpoint.established(s)
}

// welcomed completes the handshake at the side that began it.
func (s *Session) welcomed(datagram []byte, from net.Addr) {
	if !validPoint(datagram[welcomeHeader : welcomeHeader+32]) {
		s.endpoint.count.refused.Add(1)
		return
	}
	s.mu.Lock()
	if s.ended || s.handshake == nil || s.hello == nil || !s.dialled || s.trust != nil {
		s.mu.Unlock()
		return
	}
	s.readLocked(datagram)
	payload, out, in, err := s.handshake.ReadMessage(nil, datagram[welcomeHeader:])
	if err != nil || len(payload) < 1 {
		s.endpoint.count.refused.Add(1)
		s.mu.Unlock()
		return
	}
	s.remote = id(binary.BigEndian.Uint16(datagram[1+idLen:]))
	s.peerHint = payload[0]
	s.addr = from
	s.establishLocked(in, out)
	s.confirmedLocked()
	receive := s.receive
	s.mu.Unlock()
	if len(payload) > 1 {
		receive(payload[1:])
	}
}

// data takes a data datagram.
func (s *Session) data(datagram []byte, from net.Addr) {
	s.mu.Lock()
	if s.ended || s.handshake != nil {
		s.mu.Unlock()
		return
	}
	s.readLocked(datagram)
	header := datagram[:dataHeader:dataHeader]
	plain, newest := s.in.open(binary.BigEndian.Uint16(header[1+idLen:]), header, datagram[dataHeader:])
	if plain == nil {
		s.endpoint.count.refused.Add(1)
		s.mu.Unlock()
		return
	}
	if newest {
		s.addr = from
	}
	s.unanswered = false
	s.lastHeard = time.Now()
	s.welcome, s.third, s.first = nil, nil, nil // the peer has the answer
	if s.hello != nil {
		s.confirmedLocked()
	}
	receive := s.receive
	s.mu.Unlock()
	receive(plain)
}

// unknown takes the peer's word, which anybody can forge, that it does not have this session.
func (s *Session) unknown() {
	s.mu.Lock()
	believe := !s.ended && s.handshake == nil && s.unanswered && s.endpoint.mayBelieve(s.peer)
	s.mu.Unlock()
	if believe {
		s.lose(ErrLost)
	}
}

// lose ends the session and says why, once.
func (s *Session) lose(reason error) {
	if lost := s.close(); lost != nil {
		go lost(reason)
	}
}

// Close forgets the session. The peer is not told. It is idempotent.
func (s *Session) Close() { s.close() }

func (s *Session) close() (lost func(error)) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil
	}
	s.ended = true
	lost = s.lost
	s.queue, s.hello, s.early, s.welcome = nil, nil, nil, nil
	s.probe, s.third, s.first = nil, nil, nil
	s.mu.Unlock()
	s.endpoint.forget(s)
	return lost
}

func appendTime(b []byte, ms uint64) []byte {
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], ms)
	return append(b, full[2:]...)
}

func readTime(b []byte) uint64 {
	var full [8]byte
	copy(full[2:], b[:timeLen])
	return binary.BigEndian.Uint64(full[:])
}
