//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/client"
)

// engineAt is an engine that is reached as dial says.
func engineAt(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) *engine {
	t.Helper()
	api, err := client.New(client.WithHost("tcp://engine:1"), client.WithDialContext(dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return &engine{api: api}
}

// What the engine refuses is said in one sentence with the remedy.
func TestRefusalsOfTheEngine(t *testing.T) {
	refused := func(errno error) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "unix", Err: errno}
		}
	}
	full := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"message":"mkdir /var/lib/docker/volumes/x: no space left on device"}`))
	}))
	defer full.Close()
	for _, c := range []struct {
		slug string
		dial func(context.Context, string, string) (net.Conn, error)
		want string
	}{
		{"permission-refused", refused(syscall.EACCES), "this user may not use the Docker engine at tcp://engine:1: run meshsim as root, or join the group docker"},
		{"no-engine", refused(syscall.ECONNREFUSED), "no Docker engine answers at tcp://engine:1: start one"},
		{"disk-full", func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", full.Listener.Addr().String())
		}, "the Docker engine's disk is full: make room, e.g. with docker system prune ("},
	} {
		t.Run(c.slug, func(t *testing.T) {
			e := engineAt(t, c.dial)
			_, err := e.create(t.Context(), &order{name: "x", data: "/data"})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
}

// A homeserver that takes a port which meshsim serves beside it is told of, with the remedy.
func TestPortTakenInsideTheContainer(t *testing.T) {
	homeserver, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer homeserver.Close()
	at := homeserver.Addr().(*net.TCPAddr).AddrPort()
	_, err = net.Listen("tcp", at.String())
	said := (&Preset{source: "mine/preset.yaml"}).explainListen(at, "the proxy", err)
	want := fmt.Sprintf("port %d inside the container is taken by the homeserver itself, and meshsim serves the proxy there: "+
		"have the files or the command of mine/preset.yaml make it listen elsewhere", at.Port())
	if said == nil || !strings.HasPrefix(said.Error(), want) || strings.Contains(said.Error(), "\n") {
		t.Errorf("error %v\nwant  %s", said, want)
	}
	if other := errors.New("another"); (&Preset{}).explainListen(at, "the proxy", other) != other {
		t.Error("another error is not left as it is")
	}
}

// A namespace that may not be opened is another matter than one that is not there.
func TestNamespaceOutOfReach(t *testing.T) {
	for _, c := range []struct {
		slug string
		err  error
		want string
	}{
		{"no-right", fmt.Errorf("open: %w", syscall.EACCES), "meshsim may not look into its processes: run it as root, or with the capability SYS_PTRACE"},
		{"not-there", fmt.Errorf("open: %w", syscall.ENOENT), "its processes are not visible here; the Docker engine must be on this machine, and a meshsim in a container needs --pid host"},
	} {
		t.Run(c.slug, func(t *testing.T) {
			if said := explainNamespace(c.err); !strings.HasPrefix(said.Error(), c.want) || !errors.Is(said, c.err) {
				t.Errorf("error %v, want %q", said, c.want)
			}
		})
	}
}
