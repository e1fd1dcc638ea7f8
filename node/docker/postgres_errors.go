//go:build linux

package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Conditions that Postgres reports (PostgreSQL documentation, appendix A, "PostgreSQL Error Codes").
const (
	invalidAuthorization = "28000"
	invalidPassword      = "28P01"
	noSuchDatabase       = "3D000"
	lacksPrivilege       = "42501"
	tooManyConnections   = "53300"
	diskFull             = "53100"
)

// place names the Postgres without its password.
func (p *postgres) place() string {
	_, address := pgNetworkAddress(p.config.Host, p.config.Port)
	return "the Postgres at " + address
}

// explain makes a sentence with the remedy of what Postgres or its client says.
func (p *postgres) explain(err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return p.explainSaid(said)
	}
	var network *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be used by this user: run meshsim as root, or use a TCP address in --postgres", p.place())
	case errors.As(err, &network) || strings.Contains(err.Error(), "hostname resolving error"):
		return fmt.Errorf("no answer from %s: start it, or correct the host and port in --postgres (%w)", p.place(), shortest(err))
	default:
		return fmt.Errorf("%s cannot be used: %w", p.place(), shortest(err))
	}
}

func (p *postgres) explainSaid(said *pgconn.PgError) error {
	user := p.config.User
	switch said.Code {
	case invalidPassword:
		return fmt.Errorf("%s refuses the password of user %q: correct it in --postgres", p.place(), user)
	case invalidAuthorization:
		return fmt.Errorf("%s lets user %q not in: correct the user in --postgres, or allow it in pg_hba.conf (%s)", p.place(), user, said.Message)
	case noSuchDatabase:
		return fmt.Errorf("%s has no database %q: name one that is there in --postgres, e.g. /postgres", p.place(), p.config.Database)
	case lacksPrivilege:
		return fmt.Errorf("%s does not let user %q do what meshsim needs: ALTER ROLE %q CREATEDB CREATEROLE INHERIT (%s)", p.place(), user, user, said.Message)
	case tooManyConnections:
		return fmt.Errorf("%s has no connection left: raise its max_connections; each server takes up to 6", p.place())
	case diskFull:
		return fmt.Errorf("the disk of %s is full: make room", p.place())
	default:
		return fmt.Errorf("%s says: %s (%s)", p.place(), said.Message, said.Code)
	}
}

// lacks says which of the rights are missing that the user must have.
func (p *postgres) lacks(databases, roles, inherits bool) error {
	var things, rights []string
	if !databases {
		things, rights = append(things, "make databases"), append(rights, "CREATEDB")
	}
	if !roles {
		things, rights = append(things, "make a role for each server"), append(rights, "CREATEROLE")
	}
	if !inherits {
		things, rights = append(things, "use what its roles own"), append(rights, "INHERIT")
	}
	if len(things) == 0 {
		return nil
	}
	user := p.config.User
	return fmt.Errorf("%s does not let user %q %s: ALTER ROLE %q %s", p.place(), user, strings.Join(things, " and "), user, strings.Join(rights, " "))
}

// explainRole says what is wrong where a server's role is refused while the user of --postgres is let in.
func (p *postgres) explainRole(err error) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.Code != invalidAuthorization && said.Code != invalidPassword {
		return p.explain(err)
	}
	line := "host sameuser all all scram-sha-256"
	if network, _ := pgNetworkAddress(p.config.Host, p.config.Port); network == "unix" {
		line = "local sameuser all scram-sha-256"
	}
	return fmt.Errorf("%s lets user %q in, but not the role of a server: put the line %q before the others of pg_hba.conf and reload it (%s)",
		p.place(), p.config.User, line, said.Message)
}

// shortest is the innermost error, which says what the others say around it; it holds no password.
func shortest(err error) error {
	for {
		switch wraps := err.(type) {
		case interface{ Unwrap() []error }:
			all := wraps.Unwrap()
			if len(all) == 0 {
				return err
			}
			err = all[len(all)-1]
		case interface{ Unwrap() error }:
			inner := wraps.Unwrap()
			if inner == nil {
				return err
			}
			err = inner
		default:
			return err
		}
	}
}
