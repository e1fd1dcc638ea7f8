//go:build linux

package docker

import (
	"context"
	"crypto/rand"
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
// one run of the homeserver has filled, and a role of the same name that owns it and may use no other of ours. What runs
// in a container can do on the Postgres what that role can, and not what the user of --postgres can. A comment on each
// role names the process that both belong to.
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

// databaseConnections bounds a server's connections to its database: half of what a Postgres takes in all as it is
// installed (max_connections), so that no container can keep all others out, and ten times what a Synapse opens.
const databaseConnections = 50

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
	return p.explain(connected(ctx, p.config, f))
}

func connected(ctx context.Context, config *pgx.ConnConfig, f func(ctx context.Context, c *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*postgresLimit)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return f(ctx, c)
}

// execute runs statements one by one, each of which may be several that hold together or not at all.
func execute(ctx context.Context, c *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// checkRights tells whether the user may make databases and roles, and use what its roles own. It changes nothing.
func (p *postgres) checkRights(ctx context.Context) error {
	var super, databases, roles, inherits bool
	err := p.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT rolsuper, rolcreatedb, rolcreaterole, rolinherit FROM pg_roles WHERE rolname = current_user").
			Scan(&super, &databases, &roles, &inherits)
	})
	if err != nil || super {
		return err
	}
	return p.lacks(databases, roles, inherits)
}

// owned is the comment on a role of this process.
func owned() string { return ownedPrefix() + string(self()) }

// ownedPrefix names the machine too: others may use the same Postgres.
func ownedPrefix() string {
	host, _ := os.Hostname() // empty is as good as any
	return labelOwner + " " + host + " "
}

// create makes a database, empty or as a copy of a sealed template where that is named, and the role that owns it. What has
// that name is of a try that failed, and goes.
func (p *postgres) create(ctx context.Context, name, template string) (*Database, error) {
	password := rand.Text()
	err := p.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		if err := drop(ctx, c, name); err != nil {
			return err
		}
		like := "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'" // as Synapse wants it
		if template != "" {
			like = "TEMPLATE " + quoted(template)
		}
		return execute(ctx, c, makeRole(name, password),
			"CREATE DATABASE "+quoted(name)+" OWNER "+quoted(name)+" "+like,
			"REVOKE ALL ON DATABASE "+quoted(name)+" FROM PUBLIC")
	})
	if err == nil && template != "" {
		err = p.reassign(ctx, name, template)
	}
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), postgresLimit)
		defer cancel()
		_ = p.drop(cleanup, name) // what stays goes with the leftovers
		return nil, err
	}
	return inside(name, password), nil
}

// makeRole is the statement for a server's role. From Postgres 16 on who makes a role is no member of it unless that is
// granted, and a member can give it what it owns and drop that again.
func makeRole(name, password string) string {
	role := quoted(name)
	return fmt.Sprintf("CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT %d PASSWORD %s;", role, databaseConnections, literal(password)) +
		fmt.Sprintf("COMMENT ON ROLE %s IS %s;", role, literal(owned())) +
		fmt.Sprintf("GRANT %s TO CURRENT_USER", role)
}

// reassign gives the role of a copy what the template's role owns in it: copies keep the owners of tables. Schemas come
// first, as an owner must be allowed to make things where they are. No name of the copy's own is looked up.
func (p *postgres) reassign(ctx context.Context, name, template string) error {
	config := p.config.Copy()
	config.Database = name
	config.RuntimeParams["search_path"] = ""
	return p.explain(connected(ctx, config, func(ctx context.Context, c *pgx.Conn) error {
		rows, _ := c.Query(ctx, "SELECT nspname FROM pg_namespace WHERE pg_get_userbyid(nspowner) = $1", template)
		schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		var statements []string
		for _, schema := range schemas {
			statements = append(statements, "ALTER SCHEMA "+quoted(schema)+" OWNER TO "+quoted(name))
		}
		return execute(ctx, c, append(statements, "REASSIGN OWNED BY "+quoted(template)+" TO "+quoted(name))...)
	}))
}

// seal makes a filled database a template: its role may come in no more, and does not own the database itself, which
// reassign would give away with the rest.
func (p *postgres) seal(ctx context.Context, template string) error {
	return p.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return execute(ctx, c, "ALTER DATABASE "+quoted(template)+" OWNER TO CURRENT_USER; ALTER ROLE "+quoted(template)+" NOLOGIN")
	})
}

// admits tells whether the Postgres lets a server's role in, as it will come: in the clear and with its password.
func (p *postgres) admits(ctx context.Context, d *Database) error {
	config := p.config.Copy()
	config.User, config.Password, config.Database = d.User, d.Password, d.Name
	config.TLSConfig, config.Fallbacks = nil, nil
	return p.explainRole(connected(ctx, config, func(context.Context, *pgx.Conn) error { return nil }))
}

// drop removes databases, with whatever is still connected to them, and their roles.
func (p *postgres) drop(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	return p.do(ctx, func(ctx context.Context, c *pgx.Conn) error { return drop(ctx, c, names...) })
}

// drop removes all databases before the first role: a role that something depends on stays.
func drop(ctx context.Context, c *pgx.Conn, names ...string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, execute(ctx, c, "DROP DATABASE IF EXISTS "+quoted(name)+" WITH (FORCE)"))
	}
	for _, name := range names {
		errs = append(errs, execute(ctx, c, "DROP ROLE IF EXISTS "+quoted(name)))
	}
	return errors.Join(errs...)
}

// removeLeftovers drops the databases and roles of processes of this machine that no longer run.
func (p *postgres) removeLeftovers(ctx context.Context) (removed []string, err error) {
	err = p.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles "+
			"WHERE starts_with(shobj_description(oid, 'pg_authid'), $1)", ownedPrefix())
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

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// inside says where a server in a container finds a database.
func inside(name, password string) *Database {
	d := &Database{
		Host: databaseAddress.Addr().String(), Port: databaseAddress.Port(),
		Name: name, User: name, Password: password,
	}
	at := url.URL{
		Scheme: "postgresql", User: url.UserPassword(d.User, d.Password), Host: databaseAddress.String(),
		Path: "/" + name, RawQuery: "sslmode=disable",
	}
	d.URL = at.String()
	return d
}
