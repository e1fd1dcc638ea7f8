package coap

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/udp/coder"
)

// Request is a method and a payload of any length.
type Request struct {
	Method  codes.Code
	Payload []byte
	// Options name the resource and describe the payload; only an association with Config.Options carries them. Those of
	// blocks and Observe are added where they belong.
	Options message.Options
	// Observer tells more later, where the peer has asked for that; the handler's request alone has it.
	Observer *Observer
}

// Response is an answer. Its payload may have any length.
type Response struct {
	Code    codes.Code
	Payload []byte
	Options message.Options // as those of a request
	// Observed keeps the request's Observer: more will come.
	Observed bool
}

// Config says what stands around an association. Send and Handle are needed.
type Config struct {
	// Send hands a datagram to what carries it, which may lose it. It must not block for long and must not call the
	// association. It does not keep the slice. It is called with the association's lock held.
	Send func(datagram []byte)
	// Handle answers the peer's requests, each on a goroutine of its own. ctx ends with the association.
	Handle func(ctx context.Context, req Request) Response
	// Path is what is known of the path; nil for nothing. It is asked before each message and must not block.
	Path func() Path
	// Silent is called when a message was sent several times without an acknowledgement, with the time of the first; nil
	// for nobody. It is called with the association's lock held.
	Silent func(since time.Time)
	// MaxBody bounds a body that comes in blocks; 0 for 8 MiB.
	MaxBody int
	// Options tells which critical options of a request the handler understands, besides those of this package. With it
	// the peer may be any endpoint of CoAP (standard.go); nil where both ends are of this package.
	Options func(message.OptionID) bool
}

// Stats counts what an association has seen. All numbers only grow.
type Stats struct {
	Sent          uint64 // datagrams, repetitions counted
	Retransmitted uint64 // of them, repetitions because an acknowledgement did not come
	Received      uint64
	SentBytes     uint64 // of all of them, as they are handed to Config.Send
	ReceivedBytes uint64
	Duplicates    uint64 // received again and answered from memory
	Malformed     uint64 // no CoAP, or CoAP that makes no sense here
	Refused       uint64 // requests beyond what is handled at once
}

type counters struct {
	sent, retransmitted, received, duplicates, malformed, refused atomic.Uint64
	sentBytes, receivedBytes                                      atomic.Uint64
}

// Association is one end of a conversation. It is safe for concurrent use.
//
//	New -> (Do, Receive) -> Close
type Association struct {
	cfg   Config
	ctx   context.Context // ended by Close
	end   context.CancelFunc
	count counters
	work  sync.WaitGroup // handlers and late answers

	mu        sync.Mutex // guards what follows
	closed    bool
	mid       uint16
	token     uint16
	tags      uint32
	byMID     map[uint16]*exchange
	byToken   map[string]*exchange
	window    window
	estimator estimator
	line      Line // of a path that says none
	seen      memory
	handling  int
	uploads   uploads
	downloads downloads
	sending   map[string]int       // bodies in blocks under way, by resource
	observers map[string]*Observer // of the peer, by token
	watches   map[string]*Watch    // of this end, by token
	etag      uint16
}

const defaultMaxBody = 8 << 20

// New makes an association. It starts nothing.
func New(cfg Config) *Association {
	if cfg.Path == nil {
		cfg.Path = func() Path { return Path{} }
	}
	if cfg.Silent == nil {
		cfg.Silent = func(time.Time) {}
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	a := &Association{
		cfg:       cfg,
		byMID:     make(map[uint16]*exchange),
		byToken:   make(map[string]*exchange),
		window:    newWindow(),
		estimator: newEstimator(cfg.Path()),
		seen:      newMemory(),
		sending:   make(map[string]int),
		observers: make(map[string]*Observer),
		watches:   make(map[string]*Watch),
	}
	a.ctx, a.end = context.WithCancel(context.Background())
	return a
}

// Close ends every request and waits for the handlers. It is idempotent.
func (a *Association) Close() {
	a.mu.Lock()
	a.closed = true
	for _, e := range a.byMID {
		e.stop()
	}
	a.mu.Unlock()
	a.end()
	a.work.Wait()
}

// Stats returns the counters.
func (a *Association) Stats() Stats {
	return Stats{
		Sent: a.count.sent.Load(), Retransmitted: a.count.retransmitted.Load(), Received: a.count.received.Load(),
		SentBytes: a.count.sentBytes.Load(), ReceivedBytes: a.count.receivedBytes.Load(),
		Duplicates: a.count.duplicates.Load(), Malformed: a.count.malformed.Load(), Refused: a.count.refused.Load(),
	}
}

// maxOptions is how many options a message may have: one for each segment of a path and each argument of a query. Most have
// no more than usualOptions, and room for the others is made only where they come.
const (
	maxOptions   = 64
	usualOptions = 4
)

// decode reads a message, which keeps parts of the datagram.
func decode(datagram []byte) (message.Message, error) {
	m := message.Message{Options: make(message.Options, 0, usualOptions)}
	_, err := coder.DefaultCoder.Decode(datagram, &m)
	if errors.Is(err, message.ErrOptionsTooSmall) {
		m = message.Message{Options: make(message.Options, 0, maxOptions)}
		_, err = coder.DefaultCoder.Decode(datagram, &m)
	}
	return m, err
}

// Receive takes a datagram from the peer. It does not keep the slice.
func (a *Association) Receive(datagram []byte) {
	a.count.received.Add(1)
	a.count.receivedBytes.Add(uint64(len(datagram)))
	m, err := decode(bytes.Clone(datagram))
	if err != nil {
		a.count.malformed.Add(1)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	switch {
	case m.Type == message.Acknowledgement:
		a.acknowledgedLocked(&m, len(datagram))
	case m.Type == message.Reset:
		a.resetLocked(&m, len(datagram))
	case m.Code == codes.Empty: // a ping (RFC 7252, section 4.3)
		a.emitLocked(message.Message{Type: message.Reset, Code: codes.Empty, MessageID: m.MessageID})
	case isRequest(m.Code):
		a.requestLocked(&m)
	default:
		a.responseLocked(&m, len(datagram))
	}
}

func isRequest(c codes.Code) bool { return c > 0 && c < 32 }

// encode writes a message that this package has made.
func encode(m message.Message) []byte {
	room := 4 + message.MaxTokenSize + 1 + len(m.Payload)
	for _, o := range m.Options {
		room += maxOptionHead + len(o.Value)
	}
	buf := make([]byte, room)
	n, err := coder.DefaultCoder.Encode(m, buf)
	if err != nil {
		panic(err) // there is room, and options are in order
	}
	return buf[:n]
}

// maxOptionHead is what stands before an option's value at most (RFC 7252, section 3.1).
const maxOptionHead = 5

// inOrder returns options by number, as a message must have them (RFC 7252, section 3.1).
func inOrder(list message.Options, more ...message.Option) message.Options {
	all := slices.Concat(list, message.Options(more))
	slices.SortStableFunc(all, func(a, b message.Option) int { return int(a.ID) - int(b.ID) })
	return all
}

func (a *Association) emitLocked(m message.Message) []byte {
	datagram := encode(m)
	a.sendLocked(datagram)
	return datagram
}

// sendLocked sends a datagram and returns when it will have left.
func (a *Association) sendLocked(datagram []byte) time.Time {
	a.count.sent.Add(1)
	a.count.sentBytes.Add(uint64(len(datagram)))
	path := a.cfg.Path()
	left := a.lineOf(path).send(path.wire(len(datagram)), path.wire(maxQueued))
	a.cfg.Send(datagram)
	return left
}

func (a *Association) lineOf(p Path) *Line {
	if p.Line != nil {
		return p.Line
	}
	return &a.line
}

func (a *Association) nextMIDLocked() uint16 {
	for {
		a.mid++
		if a.byMID[a.mid] == nil {
			return a.mid
		}
	}
}

func (a *Association) nextTokenLocked() message.Token {
	for {
		a.token++
		t := message.Token{byte(a.token >> 8), byte(a.token)}
		if t[0] == 0 {
			t = t[1:]
		}
		if a.byToken[string(t)] == nil && a.watches[string(t)] == nil {
			return t
		}
	}
}
