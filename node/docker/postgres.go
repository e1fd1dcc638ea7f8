//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// databaseAddress is where a server finds its database, in its network namespace: what is said there is passed to the
// shared Postgres from this process, past the mesh.
var databaseAddress = netip.MustParseAddrPort("127.0.0.1:5432")

// postgres is a Postgres (13 or later) that servers share. Each has a database of its own, cloned from a template that
// one run of the homeserver has filled. A comment on each database names the process that it belongs to.
type postgres struct{ config *pgx.ConnConfig }

// CheckPostgres tells what is wrong with the URL of [Options.Postgres], without connecting.
func CheckPostgres(address string) error {
	_, err := newPostgres(address)
	return err
}

// newPostgres reads a URL, postgresql://USER:PASSWORD@HOST:PORT/DATABASE or one with a socket's directory as host=. It does
// not connect.
func newPostgres(address string) (*postgres, error) {
	if !strings.HasPrefix(address, "postgresql://") && !strings.HasPrefix(address, "postgres://") {
		return nil, fmt.Errorf("--postgres must be a URL like postgresql://USER:PASSWORD@HOST:5432/postgres")
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("--postgres is no URL of a Postgres, like postgresql://USER:PASSWORD@HOST:5432/postgres: %w", err)
	}
	config.ConnectTimeout = postgresLimit
	return &postgres{config: config}, nil
}

// postgresLimit bounds one step at the Postgres.
const postgresLimit = 10 * time.Second

// dial connects to the Postgres itself, for a server in a container.
func (p *postgres) dial(ctx context.Context) (net.Conn, error) {
	network, address := pgNetworkAddress(p.config.Host, p.config.Port)
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// pgNetworkAddress tells a socket's directory from a host.
func pgNetworkAddress(host string, port uint16) (network, address string) {
	if strings.HasPrefix(host, "/") {
		return "unix", fmt.Sprintf("%s/.s.PGSQL.%d", host, port)
	}
	return "tcp", net.JoinHostPort(host, fmt.Sprint(port))
}

// do connects, does something and disconnects. Errors are sentences for the user.
func (p *postgres) do(ctx context.Context, f func(ctx context.Context, c *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*postgresLimit)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return p.explain(err)
	}
	defer c.Close(ctx)
	return p.explain(f(ctx, c))
}

// owned is the comment on a database of this process.
func owned() string { return ownedPrefix() + string(self()) }

// ownedPrefix names the machine too: others may use the same Postgres.
func ownedPrefix() string {
	host, _ := os.Hostname() // empty is as good as any
	return labelOwner + " " + host + " "
}

// create makes a database, as a copy of a template unless that is empty. One of that name that is there is left as it is.
func (p *postgres) create(ctx context.Context, name, template string) error {
	return p.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var exists bool
		if err := c.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil || exists {
			return err
		}
		like := "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'" // as Synapse wants it
		if template != "" {
			like = "TEMPLATE " + quoted(template)
		}
		if _, err := c.Exec(ctx, "CREATE DATABASE "+quoted(name)+" "+like); err != nil {
			return err
		}
		_, err := c.Exec(ctx, "COMMENT ON DATABASE "+quoted(name)+" IS '"+strings.ReplaceAll(owned(), "'", "''")+"'")
		return err
	})
}

// drop removes databases with whatever is still connected to them.
func (p *postgres) drop(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	return p.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var errs []error
		for _, name := range names {
			_, err := c.Exec(ctx, "DROP DATABASE IF EXISTS "+quoted(name)+" WITH (FORCE)")
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// removeLeftovers drops the databases of processes of this machine that no longer run.
func (p *postgres) removeLeftovers(ctx context.Context) (removed []string, err error) {
	err = p.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database "+
			"WHERE starts_with(shobj_description(oid, 'pg_database'), $1)", ownedPrefix())
		if err != nil {
			return err
		}
		var name, comment string
		_, err = pgx.ForEachRow(rows, []any{&name, &comment}, func() error {
			if !owner(strings.TrimPrefix(comment, ownedPrefix())).alive() {
				removed = append(removed, name)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return removed, p.drop(ctx, removed...)
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// inside says where a server in a container finds a database.
func (p *postgres) inside(name string) *Database {
	d := &Database{
		Host: databaseAddress.Addr().String(), Port: databaseAddress.Port(),
		Name: name, User: p.config.User, Password: p.config.Password,
	}
	at := url.URL{
		Scheme: "postgresql", User: url.UserPassword(d.User, d.Password), Host: databaseAddress.String(),
		Path: "/" + name, RawQuery: "sslmode=disable",
	}
	d.URL = at.String()
	return d
}
