package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// maxHead bounds the head of a connection's first request, in bytes. A longer one goes to the control
	// interface, whose HTTP server refuses it.
	maxHead = 64 << 10
	// headTimeout is how long a connection may take to send the head of its first request.
	headTimeout = 30 * time.Second
)

// sorter is a net.Listener that reads the head of each new connection's first request and, by its Host,
// either hands the connection over to a server's clients or returns it from Accept, with nothing missing.
type sorter struct {
	net.Listener
	// claim takes the connection over where it is for a server; it returns false otherwise. It is called on
	// the connection's own goroutine.
	claim func(ctx context.Context, host string, conn *replayed) bool

	accepted chan net.Conn
	failed   chan error
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	wait     sync.WaitGroup
}

func newSorter(l net.Listener, claim func(context.Context, string, *replayed) bool) *sorter {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sorter{
		Listener: l,
		claim:    claim,
		accepted: make(chan net.Conn),
		failed:   make(chan error, 1),
		ctx:      ctx,
		cancel:   cancel,
	}
	s.wait.Go(s.run)
	return s
}

// Accept returns the next connection to the control interface.
func (s *sorter) Accept() (net.Conn, error) {
	select {
	case conn := <-s.accepted:
		return conn, nil
	case err := <-s.failed:
		s.failed <- err // for the next call
		return nil, err
	}
}

// Close stops listening, ends all connections that are still being sorted or were claimed, and waits for
// their goroutines. Connections that Accept has returned stay open.
func (s *sorter) Close() error {
	err := s.Listener.Close()
	s.cancel()
	s.wait.Wait()
	return err
}

func (s *sorter) run() {
	for {
		conn, err := s.Listener.Accept()
		if err == nil {
			s.wait.Go(func() { s.sort(conn) })
			continue
		}
		if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			s.failed <- net.ErrClosed
			return
		}
		if !pause(s.ctx, acceptPause) {
			s.failed <- net.ErrClosed
			return
		}
	}
}

// acceptPause is how long to wait after a failure to accept, such as too many open files.
const acceptPause = 50 * time.Millisecond

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *sorter) sort(conn net.Conn) {
	stop := context.AfterFunc(s.ctx, func() { conn.Close() })
	defer stop()
	head, err := readHead(conn)
	if len(head) == 0 && err != nil {
		conn.Close()
		return
	}
	replay := &replayed{Conn: conn, head: head}
	if s.claim(s.ctx, hostOf(head), replay) {
		return
	}
	select {
	case s.accepted <- replay:
	case <-s.ctx.Done():
		conn.Close()
	}
}

// errNoRequest is a connection that does not speak HTTP.
var errNoRequest = errors.New("what was sent is no HTTP request")

// readHead reads until the empty line that ends a request's head, and perhaps what follows it. What it
// read is returned also when the connection ends: the HTTP server that it is replayed to finds the same end.
func readHead(conn net.Conn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(headTimeout)); err != nil {
		return nil, err
	}
	defer conn.SetReadDeadline(time.Time{})
	var head []byte
	buffer := make([]byte, 4096)
	for len(head) < maxHead {
		n, err := conn.Read(buffer)
		seen := max(0, len(head)-3)
		head = append(head, buffer[:n]...)
		if !beginsRequest(head) {
			return nil, errNoRequest
		}
		if endsHead(head[seen:]) {
			return head, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
		if err != nil {
			return head, err
		}
	}
	return head, nil
}

// beginsRequest says whether what was read may become a request: a method is letters, and empty lines may
// stand before it (RFC 9112, section 2.2). A browser that tries TLS is hung up on at once, and
// then tries HTTP.
func beginsRequest(head []byte) bool {
	for _, b := range head {
		if b != '\r' && b != '\n' {
			return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
		}
	}
	return true
}

// endsHead finds an empty line; a lone LF ends a line too (RFC 9112, section 2.2).
func endsHead(data []byte) bool {
	return bytes.Contains(data, []byte("\r\n\r\n")) || bytes.Contains(data, []byte("\n\n")) || bytes.Contains(data, []byte("\n\r\n"))
}

// hostOf is the host that a request's head asks for, in its target or its Host header, and empty where the
// head is no request's.
func hostOf(head []byte) string {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return ""
	}
	return r.Host
}

// replayed is a connection whose first bytes have been read already.
type replayed struct {
	net.Conn
	head []byte
}

// Read implements net.Conn.
func (c *replayed) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// CloseWrite ends the direction to the client and leaves the other open.
func (c *replayed) CloseWrite() error { return closeWrite(c.Conn) }

func (c *replayed) unwrap() net.Conn { return c.Conn }

func closeWrite(conn io.Closer) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}
