//go:build linux && docker

package docker_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

const pgPassword = "p@ss/w:rd"

// cluster is a Postgres of the test's own, on a socket in a directory of its own.
type cluster struct {
	t         *testing.T
	directory string
}

// startCluster runs a Postgres until the test ends.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	account, err := user.Lookup("postgres")
	if len(found) == 0 || err != nil {
		t.Skip("not tested, because Debian's postgresql is not installed: run scripts/engine")
	}
	bin := filepath.Dir(found[len(found)-1])
	directory, err := os.MkdirTemp("", "pg") // short, as a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	if err := os.Chown(directory, uid, gid); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(directory, "password")
	if err := os.WriteFile(secret, []byte(pgPassword), 0o644); err != nil {
		t.Fatal(err)
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir = directory
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		return c
	}
	data := filepath.Join(directory, "data")
	made := command("initdb", "--pgdata", data, "--username", "mesh", "--pwfile", secret, "--auth", "scram-sha-256", "--no-sync")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := command("postgres", "-D", data, "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off")
	log, err := os.Create(filepath.Join(directory, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // fast shutdown
		_ = server.Wait()
	})
	c := &cluster{t, directory}
	nodetest.Eventually(t, patience, "Postgres answers", func() bool {
		conn, err := pgx.Connect(t.Context(), c.url("mesh", pgPassword))
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	})
	return c
}

func (c *cluster) url(user, password string) string {
	at := url.URL{Scheme: "postgresql", User: url.UserPassword(user, password), Path: "/postgres", RawQuery: "host=" + c.directory}
	return at.String()
}

// do runs a statement.
func (c *cluster) do(sql string) {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.url("mesh", pgPassword))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(c.t.Context(), sql); err != nil {
		c.t.Fatal(err)
	}
}

// databases lists those that are ours.
func (c *cluster) databases() string {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.url("mesh", pgPassword))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(c.t.Context(), "SELECT datname FROM pg_database WHERE datname LIKE 'meshsim%' ORDER BY 1")
	if err != nil {
		c.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// Each server has a database of its own on a shared Postgres. It comes back with it, and the database ends with the
// server, the template with the driver.
func TestPostgres(t *testing.T) {
	c := startCluster(t)
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	cfg.Options.Postgres = c.url("mesh", pgPassword)
	c.do(`CREATE DATABASE meshsim_left_over`)
	host, _ := os.Hostname()
	c.do(fmt.Sprintf(`COMMENT ON DATABASE meshsim_left_over IS 'org.meshsim.owner %s 1-1'`, host))
	d := driver(t, cfg)
	defer d.Close()
	if names := c.databases(); !strings.HasSuffix(names, "_template") || strings.Contains(names, " ") {
		t.Fatalf("before the first server there is %q, want a template alone", names)
	}
	if removed, _, err := docker.Clean(t.Context(), docker.Leftovers{Postgres: cfg.Options.Postgres}); err != nil || len(removed) > 0 {
		t.Errorf("cleaning up removed %v of a process that runs, %v", removed, err)
	}
	nodes, clients := startAll(t, m, d, d)
	m.LinkAll(2, link.Params{})
	if names := strings.Fields(c.databases()); len(names) != 3 {
		t.Errorf("with two servers there are %v", names)
	}
	room := create(t, clients[0], "11", nil)
	clients[1].Join(t, room, "hs0")
	clients[1].Send(t, room, "kept in Postgres")
	shows(t, clients[0], room, "kept in Postgres")
	if err := nodes[0].Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	spec := node.Spec{ID: 0, Name: "hs0", Kind: d.Kind()}
	again, client := started(t, m, d, spec)
	if again == nil {
		t.FailNow()
	}
	shows(t, client, room, "kept in Postgres")
	if err := again.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Forget(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if names := c.databases(); strings.Contains(names, "_0") || !strings.Contains(names, "_1") {
		t.Errorf("after one was forgotten there is %q", names)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if names := c.databases(); names != "" {
		t.Errorf("after all there is %q", names)
	}
}

// What is wrong with a Postgres is said in one sentence with the remedy, and nothing is left.
func TestPostgresErrors(t *testing.T) {
	c := startCluster(t)
	c.do(`CREATE ROLE guest LOGIN PASSWORD 'guest'`)
	driver(t, config(t, nodetest.NewMesh(t, fabric.RealClock(), 1), discard{})).Close() // there is an image
	nowhere := t.TempDir()
	for _, e := range []struct{ slug, url, want string }{
		{"unreachable", "postgresql://u:secret@127.0.0.1:1/postgres", "no answer from the Postgres at 127.0.0.1:1: start it, or correct the host and port in --postgres"},
		{"no-socket", "postgresql://u:secret@/postgres?host=" + nowhere, "no answer from the Postgres at " + nowhere + "/.s.PGSQL.5432: start it"},
		{"wrong-password", c.url("mesh", "secret"), `refuses the password of user "mesh": correct it in --postgres`},
		{"no-such-database", strings.Replace(c.url("mesh", pgPassword), "/postgres?", "/none?", 1), `has no database "none": name one that is there`},
		{"may-not-make-databases", c.url("guest", "guest"), `does not let user "guest" make databases: ALTER ROLE "guest" CREATEDB`},
	} {
		t.Run(e.slug, func(t *testing.T) {
			m := nodetest.NewMesh(t, fabric.RealClock(), 1)
			cfg := config(t, m, discard{})
			cfg.Options.Postgres = e.url
			d, err := docker.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			_, err = d.Start(t.Context(), node.Spec{Name: "hs0"}, m)
			var failed *node.StartError
			if !errors.As(err, &failed) || !strings.Contains(failed.Reason, e.want) || strings.ContainsAny(failed.Reason, "\n") ||
				strings.Contains(failed.Reason, "secret") {
				t.Errorf("error %v\nwant  %s", err, e.want)
			}
			if names := c.databases(); names != "" {
				t.Errorf("left %s", names)
			}
		})
	}
}
