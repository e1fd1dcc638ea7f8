package api

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// splice passes bytes between two connections, in both directions, until both directions have ended. The end
// of one direction is passed on as such and leaves the other open; a connection that breaks breaks the other.
// When ctx ends both are closed. It returns when all is over.
func splice(ctx context.Context, a, b net.Conn) {
	stop := context.AfterFunc(ctx, func() {
		a.Close()
		b.Close()
	})
	defer stop()
	defer a.Close()
	defer b.Close()
	var wait sync.WaitGroup
	wait.Go(func() { pass(a, b) })
	wait.Go(func() { pass(b, a) })
	wait.Wait()
}

func pass(to, from net.Conn) {
	_, err := io.Copy(onlyWriter{to}, onlyReader{from})
	if err == nil && closeWrite(to) == nil {
		return
	}
	if errors.Is(err, net.ErrClosed) {
		return // the other direction broke, or we are shutting down
	}
	abort(to)
	abort(from)
}

// abort closes a connection so that its far end sees a reset rather than an orderly end, where the
// connection can do that.
func abort(conn net.Conn) {
	for outer, ok := conn.(wrapper); ok; outer, ok = conn.(wrapper) {
		conn = outer.unwrap()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is being closed anyway
	}
	conn.Close()
}

// wrapper is a connection around another one.
type wrapper interface{ unwrap() net.Conn }

// onlyReader and onlyWriter hide the shortcuts of *net.TCPConn: they lead past Read of the connection that
// has bytes to replay or to hide.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
