package channel

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flynn/noise"
)

// Handler is what a session's user hangs into it.
type Handler struct {
	// Receive takes a datagram of the peer, which is the callee's to keep. Calls do not overlap.
	Receive func(datagram []byte)
	// Lost is called once when the session has broken, on a goroutine of its own; not after Close. The reason is ErrLost,
	// a *KeyChangedError, or what Meet was told of a key.
	Lost func(reason error)
}

// Config says what an endpoint is given. All fields but the last two are needed.
type Config struct {
	Conn net.PacketConn
	Key  Key
	// Known tells whether a peer's key is one to talk to.
	Known func(PublicKey) bool
	// Accept is told of each session that a peer begins, before its first datagram is handed over.
	Accept func(*Session) Handler
	// Early tells whether a datagram may go with the first message of a handshake, which can be replayed.
	Early func(datagram []byte) bool
	// Strangers answers those who do not know this end's key: they learn it, and are then asked for theirs.
	Strangers bool
	// Hint is told to peers in the handshake; its meaning is the user's.
	Hint byte
}

// Stats counts what an endpoint has seen.
type Stats struct {
	Sent, SentBytes         uint64 // datagrams and their UDP payload
	Received, ReceivedBytes uint64
	Refused                 uint64 // not authentic, replayed, or no datagrams of this protocol
	Handshakes              uint64 // sessions that peers have begun
}

type counters struct {
	sent, sentBytes, received, receivedBytes, refused, handshakes atomic.Uint64
}

const (
	// maxSessions bounds the sessions that one peer may have begun, and maxAccepted those of all: the oldest gives way.
	maxSessions = 4
	maxAccepted = 8192
	// maxPeers bounds of how many peers the time of the last handshake is kept. Beyond it those without a session are
	// forgotten: a replay of their first datagram is then as possible as after a restart.
	maxPeers = 4 * maxAccepted
	// believeEvery bounds how often a forged "unknown" can end a session.
	believeEvery = 30 * time.Second
	// maxDatagram is the largest UDP payload that is read whole; a longer one is not of this protocol.
	maxDatagram = 2048
)

// Endpoint carries all sessions of one PacketConn. It is safe for concurrent use.
//
//	New -> (Run, Dial) -> Close
type Endpoint struct {
	cfg   Config
	count counters

	mu       sync.Mutex             // guards what follows
	sessions map[id]*Session        // by their own id
	remotes  map[id][]*Session      // established ones, by the peer's id
	hellos   map[ephemeral]*Session // that peers have begun
	peers    map[PublicKey]*peerState
	accepted []*Session // that peers have begun, oldest first
	visitors visitors
	stamped  uint64
	closed   bool
}

// peerState is what is remembered of a peer beyond its sessions.
type peerState struct {
	latest   uint64     // time in its last hello
	accepted []*Session // that it has begun, oldest first
	believed time.Time
}

// New makes an endpoint. It starts nothing.
func New(cfg Config) *Endpoint {
	return &Endpoint{
		cfg: cfg, sessions: make(map[id]*Session), remotes: make(map[id][]*Session),
		hellos: make(map[ephemeral]*Session), peers: make(map[PublicKey]*peerState),
		visitors: newVisitors(),
	}
}

// Run reads datagrams until the connection fails or is closed, and returns why. Close makes it return net.ErrClosed.
func (e *Endpoint) Run() error {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := e.cfg.Conn.ReadFrom(buf)
		if err != nil {
			if e.isClosed() {
				return net.ErrClosed
			}
			return err
		}
		e.count.received.Add(1)
		e.count.receivedBytes.Add(uint64(n))
		e.take(buf[:n], from)
	}
}

func (e *Endpoint) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Close forgets all sessions and closes the connection. It is idempotent.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	already := e.closed
	e.closed = true
	var all []*Session
	for _, s := range e.sessions {
		all = append(all, s)
	}
	e.mu.Unlock()
	if already {
		return nil
	}
	for _, s := range all {
		s.Close()
	}
	return e.cfg.Conn.Close()
}

// Stats returns the counters.
func (e *Endpoint) Stats() Stats {
	return Stats{
		Sent: e.count.sent.Load(), SentBytes: e.count.sentBytes.Load(), Received: e.count.received.Load(),
		ReceivedBytes: e.count.receivedBytes.Load(), Refused: e.count.refused.Load(), Handshakes: e.count.handshakes.Load(),
	}
}

// ErrClosed is returned by Dial once the endpoint is closed.
var ErrClosed = errors.New("channel: the endpoint is closed")

// ErrFull is returned by Dial when all ids of sessions are taken.
var ErrFull = errors.New("channel: too many sessions: 56,000 are open")

// ErrLost is the reason of a session that the peer has forgotten, or that is silent.
var ErrLost = errors.New("channel: the peer does not know the session any more")

// Dial makes a session to a peer. Nothing is sent before the first Send.
func (e *Endpoint) Dial(peer PublicKey, addr net.Addr, h func(*Session) Handler) (*Session, error) {
	return e.dial(&Session{endpoint: e, peer: peer, addr: addr, dialled: true}, noise.HandshakeIK, h)
}

func (e *Endpoint) dial(s *Session, pattern noise.HandshakePattern, h func(*Session) Handler) (*Session, error) {
	var known *PublicKey
	if s.trust == nil {
		known = &s.peer
	}
	var err error
	if s.handshake, err = newHandshake(e.cfg.Key, pattern, true, known); err != nil {
		return nil, err
	}
	handler := h(s)
	s.receive, s.lost = handler.Receive, handler.Lost
	if err := e.register(s); err != nil {
		return nil, err
	}
	return s, nil
}

// maxIDs bounds the sessions; with the visitors they leave some of the 65,536 ids free.
const maxIDs = 56_000

// register gives a session an id.
func (e *Endpoint) register(s *Session) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if s.own, err = e.freeIDLocked(); err != nil {
		return err
	}
	e.sessions[s.own] = s
	return nil
}

// enter takes a session that has an id.
func (e *Endpoint) enter(s *Session) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.sessions[s.own] = s
	return nil
}

// freeIDLocked finds an id that nobody has; it is random, so that ids are not guessed.
func (e *Endpoint) freeIDLocked() (id, error) {
	if len(e.sessions) >= maxIDs {
		return 0, ErrFull
	}
	for {
		var b [idLen]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		own := id(binary.BigEndian.Uint16(b[:]))
		if e.visitors.find(own) == nil && e.sessions[own] == nil {
			return own, nil
		}
	}
}

func (e *Endpoint) forget(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sessions[s.own] == s {
		delete(e.sessions, s.own)
	}
	isThis := func(other *Session) bool { return other == s }
	if !s.dialled {
		e.accepted = slices.DeleteFunc(e.accepted, isThis)
		if p := e.peers[s.peer]; p != nil {
			p.accepted = slices.DeleteFunc(p.accepted, isThis)
		}
	}
	if e.hellos[s.begunBy] == s {
		delete(e.hellos, s.begunBy)
	}
	if rest := slices.DeleteFunc(e.remotes[s.remote], isThis); len(rest) > 0 {
		e.remotes[s.remote] = rest
	} else {
		delete(e.remotes, s.remote)
	}
}

// established makes a session known by the peer's id.
func (e *Endpoint) established(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remotes[s.remote] = append(e.remotes[s.remote], s)
}

func (e *Endpoint) find(n id) *Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[n]
}

// write sends a datagram. Its loss is noticed by those who wait for an answer.
func (e *Endpoint) write(b []byte, to net.Addr) {
	e.count.sent.Add(1)
	e.count.sentBytes.Add(uint64(len(b)))
	_, _ = e.cfg.Conn.WriteTo(b, to)
}

// stamp is the time in ms, later each time.
func (e *Endpoint) stamp() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stamped = max(e.stamped+1, uint64(time.Now().UnixMilli()))
	return e.stamped
}

func (e *Endpoint) peerLocked(k PublicKey) *peerState {
	p := e.peers[k]
	if p == nil {
		if len(e.peers) >= maxPeers {
			maps.DeleteFunc(e.peers, func(_ PublicKey, p *peerState) bool { return len(p.accepted) == 0 })
		}
		p = &peerState{}
		e.peers[k] = p
	}
	return p
}

// mayBelieve tells whether an "unknown" counts now.
func (e *Endpoint) mayBelieve(k PublicKey) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.peerLocked(k)
	if now := time.Now(); p.believed.IsZero() || now.Sub(p.believed) >= believeEvery {
		p.believed = now
		return true
	}
	return false
}

// take sorts a datagram.
func (e *Endpoint) take(b []byte, from net.Addr) {
	switch {
	case len(b) >= dataHeader+tagLen && b[0] == kindData:
		n := id(binary.BigEndian.Uint16(b[1:]))
		if s := e.find(n); s != nil {
			s.data(b, from)
			return
		}
		e.write([]byte{kindUnknown, b[1], b[2]}, from)
	case len(b) == helloHeader && b[0] == kindUnknown:
		e.lookAway(id(binary.BigEndian.Uint16(b[1:])))
	case len(b) >= helloOverhead && b[0] == kindHello:
		e.greeted(b, from)
	case len(b) >= welcomeOverhead && b[0] == kindWelcome:
		if s := e.find(id(binary.BigEndian.Uint16(b[1:]))); s != nil {
			s.welcomed(b, from)
		}
	default:
		e.takeFirst(b, from)
	}
}

// takeFirst sorts a datagram of those who do not know each other's keys.
func (e *Endpoint) takeFirst(b []byte, from net.Addr) {
	switch {
	case len(b) == firstLen && b[0] == kindFirst && e.cfg.Strangers:
		e.met(b, from)
	case len(b) == secondLen && b[0] == kindSecond:
		if s := e.find(id(binary.BigEndian.Uint16(b[1:]))); s != nil && s.dialled {
			s.shown(b, from)
		}
	case len(b) >= thirdOverhead && b[0] == kindThird && e.cfg.Strangers:
		e.introduced(b, from)
	case len(b) == helloHeader && b[0] == kindUnreadable:
		if s := e.find(id(binary.BigEndian.Uint16(b[1:]))); s != nil && s.dialled {
			s.doubted()
		}
	default:
		e.count.refused.Add(1)
	}
}

// ephemeral is the key that a peer has made for one handshake.
type ephemeral [32]byte

// lookAway finds the sessions whose peer does not know the id that they have there.
func (e *Endpoint) lookAway(remote id) {
	e.mu.Lock()
	named := slices.Clone(e.remotes[remote])
	e.mu.Unlock()
	for _, s := range named {
		s.unknown()
	}
}

// greeted takes the first message of a peer's handshake.
func (e *Endpoint) greeted(b []byte, from net.Addr) {
	begunBy := ephemeral(b[helloHeader:])
	if s := e.begun(begunBy); s != nil {
		s.repeatWelcome(from)
		return
	}
	handshake, err := newHandshake(e.cfg.Key, noise.HandshakeIK, false, nil)
	if err != nil {
		return
	}
	payload, _, _, err := handshake.ReadMessage(nil, b[helloHeader:])
	if err != nil || len(payload) < timeLen+1 {
		e.count.refused.Add(1)
		if e.cfg.Strangers {
			e.write([]byte{kindUnreadable, b[1], b[2]}, from)
		}
		return
	}
	peer := PublicKey(handshake.PeerStatic())
	if !e.cfg.Known(peer) || !e.later(peer, readTime(payload)) {
		e.count.refused.Add(1)
		return
	}
	s := &Session{
		endpoint: e, peer: peer, addr: from, handshake: handshake, remote: id(binary.BigEndian.Uint16(b[1:])),
		begunBy: begunBy, peerHint: payload[timeLen],
	}
	if e.register(s) != nil {
		return
	}
	e.accept(s)
	if early := payload[timeLen+1:]; len(early) > 0 {
		s.receive(early)
		return
	}
	s.Send(nil)
}

// later notes the time in a peer's hello; it must be later than in the ones before.
func (e *Endpoint) later(k PublicKey, ms uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.peerLocked(k)
	if ms <= p.latest {
		return false
	}
	p.latest = ms
	return true
}

func (e *Endpoint) accept(s *Session) {
	e.count.handshakes.Add(1)
	h := e.cfg.Accept(s)
	s.mu.Lock()
	s.receive, s.lost = h.Receive, h.Lost
	s.mu.Unlock()
	e.mu.Lock()
	p := e.peerLocked(s.peer)
	var oldest *Session
	switch {
	case len(p.accepted) >= maxSessions:
		oldest = p.accepted[0]
	case len(e.accepted) >= maxAccepted:
		oldest = e.accepted[0]
	}
	p.accepted = append(p.accepted, s)
	e.accepted = append(e.accepted, s)
	e.hellos[s.begunBy] = s
	e.mu.Unlock()
	if oldest != nil {
		oldest.lose(ErrLost)
	}
}

// begun finds the session of a hello that has come before.
func (e *Endpoint) begun(k ephemeral) *Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hellos[k]
}

// repeatWelcome answers a repeated hello as before; there is nothing to say while the first answer is not ready.
func (s *Session) repeatWelcome(from net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.welcome != nil {
		s.writeLocked(s.welcome)
	}
}
