package records

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// PSK is a pre-shared key and whose it is.
type PSK struct {
	Identity string
	Key      []byte
}

// Config says what an endpoint is given. Conn is needed, and one of PSK, Certificates, Roots and Insecure.
type Config struct {
	Conn net.PacketConn // the endpoint closes it
	// Accept is told of each session that a peer begins, before its first datagram is handed over; nil takes none.
	Accept func(*Session) Handler
	// PSKs are the keys that peers may have; the first one is this end's own when it dials.
	PSKs []PSK
	// Certificates are this end's as a server.
	Certificates []tls.Certificate
	// Roots say which servers are believed when this end dials; ServerName is the name in their certificate.
	Roots      *x509.CertPool
	ServerName string
	// Insecure leaves datagrams as they are: everybody on the way reads and changes them.
	Insecure bool
	// KeyLog is told the keys of each session in the format of NSS, for Wireshark; nil for nobody.
	KeyLog io.Writer
	// Flight is how long a flight of the handshake may take there and back; 0 for a second.
	Flight time.Duration
}

// Handler is what a session's user hangs into it.
type Handler struct {
	// Receive takes a datagram of the peer. It does not keep the slice. Calls do not overlap.
	Receive func(datagram []byte)
	// Lost is called once when the session is over, on a goroutine of its own; not after Close.
	Lost func()
}

// Stats counts what an endpoint has seen. All numbers only grow.
type Stats struct {
	Received   uint64 // datagrams
	Refused    uint64 // that belong to no session and begin none
	Handshakes uint64 // that were completed
	Failed     uint64 // that were not
}

const (
	// maxHandshakes bounds those of peers that have shown that they are where they say; the oldest gives way.
	maxHandshakes = 64
	// maxSessions bounds the sessions; the one that was silent for the longest gives way.
	maxSessions = 4096
	// maxDatagram is the largest UDP payload that is read whole; a longer one is not of this protocol.
	maxDatagram = 2048
	// cidLen is the length of the connection ids that this end gives.
	cidLen = 2
	// flights is how many flights without an answer a handshake may wait for, each twice as long as the one before.
	flights = 31
)

// Endpoint carries all sessions of one PacketConn. It is safe for concurrent use.
//
//	New -> (Run, Dial) -> Close
type Endpoint struct {
	cfg    Config
	secret [sha256.Size]byte // of cookies
	ctx    context.Context   // ended by Close
	end    context.CancelFunc
	work   sync.WaitGroup
	count  struct{ received, refused, handshakes, failed atomic.Uint64 }

	mu        sync.Mutex // guards what follows
	closed    bool
	byAddr    map[string]*places
	byCID     map[uint16]*flow
	nextCID   uint16
	strangers map[string]*flow // handshakes of those that have not returned a cookie
	welcome   []visitor        // oldest first
	pending   []*flow          // all other handshakes, oldest first
	sessions  []*Session
}

// places are the flows of one address: the session in force, and one that is being set up.
type places struct{ settled, pending *flow }

// New makes an endpoint. It starts nothing.
func New(cfg Config) (*Endpoint, error) {
	if !cfg.Insecure && len(cfg.PSKs) == 0 && len(cfg.Certificates) == 0 && cfg.Roots == nil {
		return nil, errors.New("records: neither a pre-shared key nor a certificate is given")
	}
	if cfg.Flight <= 0 {
		cfg.Flight = time.Second
	}
	e := &Endpoint{cfg: cfg, byAddr: make(map[string]*places), byCID: make(map[uint16]*flow), strangers: make(map[string]*flow)}
	if _, err := rand.Read(e.secret[:]); err != nil {
		return nil, err
	}
	e.ctx, e.end = context.WithCancel(context.Background())
	return e, nil
}

// Stats returns the counters.
func (e *Endpoint) Stats() Stats {
	return Stats{
		Received: e.count.received.Load(), Refused: e.count.refused.Load(),
		Handshakes: e.count.handshakes.Load(), Failed: e.count.failed.Load(),
	}
}

// ErrClosed is returned by Dial once the endpoint is closed.
var ErrClosed = errors.New("records: the endpoint is closed")

// Run reads datagrams until the connection fails or is closed, and returns why. Close makes it return net.ErrClosed.
func (e *Endpoint) Run() error {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := e.cfg.Conn.ReadFrom(buf)
		if err != nil {
			if e.ctx.Err() != nil {
				return net.ErrClosed
			}
			return err
		}
		e.count.received.Add(1)
		e.take(append([]byte(nil), buf[:n]...), from)
	}
}

// Close ends all sessions and closes the connection. It is idempotent.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	already := e.closed
	e.closed = true
	open := append([]*Session(nil), e.sessions...)
	waiting := slices.AppendSeq(slices.Clone(e.pending), maps.Values(e.strangers))
	e.mu.Unlock()
	if already {
		return nil
	}
	for _, s := range open {
		s.Close()
	}
	e.end()
	for _, f := range waiting {
		f.Close()
	}
	err := e.cfg.Conn.Close()
	e.work.Wait()
	return err
}

// The first byte of a record (RFC 6347, section 4.1; RFC 9146, section 5).
const (
	recordHandshake = 22
	recordCID       = 25
	recordHeader    = 13
	recordEpoch     = 3  // where the epoch stands
	recordConnID    = 11 // where a connection id stands
	helloFromClient = 1
)

// take gives a datagram to the flow that it belongs to.
func (e *Endpoint) take(b []byte, from net.Addr) {
	if e.cfg.Insecure {
		e.takePlain(b, from)
		return
	}
	if len(b) < recordHeader {
		e.count.refused.Add(1)
		return
	}
	if b[0] == recordCID {
		e.mu.Lock()
		f := e.byCID[binary.BigEndian.Uint16(b[recordConnID:])]
		e.mu.Unlock()
		if f == nil {
			e.count.refused.Add(1)
			return
		}
		f.put(b, from)
		return
	}
	begins := b[0] == recordHandshake && binary.BigEndian.Uint16(b[recordEpoch:]) == 0 && len(b) > recordHeader && b[recordHeader] == helloFromClient
	var to places
	var answer []byte
	e.mu.Lock()
	if begins && e.cfg.Accept != nil && !e.closed {
		to.pending, answer = e.helloLocked(b, from)
	} else if p := e.byAddr[from.String()]; p != nil {
		to = *p
	}
	e.mu.Unlock()
	switch {
	case answer != nil:
		_, _ = e.cfg.Conn.WriteTo(answer, from) // a stranger whose answer is lost asks again
	case to.settled == nil && to.pending == nil:
		e.count.refused.Add(1)
	}
	if to.pending != nil {
		to.pending.put(b, from)
	}
	if to.settled != nil && !begins {
		to.settled.put(b, from)
	}
}

// placeLocked makes a flow the handshake of its address, in place of another one that is under way there.
func (e *Endpoint) placeLocked(f *flow) {
	p := e.byAddr[f.begun]
	if p == nil {
		p = &places{}
		e.byAddr[f.begun] = p
	}
	if old := p.pending; old != nil {
		e.leaveLocked(old)
		go old.Close()
	}
	p.pending = f
}

// newCIDLocked finds a connection id that nobody has.
func (e *Endpoint) newCIDLocked(f *flow) []byte {
	for {
		e.nextCID++
		if e.byCID[e.nextCID] == nil {
			e.byCID[e.nextCID] = f
			return binary.BigEndian.AppendUint16(nil, e.nextCID)
		}
	}
}

// settleLocked makes a flow whose handshake is complete the one of its address.
func (e *Endpoint) settleLocked(f *flow) (old *flow) {
	e.leaveLocked(f)
	p := e.byAddr[f.begun]
	if p == nil {
		p = &places{}
		e.byAddr[f.begun] = p
	}
	old = p.settled
	p.settled = f
	if p.pending == f {
		p.pending = nil
	}
	return old
}

// leaveLocked takes a flow out of the handshakes under way.
func (e *Endpoint) leaveLocked(f *flow) {
	if e.strangers[f.key] == f {
		delete(e.strangers, f.key)
	}
	e.pending = without(e.pending, f)
}

func (e *Endpoint) forgetLocked(f *flow) {
	e.leaveLocked(f)
	if len(f.cid) == cidLen {
		delete(e.byCID, binary.BigEndian.Uint16(f.cid))
	}
	p := e.byAddr[f.begun]
	if p == nil {
		return
	}
	if p.settled == f {
		p.settled = nil
	}
	if p.pending == f {
		p.pending = nil
	}
	if *p == (places{}) {
		delete(e.byAddr, f.begun)
	}
}

func without[T comparable](list []T, gone T) []T {
	for i, x := range list {
		if x == gone {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}

// begin makes a session of a flow that is ready, and hands it what the user hangs into it.
func (e *Endpoint) begin(s *Session, user func(*Session) Handler) error {
	s.handler = user(s)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return ErrClosed
	}
	s.heard.Store(time.Now().UnixNano())
	over := e.sessionLocked(e.settleLocked(s.flow))
	if over == nil && len(e.sessions) >= maxSessions {
		over = slices.MinFunc(e.sessions, func(a, b *Session) int { return cmp.Compare(a.heard.Load(), b.heard.Load()) })
	}
	e.sessions = append(e.sessions, s)
	e.mu.Unlock()
	if over != nil {
		over.lose()
	}
	return nil
}

// sessionLocked finds the session of a flow; nil for none.
func (e *Endpoint) sessionLocked(f *flow) *Session {
	for _, s := range e.sessions {
		if s.flow == f && f != nil {
			return s
		}
	}
	return nil
}

// serve completes the handshake that a peer has begun, and reads until the session ends.
func (e *Endpoint) serve(f *flow) {
	conn, err := e.shake(e.ctx, f, true)
	if err != nil {
		e.count.failed.Add(1)
		e.drop(f)
		return
	}
	s := &Session{endpoint: e, flow: f, secure: conn, peer: string(conn.identity)}
	if e.begin(s, e.cfg.Accept) != nil {
		e.drop(f)
		return
	}
	e.count.handshakes.Add(1)
	s.read()
}

// Dial makes a session with a peer; it returns once the handshake is complete.
func (e *Endpoint) Dial(ctx context.Context, to net.Addr, user func(*Session) Handler) (*Session, error) {
	s, err := e.dial(ctx, to, user)
	if errors.Is(err, errBeginAgain) {
		return e.dial(ctx, to, user)
	}
	return s, err
}

// errBeginAgain is what a peer says that is busy with strangers (see maxStrangers).
var errBeginAgain = errors.New("the peer is busy and wants the handshake to begin again")

// dial is one try of Dial.
func (e *Endpoint) dial(ctx context.Context, to net.Addr, user func(*Session) Handler) (*Session, error) {
	f := newFlow(e, to)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, ErrClosed
	}
	e.admitLocked(f)
	e.placeLocked(f)
	e.work.Add(1) // under the lock: Close must not be waiting already
	e.mu.Unlock()
	s, err := e.connect(ctx, f, to, user)
	if err != nil {
		e.work.Done()
		return nil, err
	}
	go func() {
		defer e.work.Done()
		s.read()
	}()
	return s, nil
}

// connect completes the handshake of a flow that has its place.
func (e *Endpoint) connect(ctx context.Context, f *flow, to net.Addr, user func(*Session) Handler) (*Session, error) {
	s := &Session{endpoint: e, flow: f, peer: to.String()}
	if !e.cfg.Insecure {
		conn, err := e.shake(ctx, f, false)
		if err != nil {
			e.count.failed.Add(1)
			e.drop(f)
			return nil, fmt.Errorf("records: handshake with %v: %w", to, e.explain(f, err))
		}
		s.secure = conn
	}
	if err := e.begin(s, user); err != nil {
		e.drop(f)
		return nil, err
	}
	e.count.handshakes.Add(1)
	return s, nil
}

// explain says what a failed handshake is likely to mean.
func (e *Endpoint) explain(f *flow, err error) error {
	switch {
	case f.canceled.Load():
		return errBeginAgain
	case !f.answered.Load():
		return fmt.Errorf("nothing answers there: %w", err)
	case len(e.cfg.PSKs) == 0:
		return err
	case f.refused.Load():
		return fmt.Errorf("it was refused: the other side probably has no pre-shared key for %q: %w", e.cfg.PSKs[0].Identity, err)
	}
	return fmt.Errorf("it was begun and not completed: the other side probably has another pre-shared key for %q: %w", e.cfg.PSKs[0].Identity, err)
}

// takePlain is take without records: a session is an address.
func (e *Endpoint) takePlain(b []byte, from net.Addr) {
	e.mu.Lock()
	p := e.byAddr[from.String()]
	var f *flow
	switch {
	case p != nil && p.settled != nil:
		f = p.settled
	case p != nil:
		f = p.pending
	case e.cfg.Accept == nil || e.closed:
	default:
		f = newFlow(e, from)
		e.admitLocked(f)
		e.placeLocked(f)
		e.work.Go(func() {
			s := &Session{endpoint: e, flow: f, peer: from.String()}
			if e.begin(s, e.cfg.Accept) != nil {
				e.drop(f)
				return
			}
			s.read()
		})
	}
	e.mu.Unlock()
	if f == nil {
		e.count.refused.Add(1)
		return
	}
	f.put(b, from)
}

func (e *Endpoint) drop(f *flow) {
	e.mu.Lock()
	e.forgetLocked(f)
	e.mu.Unlock()
	f.Close()
}
