package channel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"

	"github.com/flynn/noise"
)

// First contact, with a peer whose key is not known: Noise XX. Three datagrams before the first answer instead of one,
// and none of the caller's leaves before the peer has proven that it has the key which it shows. Whether that key is to be
// trusted is the caller's to say.

// Lengths in bytes.
const (
	// secondLen: header, an ephemeral key, a static key and its tag, the hint and the payload's tag.
	secondLen = welcomeHeader + 32 + 48 + 1 + tagLen
	// firstLen is the same, so that who answers a forged address sends it no more than came: after header and
	// ephemeral key there are zeros.
	firstLen = secondLen
	// thirdOverhead: header, a static key and its tag, the hint and the payload's tag.
	thirdOverhead = helloHeader + 48 + 1 + tagLen
)

// KeyChangedError says that a peer has another key than the one it was known by. Either it was given a new one, or
// somebody else answers in its place.
type KeyChangedError struct{ Known, Now PublicKey }

func (e *KeyChangedError) Error() string {
	return fmt.Sprintf("the key of the other side was %v and is %v now: unless it was changed on purpose, somebody else answers in its place", e.Known, e.Now)
}

// Meet makes a session to a peer whose key is not known. trust is called once the peer has proven that a key is its own;
// the error that it returns ends the session, and Lost is told of it. Nothing is sent before the first Send.
func (e *Endpoint) Meet(addr net.Addr, trust func(PublicKey) error, h func(*Session) Handler) (*Session, error) {
	return e.dial(&Session{endpoint: e, addr: addr, dialled: true, trust: trust}, noise.HandshakeXX, h)
}

// Met tells whether the peer's key was not known when this end began the session.
func (s *Session) Met() bool { return s.trust != nil }

// visitor is a stranger whose first message was answered.
type visitor struct {
	own, remote id
	begunBy     ephemeral
	handshake   *noise.HandshakeState
	second      []byte // as sent
}

// met answers the first message of a first contact.
func (e *Endpoint) met(b []byte, from net.Addr) {
	begunBy := ephemeral(b[helloHeader:])
	if !validPoint(begunBy[:]) {
		e.count.refused.Add(1) // no answer can be made
		return
	}
	e.mu.Lock()
	known := e.visitors.findBegun(begunBy)
	e.mu.Unlock()
	if known != nil {
		e.write(known.second, from)
		return
	}
	v, err := e.newVisitor(b, begunBy)
	if err != nil {
		e.count.refused.Add(1)
		return
	}
	e.write(v.second, from)
}

func (e *Endpoint) newVisitor(b []byte, begunBy ephemeral) (*visitor, error) {
	v := &visitor{remote: id(binary.BigEndian.Uint16(b[1:])), begunBy: begunBy}
	var err error
	if v.handshake, err = newHandshake(e.cfg.Key, noise.HandshakeXX, false, nil); err != nil {
		return nil, err
	}
	if _, _, _, err = v.handshake.ReadMessage(nil, b[helloHeader:]); err != nil {
		return nil, err
	}
	if err := e.admit(v); err != nil {
		return nil, err
	}
	v.second = binary.BigEndian.AppendUint16([]byte{kindSecond}, uint16(v.remote))
	v.second = binary.BigEndian.AppendUint16(v.second, uint16(v.own))
	v.second, _, _, err = v.handshake.WriteMessage(v.second, []byte{e.cfg.Hint})
	return v, err
}

// admit gives a visitor an id.
func (e *Endpoint) admit(v *visitor) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	own, err := e.freeIDLocked()
	if err != nil {
		return err
	}
	v.own = own
	e.visitors.add(v)
	return nil
}

// introduced takes the third message: it tells who the visitor is, and carries the first datagram.
func (e *Endpoint) introduced(b []byte, from net.Addr) {
	own := id(binary.BigEndian.Uint16(b[1:]))
	if s := e.find(own); s != nil {
		s.introducedAgain(b)
		return
	}
	v := e.visitor(own)
	if v == nil {
		e.write([]byte{kindUnknown, b[1], b[2]}, from)
		return
	}
	payload, in, out, err := v.handshake.ReadMessage(nil, b[helloHeader:])
	if err != nil || len(payload) < 1 {
		e.count.refused.Add(1)
		return
	}
	e.leave(v)
	peer := PublicKey(v.handshake.PeerStatic())
	if !e.cfg.Known(peer) {
		e.count.refused.Add(1)
		return
	}
	s := &Session{
		endpoint: e, peer: peer, addr: from, own: own, remote: v.remote, begunBy: v.begunBy, peerHint: payload[0], third: bytes.Clone(b),
		first: payload[1:],
	}
	if e.enter(s) != nil {
		return
	}
	s.mu.Lock()
	s.establishLocked(in, out)
	s.mu.Unlock()
	e.accept(s)
	s.receive(s.first)
}

func (e *Endpoint) visitor(own id) *visitor {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.visitors.find(own)
}

func (e *Endpoint) leave(v *visitor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.visitors.remove(v)
}

// introducedAgain takes a third message that comes again, because the answer to what it carries was lost. Who stands
// above knows that datagram and answers it again.
func (s *Session) introducedAgain(b []byte) {
	s.mu.Lock()
	again := !s.ended && s.third != nil && bytes.Equal(b, s.third)
	first, receive := s.first, s.receive
	s.mu.Unlock()
	if !again {
		s.endpoint.count.refused.Add(1)
		return
	}
	receive(bytes.Clone(first))
}

// makeFirstLocked makes the first message.
func (s *Session) makeFirstLocked() bool {
	b, err := s.endpoint.newFirst(s.own, s.handshake)
	if err != nil {
		return false // the source of randomness has failed; the caller sends again
	}
	s.hello = b
	return true
}

func (e *Endpoint) newFirst(own id, handshake *noise.HandshakeState) ([]byte, error) {
	b := append(make([]byte, 0, firstLen), kindFirst)
	b = binary.BigEndian.AppendUint16(b, uint16(own))
	b, _, _, err := handshake.WriteMessage(b, make([]byte, firstLen-helloHeader-32))
	return b, err
}

// shown takes the second message: the peer has proven that it has the key which it shows.
func (s *Session) shown(b []byte, from net.Addr) {
	if !validPoint(b[welcomeHeader : welcomeHeader+32]) {
		s.endpoint.count.refused.Add(1)
		return
	}
	s.mu.Lock()
	s.readLocked(b)
	switch {
	case s.ended || s.handshake == nil || s.hello == nil:
		s.mu.Unlock()
	case s.trust == nil:
		s.mu.Unlock()
		s.compare(b)
	default:
		trust := s.readSecondLocked(b, from)
		s.mu.Unlock()
		if trust {
			s.introduce()
		}
	}
}

// readSecondLocked tells whether the second message was authentic.
func (s *Session) readSecondLocked(b []byte, from net.Addr) bool {
	payload, _, _, err := s.handshake.ReadMessage(nil, b[welcomeHeader:])
	if err != nil {
		s.endpoint.count.refused.Add(1)
		return false
	}
	s.peer = PublicKey(s.handshake.PeerStatic())
	s.remote = id(binary.BigEndian.Uint16(b[1+idLen:]))
	s.peerHint = payload[0]
	s.addr = from
	return true
}

// introduce asks whether the peer is trusted, and sends the third message with the first datagram.
func (s *Session) introduce() {
	if err := s.trust(s.peer); err != nil {
		s.lose(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.early, s.queue = s.queue[0], s.queue[1:]
	b := append(make([]byte, 0, thirdOverhead+len(s.early)), kindThird)
	b = binary.BigEndian.AppendUint16(b, uint16(s.remote))
	b, out, in, err := s.handshake.WriteMessage(b, append([]byte{s.endpoint.cfg.Hint}, s.early...))
	if err != nil {
		return // nothing in it is random: it cannot fail
	}
	s.establishLocked(in, out)
	s.hello, s.unanswered = b, true
	s.writeLocked(b)
}

// confirmedLocked notes that the peer has the third message; what has waited for that follows.
func (s *Session) confirmedLocked() {
	for _, q := range s.queue {
		s.dataLocked(q)
	}
	s.queue, s.hello, s.early = nil, nil, nil
}

// doubted takes the peer's word, which anybody can forge, that it cannot read the hello. Then it may have another key
// than it had; a first message asks it to show that one.
func (s *Session) doubted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.handshake == nil || s.hello == nil || s.trust != nil || !s.endpoint.mayBelieve(s.peer) {
		return
	}
	handshake, err := newHandshake(s.endpoint.cfg.Key, noise.HandshakeXX, true, nil)
	if err != nil {
		return
	}
	b, err := s.endpoint.newFirst(s.own, handshake)
	if err != nil {
		return
	}
	s.probe = handshake
	s.writeLocked(b)
}

// compare ends the session if the peer's key, which it shows, is not the one it was known by.
func (s *Session) compare(b []byte) {
	s.mu.Lock()
	if s.probe == nil {
		s.mu.Unlock()
		s.endpoint.count.refused.Add(1)
		return
	}
	_, _, _, err := s.probe.ReadMessage(nil, b[welcomeHeader:])
	if err != nil {
		s.mu.Unlock()
		s.endpoint.count.refused.Add(1)
		return
	}
	now := PublicKey(s.probe.PeerStatic())
	s.probe = nil
	s.mu.Unlock()
	if now != s.peer {
		s.lose(&KeyChangedError{Known: s.peer, Now: now})
	}
}
