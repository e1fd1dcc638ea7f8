//go:build linux

package docker

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scripted accepts connections, and fails where it is told to.
type scripted struct {
	fail   chan error
	closed chan struct{}
}

func newScripted() *scripted {
	return &scripted{fail: make(chan error, 100), closed: make(chan struct{})}
}

func (l *scripted) Accept() (net.Conn, error) {
	select {
	case err := <-l.fail:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	default:
		near, _ := net.Pipe()
		return near, nil
	}
}

func (l *scripted) Close() error {
	close(l.closed)
	return nil
}

func (l *scripted) Addr() net.Addr { return &net.TCPAddr{} }

// accepting takes what a listener accepts, until it fails.
func accepting(l net.Listener) (conns chan net.Conn, ended chan error) {
	conns, ended = make(chan net.Conn, 2*maxConnections), make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			conns <- conn
		}
	}()
	return conns, ended
}

// A listener has its own bound, all have one together, and none is left without; a closed connection makes room.
func TestListenersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = maxConnections + 100
		all := newSlots(limit)
		var conns []chan net.Conn
		for i, want := range []int{maxConnections, limit - maxConnections + 2*ownConnections, ownConnections} {
			l := newBoundedListener(newScripted(), all, slog.New(slog.DiscardHandler))
			accepted, ended := accepting(l)
			conns = append(conns, accepted)
			defer func() {
				l.Close()
				if err := <-ended; !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept ended with %v", err)
				}
			}()
			synctest.Wait()
			if n := len(accepted); n != want {
				t.Errorf("listener %d accepts %d connections, want %d", i, n, want)
			}
		}
		for range 2 { // closing twice frees one slot
			conn := <-conns[0]
			conn.Close()
			conn.Close()
		}
		synctest.Wait()
		const want = limit + 3*ownConnections
		if n := len(conns[0]) + len(conns[1]) + len(conns[2]); n != want { // without the closed ones
			t.Errorf("%d connections are open after two were closed, want %d", n, want)
		}
	})
}

// A process without descriptors goes on to accept when it has some, and says so once.
func TestListenersSurviveWantOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := newScripted()
		for range 10 {
			below.fail <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		var log strings.Builder
		l := newBoundedListener(below, newSlots(1), slog.New(slog.NewTextHandler(&log, nil)))
		start := time.Now()
		conn, err := l.Accept()
		if err != nil || time.Since(start) != 10*acceptPause {
			t.Fatalf("Accept: %v after %v", err, time.Since(start))
		}
		conn.Close()
		if n := strings.Count(log.String(), "too many open files"); n != 1 {
			t.Errorf("logged %d times, want once: %s", n, &log)
		}
		below.fail <- syscall.EINVAL
		if _, err := l.Accept(); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("Accept: %v, want the listener's own failure", err)
		}
	})
}
