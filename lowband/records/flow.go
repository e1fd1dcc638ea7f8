package records

import (
	"net"
	"os"
	"sync"
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

	mu sync.Mutex // guards to
	to net.Addr   // where the peer was last heard, for datagrams outside of DTLS
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

func (f *flow) put(b []byte, from net.Addr) {
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
		return f.endpoint.cfg.Conn.WriteTo(b, to)
	}
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
