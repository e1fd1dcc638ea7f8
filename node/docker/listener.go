//go:build linux

package docker

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// Whatever runs in a container can open connections to what meshsim serves there, and each takes a descriptor of this
// process.
const (
	// maxConnections is how many a listener has open at a time: those of a room of 500 servers. More wait to be accepted.
	maxConnections = 1024
	// ownConnections is how many a listener may have open whatever the others have.
	ownConnections = 16
	// connectionShare is the part of the process's descriptors that the connections of all listeners take beyond those. A
	// connection through the proxy has another on its far side, and one to federation has one to the homeserver.
	connectionShare = 4
)

// accepted counts the connections of all listeners in containers, as the descriptors are the process's.
var accepted = sync.OnceValue(func() *slots { return newSlots(descriptors() / connectionShare) })

// descriptors is how many the process may have open.
func descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1024 // Linux's default
	}
	return int(min(limit.Cur, 1<<20))
}

// slots bounds connections.
type slots struct {
	limit int

	mu   sync.Mutex // guards what follows, and what listeners count
	free sync.Cond  // signalled when a connection is closed
	used int        // of limit
}

func newSlots(limit int) *slots {
	s := &slots{limit: limit}
	s.free.L = &s.mu
	return s
}

// boundedListener accepts as many connections as there are slots. Unlike the listener below, it goes on where accepting
// fails for want of descriptors or memory, and logs that.
type boundedListener struct {
	net.Listener
	slots *slots
	log   *slog.Logger
	ended chan struct{} // closed by Close
	once  sync.Once

	// slots.mu guards what follows.
	open   int
	closed bool

	logged time.Time // Accept's
}

func newBoundedListener(ln net.Listener, s *slots, log *slog.Logger) *boundedListener {
	return &boundedListener{Listener: ln, slots: s, log: log, ended: make(chan struct{})}
}

// How long accepting pauses after a failure, and how often that is logged at most.
const (
	acceptPause = 50 * time.Millisecond
	acceptLog   = 30 * time.Second
)

// Accept implements net.Listener. It is for one goroutine.
func (l *boundedListener) Accept() (net.Conn, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			return &boundedConn{Conn: conn, leave: sync.OnceFunc(l.leave)}, nil
		}
		if !passing(err) || !l.pause(err) {
			l.leave()
			return nil, err
		}
	}
}

// passing tells whether an error of accept(2) says nothing of the listener.
func passing(err error) bool {
	for _, known := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// pause waits after an error. It is false when the listener was closed.
func (l *boundedListener) pause(err error) bool {
	if now := time.Now(); now.Sub(l.logged) >= acceptLog {
		l.logged = now
		l.log.Error("a connection inside a container cannot be accepted; trying again", "address", l.Addr(), "error", err)
	}
	select {
	case <-time.After(acceptPause):
		return true
	case <-l.ended:
		return false
	}
}

// enter waits for a slot.
func (l *boundedListener) enter() error {
	s := l.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	for !l.closed {
		switch {
		case l.open < ownConnections:
			l.open++
			return nil
		case l.open < maxConnections && s.used < s.limit:
			l.open++
			s.used++
			return nil
		}
		s.free.Wait()
	}
	return net.ErrClosed
}

// leave frees a slot: one that all listeners share, as long as the listener has any of those.
func (l *boundedListener) leave() {
	s := l.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.open > ownConnections {
		s.used--
	}
	l.open--
	s.free.Broadcast()
}

// Close implements net.Listener.
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.ended) })
	l.slots.mu.Lock()
	l.closed = true
	l.slots.free.Broadcast()
	l.slots.mu.Unlock()
	return l.Listener.Close()
}

// boundedConn frees its slot when it is closed.
type boundedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite ends what is written and goes on reading.
func (c *boundedConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
