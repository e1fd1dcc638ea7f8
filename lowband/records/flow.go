package records

import (
	"bytes"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v5/deadline"
)

// maxWaiting bounds the datagrams of a flow that nobody has read yet; what comes beyond is lost, as in a full socket.
const maxWaiting = 64

// flow is the part of the endpoint's PacketConn that belongs to one session. It implements net.PacketConn.
type flow struct {
	endpoint *Endpoint
	begun    string // the peer's address when it began
	cid      []byte // that the peer puts into its records; nil for none
	in       chan datagram
	done     chan struct{}
	once     sync.Once
	read     *deadline.Deadline
	key      string      // of a handshake that the peer has begun: its address and the random of its hello
	answered atomic.Bool // whether anything has come
	refused  atomic.Bool // whether the peer has ended the handshake
	canceled atomic.Bool // whether it did so to have it begin again

	mu     sync.Mutex // guards what follows
	to     net.Addr   // where the peer was last heard, for datagrams outside of DTLS
	cookie []byte     // that the peer was sent
}

type datagram struct {
	data []byte
	from net.Addr
}

var _ net.PacketConn = (*flow)(nil)

func newFlow(e *Endpoint, peer net.Addr) *flow {
	return &flow{
		endpoint: e, begun: peer.String(), in: make(chan datagram, maxWaiting), done: make(chan struct{}),
		read: deadline.New(), to: peer,
	}
}

// asked is the cookie that the peer was sent; nil while there is none.
func (f *flow) asked() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cookie
}

func (f *flow) put(b []byte, from net.Addr) {
	f.answered.Store(true)
	if why, ok := refusal(b); ok {
		f.refused.Store(true)
		f.canceled.Store(why == alertUserCanceled)
	}
	select {
	case f.in <- datagram{b, from}:
	default:
		f.endpoint.count.refused.Add(1)
	}
}

// ReadFrom implements net.PacketConn.
func (f *flow) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-f.in:
		return copy(b, d.data), d.from, nil
	case <-f.done:
		return 0, nil, net.ErrClosed
	case <-f.read.Done():
		return 0, nil, os.ErrDeadlineExceeded
	}
}

// WriteTo implements net.PacketConn.
func (f *flow) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-f.done:
		return 0, net.ErrClosed
	default:
	}
	if cookie := cookieIn(b); cookie != nil {
		f.mu.Lock()
		f.cookie = bytes.Clone(cookie)
		f.mu.Unlock()
	}
	return f.endpoint.cfg.Conn.WriteTo(b, to)
}

// Close implements net.PacketConn; the endpoint's conn stays open.
func (f *flow) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// LocalAddr implements net.PacketConn.
func (f *flow) LocalAddr() net.Addr { return f.endpoint.cfg.Conn.LocalAddr() }

// SetDeadline implements net.PacketConn.
func (f *flow) SetDeadline(t time.Time) error { return f.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (f *flow) SetReadDeadline(t time.Time) error {
	f.read.Set(t)
	return nil
}

// SetWriteDeadline implements net.PacketConn; writing does not wait.
func (*flow) SetWriteDeadline(time.Time) error { return nil }
