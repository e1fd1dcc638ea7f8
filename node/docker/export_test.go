//go:build linux && docker

package docker

import (
	"context"
	"log/slog"
	"net"
)

// Postgres is one without a driver.
type Postgres struct{ *postgres }

// NewPostgres reads a URL.
func NewPostgres(address string) (Postgres, error) {
	p, err := newPostgres(address)
	return Postgres{p}, err
}

// Create makes a database, as a copy of a template where that is named.
func (p Postgres) Create(ctx context.Context, name, template string) (*Database, error) {
	return p.create(ctx, name, template)
}

// Seal makes a template of a database.
func (p Postgres) Seal(ctx context.Context, name string) error { return p.seal(ctx, name) }

// Drop removes databases with their roles.
func (p Postgres) Drop(ctx context.Context, names ...string) error { return p.drop(ctx, names...) }

// Serve passes connections of a server to its database until ctx ends.
func (p Postgres) Serve(ctx context.Context, ln net.Listener, own *Database) {
	door := &door{most: databaseConnections, log: slog.New(slog.DiscardHandler), pass: func(near net.Conn) error { return p.pass(ctx, near, own) }}
	door.serve(ctx, ln)
}
