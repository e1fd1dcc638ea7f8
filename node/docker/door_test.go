//go:build linux

package docker

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

// knocks is a listener of a test's own: each value is what one Accept returns, nil a connection. It implements net.Listener.
type knocks struct {
	each   chan error
	closed chan struct{}
}

func (k knocks) Accept() (net.Conn, error) {
	select {
	case err := <-k.each:
		if err != nil {
			return nil, &net.OpError{Op: "accept", Err: err}
		}
		near, _ := net.Pipe()
		return near, nil
	case <-k.closed:
		return nil, net.ErrClosed
	}
}

func (k knocks) Close() error {
	select {
	case <-k.closed:
	default:
		close(k.closed)
	}
	return nil
}

func (knocks) Addr() net.Addr { return nil }

// Where no file descriptor is left, connections are taken again once there is one, and the log is not filled. No more are
// carried at a time than there are places.
func TestDatabaseConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		var log bytes.Buffer
		carried, leave := 0, make(chan struct{})
		d := &door{most: 2, log: slog.New(slog.NewTextHandler(&log, nil)), pass: func(near net.Conn) error {
			defer near.Close()
			carried++
			<-leave
			return nil
		}}
		k := knocks{make(chan error, 10), make(chan struct{})}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.serve(ctx, k)
		}()
		for range 5 {
			k.each <- syscall.EMFILE
		}
		k.each <- nil
		pause(ctx, 10*doorPause)
		synctest.Wait()
		if lines := strings.Count(log.String(), "\n"); carried != 1 || lines != 1 {
			t.Errorf("after five failures %d connections are carried, want 1, and the log has %d lines, want 1:\n%s", carried, lines, &log)
		}
		k.each <- nil
		synctest.Wait()
		k.each <- nil
		synctest.Wait()
		if carried != 2 || len(k.each) != 1 {
			t.Errorf("with two places %d connections are carried, and %d wait", carried, len(k.each))
		}
		leave <- struct{}{}
		synctest.Wait()
		if carried != 3 {
			t.Errorf("after one has left %d were carried, want 3", carried)
		}
		close(leave)
		end()
		<-ended
	})
}
