//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// door takes a server's connections to its database, so many at a time that others wait.
type door struct {
	most int
	log  *slog.Logger
	pass func(near net.Conn) error // carries a connection until it ends, and closes it

	mu   sync.Mutex // guards what follows
	said time.Time  // when something was logged last
}

const (
	doorPause   = 100 * time.Millisecond // after a connection could not be taken, as where no file descriptor is left
	doorSilence = time.Minute            // between two lines of the log
)

// serve takes connections until ctx ends, and returns once all have. It closes the listener.
func (d *door) serve(ctx context.Context, ln net.Listener) {
	var passing sync.WaitGroup
	defer passing.Wait()
	detach := context.AfterFunc(ctx, func() { ln.Close() })
	defer detach()
	defer ln.Close()
	places := make(chan struct{}, d.most)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		near, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			<-places
			d.warn("a connection to the database could not be taken, and others are awaited", err)
			pause(ctx, doorPause)
		default:
			passing.Go(func() {
				defer func() { <-places }()
				if err := d.pass(near); err != nil {
					d.warn("a server does not reach its database", err)
				}
			})
		}
	}
}

// pause waits, less long where ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// warn logs, unless something was a short while ago.
func (d *door) warn(message string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); now.Sub(d.said) >= doorSilence {
		d.said = now
		d.log.Warn(message, "error", err)
	}
}

// pass carries a connection to a server's own database, until either end or ctx has ended. It closes it. To other databases
// and for other users there is no way: to those that are not ours any role may connect, unless their owner says otherwise.
func (p *postgres) pass(ctx context.Context, near net.Conn, d *Database) error {
	defer near.Close()
	detach := context.AfterFunc(ctx, func() { near.Close() })
	defer detach()
	first, err := d.receiveFirst(near)
	if err != nil || first == nil {
		return err
	}
	far, err := p.dial(ctx)
	if err != nil {
		return p.explain(err)
	}
	if _, err := far.Write(first); err != nil {
		far.Close()
		return p.explain(err)
	}
	splice(ctx, near, far)
	return nil
}

// receiveFirst reads what a client begins with and returns it, or nil where it ends before. There is no TLS. After its first
// message a client waits for an answer (PostgreSQL documentation, "Message Flow").
func (d *Database) receiveFirst(near net.Conn) ([]byte, error) {
	_ = near.SetDeadline(time.Now().Add(postgresLimit))
	defer near.SetDeadline(time.Time{})
	client := pgproto3.NewBackend(near, near)
	for {
		message, err := client.ReceiveStartupMessage()
		if err != nil {
			return nil, nil // it has gone, or speaks something else
		}
		switch m := message.(type) {
		case *pgproto3.StartupMessage:
			user, database := m.Parameters["user"], m.Parameters["database"]
			if user == d.User && database == d.Name {
				return m.Encode(nil)
			}
			client.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: invalidAuthorization,
				Message: fmt.Sprintf("meshsim: this server comes to its own database %q alone, as %q", d.Name, d.User)})
			return nil, errors.Join(fmt.Errorf("it asked for database %q as user %q, and has %q alone", database, user, d.Name), client.Flush())
		case *pgproto3.CancelRequest:
			return m.Encode(nil)
		default: // TLS or GSSAPI encryption: neither
			if _, err := near.Write([]byte{'N'}); err != nil {
				return nil, nil
			}
		}
	}
}
