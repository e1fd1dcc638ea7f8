//go:build linux && docker

package docker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
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
	t         testing.TB
	directory string
}

// startCluster runs a Postgres until the test ends. It lets in those that the lines of pg_hba.conf name, or everybody with a
// password.
func startCluster(t testing.TB, access ...string) *cluster {
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
	if len(access) > 0 {
		lines := strings.Join(access, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "postgresql.auto.conf"), []byte("fsync = off\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	server := command("postgres", "-D", data, "-k", directory, "-c", "listen_addresses=")
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
	if err := c.as(c.url("mesh", pgPassword), sql); err != nil {
		c.t.Fatal(err)
	}
}

// as runs statements one by one as the user of a URL.
func (c *cluster) as(address string, statements ...string) error {
	conn, err := pgx.Connect(c.t.Context(), address)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(c.t.Context(), sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// names lists what a statement selects, between spaces.
func (c *cluster) names(address, sql string) string {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), address)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(c.t.Context(), sql)
	if err != nil {
		c.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// databases lists those that are ours.
func (c *cluster) databases() string {
	c.t.Helper()
	return c.names(c.url("mesh", pgPassword), "SELECT datname FROM pg_database WHERE datname LIKE 'meshsim%' ORDER BY 1")
}

// roles lists those that are ours.
func (c *cluster) roles() string {
	c.t.Helper()
	return c.names(c.url("mesh", pgPassword), "SELECT rolname FROM pg_roles WHERE rolname LIKE 'meshsim%' ORDER BY 1")
}

// at is the URL by which a role comes to a database.
func (c *cluster) at(d *docker.Database, name string) string {
	return strings.Replace(c.url(d.User, d.Password), "/postgres?", "/"+name+"?", 1)
}

// makeMaker adds a user who may do what meshsim needs and no more, and returns the URL.
func (c *cluster) makeMaker() string {
	c.t.Helper()
	c.do(`CREATE ROLE maker LOGIN CREATEDB CREATEROLE PASSWORD 'maker'`)
	return c.url("maker", "maker")
}

// The role of a server owns all that is in its copy of the template, and comes into no other database of ours. What the
// homeserver keeps it can change, and it can do nothing for which one must be a superuser.
func TestRolesOfServers(t *testing.T) {
	c := startCluster(t)
	for _, user := range []struct{ slug, url string }{
		{"superuser", c.url("mesh", pgPassword)}, {"maker-of-databases-and-roles", c.makeMaker()},
	} {
		t.Run(user.slug, func(t *testing.T) { testRoles(t, c, user.url) })
	}
}

func testRoles(t *testing.T, c *cluster, user string) {
	ctx := t.Context()
	p, err := docker.NewPostgres(user)
	if err != nil {
		t.Fatal(err)
	}
	created := func(name, template string) *docker.Database {
		t.Helper()
		d, err := p.Create(ctx, name, template)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	template := created("meshsim_template", "")
	if err := c.as(c.at(template, template.Name), "CREATE TABLE kept (n bigserial PRIMARY KEY, what text)", "CREATE INDEX ON kept (what)",
		"CREATE SCHEMA own CREATE VIEW seen AS SELECT * FROM public.kept", "CREATE TYPE own.kind AS ENUM ('a')",
		"CREATE FUNCTION own.one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "INSERT INTO kept (what) VALUES ('filled')"); err != nil {
		t.Fatal(err)
	}
	if err := p.Seal(ctx, template.Name); err != nil {
		t.Fatal(err)
	}
	own, other := created("meshsim_0", template.Name), created("meshsim_1", template.Name)
	mine := c.at(own, own.Name)
	if err := c.as(mine, "INSERT INTO kept (what) VALUES ('more')", "SELECT own.one()", "ALTER TABLE kept ADD more int", "CREATE TABLE another ()",
		"ALTER TYPE own.kind ADD VALUE 'b'", "DROP VIEW own.seen", "CREATE TEMP TABLE passing ()"); err != nil {
		t.Errorf("in its own database: %v", err)
	}
	if names := c.names(mine, "SELECT what FROM kept ORDER BY n"); names != "filled more" {
		t.Errorf("its own database has %q", names)
	}
	if names := c.names(mine, "SELECT relname FROM pg_class WHERE relowner <> 'meshsim_0'::regrole AND relnamespace = 'public'::regnamespace"); names != "" {
		t.Errorf("its own database has what is another's: %s", names)
	}
	for _, name := range []string{other.Name, template.Name} {
		if err := c.as(c.at(own, name)); err == nil || !strings.Contains(err.Error(), "permission denied for database") {
			t.Errorf("%s comes into %s: %v", own.User, name, err)
		}
	}
	for _, sql := range []string{"COPY kept FROM PROGRAM 'true'", "CREATE DATABASE more", "CREATE ROLE more", "SELECT pg_read_file('postgresql.conf')",
		"SET ROLE meshsim_1", "SET ROLE mesh"} {
		if err := c.as(mine, sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v, want that it may not", sql, err)
		}
	}
	if err := c.as(c.at(template, template.Name)); err == nil || !strings.Contains(err.Error(), "not permitted to log in") {
		t.Errorf("the template's role still comes in: %v", err)
	}
	again := created(own.Name, template.Name) // as after a try that failed
	if names := c.names(c.at(again, again.Name), "SELECT what FROM kept"); names != "filled" {
		t.Errorf("made again it has %q", names)
	}
	if err := p.Drop(ctx, own.Name, template.Name, other.Name); err != nil {
		t.Error(err)
	}
	if left := c.databases() + c.roles(); left != "" {
		t.Errorf("left %s", left)
	}
}

// Through what is in its container a server reaches its own database, and none that is not ours, also where it knows the
// password of another user.
func TestWayToTheDatabase(t *testing.T) {
	c := startCluster(t)
	p, err := docker.NewPostgres(c.url("mesh", pgPassword))
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.Create(t.Context(), "meshsim_0", "")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { p.Serve(t.Context(), ln, own) })
	t.Cleanup(serving.Wait) // t's context has ended by then
	through := func(user, password, database, mode string) error {
		at := url.URL{Scheme: "postgresql", User: url.UserPassword(user, password), Host: ln.Addr().String(), Path: "/" + database, RawQuery: "sslmode=" + mode}
		return c.as(at.String(), "SELECT 1")
	}
	for _, mode := range []string{"disable", "prefer"} {
		if err := through(own.User, own.Password, own.Name, mode); err != nil {
			t.Errorf("to its own, sslmode=%s: %v", mode, err)
		}
	}
	if err := c.as(c.at(own, "postgres")); err != nil {
		t.Errorf("past meshsim it does not come into postgres, so that this test shows nothing: %v", err)
	}
	for _, e := range []struct{ slug, user, password, database string }{
		{"not-ours", own.User, own.Password, "postgres"}, {"template1", own.User, own.Password, "template1"},
		{"another-user", "mesh", pgPassword, own.Name}, {"user-of-meshsim", "mesh", pgPassword, "postgres"},
	} {
		if err := through(e.user, e.password, e.database, "disable"); err == nil || !strings.Contains(err.Error(), "its own database") {
			t.Errorf("%s: %v", e.slug, err)
		}
	}
}

// Each server has a database of its own on a shared Postgres. It comes back with it, and the database ends with the
// server, the template with the driver.
func TestPostgres(t *testing.T) {
	c := startCluster(t)
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, discard{})
	cfg.Options.Postgres = c.makeMaker()
	host, _ := os.Hostname()
	if err := c.as(cfg.Options.Postgres, `CREATE ROLE meshsim_left_over`, `CREATE ROLE meshsim_left_alone`, `GRANT meshsim_left_over TO CURRENT_USER`,
		fmt.Sprintf(`COMMENT ON ROLE meshsim_left_over IS 'org.meshsim.owner %s 1-1'`, host),
		fmt.Sprintf(`COMMENT ON ROLE meshsim_left_alone IS 'org.meshsim.owner %s 1-1'`, host),
		`CREATE DATABASE meshsim_left_over OWNER meshsim_left_over`); err != nil {
		t.Fatal(err)
	}
	d := driver(t, cfg)
	defer d.Close()
	if names := c.databases(); !strings.HasSuffix(names, "_template") || strings.Contains(names, " ") {
		t.Fatalf("before the first server there is %q, want a template alone", names)
	}
	if roles := c.roles(); roles != c.databases() {
		t.Errorf("before the first server there are the roles %q, want the template's alone", roles)
	}
	if removed, _, err := docker.Clean(t.Context(), docker.Leftovers{Postgres: cfg.Options.Postgres}); err != nil || len(removed) > 0 {
		t.Errorf("cleaning up removed %v of a process that runs, %v", removed, err)
	}
	nodes, clients := startAll(t, m, d, d)
	m.LinkAll(2, link.Params{})
	if names := strings.Fields(c.databases()); len(names) != 3 {
		t.Errorf("with two servers there are %v", names)
	}
	users := c.names(c.url("mesh", pgPassword), "SELECT DISTINCT usename || ' in ' || datname FROM pg_stat_activity WHERE datname LIKE 'meshsim%' ORDER BY 1")
	if own := regexp.MustCompile(`^(meshsim_\w+_0) in (meshsim_\w+_0) (meshsim_\w+_1) in (meshsim_\w+_1)$`).FindStringSubmatch(users); own == nil ||
		own[1] != own[2] || own[3] != own[4] {
		t.Errorf("connected are %s, want each server's role in its own database", users)
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
	if names := c.databases(); names != c.roles() || strings.Contains(names, "_0") || !strings.Contains(names, "_1") {
		t.Errorf("after one was forgotten there is %q", names)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if names := c.databases() + c.roles(); names != "" {
		t.Errorf("after all there is %q", names)
	}
}

// What is wrong with a Postgres is said in one sentence with the remedy, and nothing is left.
func TestPostgresErrors(t *testing.T) {
	c := startCluster(t)
	c.do(`CREATE ROLE guest LOGIN PASSWORD 'guest'; CREATE ROLE owner LOGIN CREATEDB PASSWORD 'owner'; CREATE ROLE creator LOGIN CREATEROLE PASSWORD 'creator';` +
		`CREATE ROLE stranger LOGIN CREATEDB CREATEROLE NOINHERIT PASSWORD 'stranger'`)
	closed := startCluster(t, "local all mesh scram-sha-256")
	driver(t, config(t, nodetest.NewMesh(t, fabric.RealClock(), 1), discard{})).Close() // there is an image
	nowhere := t.TempDir()
	for _, e := range []struct{ slug, url, want string }{
		{"unreachable", "postgresql://u:secret@127.0.0.1:1/postgres", "no answer from the Postgres at 127.0.0.1:1: start it, or correct the host and port in --postgres"},
		{"no-socket", "postgresql://u:secret@/postgres?host=" + nowhere, "no answer from the Postgres at " + nowhere + "/.s.PGSQL.5432: start it"},
		{"wrong-password", c.url("mesh", "secret"), `refuses the password of user "mesh": correct it in --postgres`},
		{"no-such-database", strings.Replace(c.url("mesh", pgPassword), "/postgres?", "/none?", 1), `has no database "none": name one that is there`},
		{"may-not-make-databases", c.url("creator", "creator"), `does not let user "creator" make databases: ALTER ROLE "creator" CREATEDB`},
		{"may-not-make-roles", c.url("owner", "owner"), `does not let user "owner" make a role for each server: ALTER ROLE "owner" CREATEROLE`},
		{"may-make-nothing", c.url("guest", "guest"), `"guest" make databases and make a role for each server: ALTER ROLE "guest" CREATEDB CREATEROLE`},
		{"does-not-inherit", c.url("stranger", "stranger"), `use what its roles own: ALTER ROLE "stranger" INHERIT`},
		{"refuses-roles", closed.url("mesh", pgPassword),
			`lets user "mesh" in, but not the role of a server: put the line "local sameuser all scram-sha-256" before the others of pg_hba.conf`},
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
			if names := c.databases() + c.roles() + closed.databases() + closed.roles(); names != "" {
				t.Errorf("left %s", names)
			}
		})
	}
}
