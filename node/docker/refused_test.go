//go:build linux

package docker

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"meshsim/node"
)

// What the engine refuses to do with a container is said of its server, without the container's id.
func TestRefusalsOfAContainer(t *testing.T) {
	for _, c := range []struct {
		slug   string
		status int
		says   string // the engine
		want   string
	}{
		{"paused", http.StatusConflict, "Container 50729f is paused, unpause the container before exec",
			"server hs1 is paused: let it go on first, with meshsim resume hs1 or in the page"},
		{"not-running", http.StatusConflict, "Container 50729f is not running", "server hs1 is not running"},
		{"gone", http.StatusNotFound, "No such container: 50729f", "server hs1 is not running"},
	} {
		t.Run(c.slug, func(t *testing.T) {
			refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(`{"message":"` + c.says + `"}`))
			}))
			defer refusing.Close()
			e := engineAt(t, func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", refusing.Listener.Addr().String())
			})
			if err := e.exec(t.Context(), "50729f", "hs1", []string{"true"}, Streams{}); err == nil || err.Error() != c.want {
				t.Errorf("exec: error %v, want %s", err, c.want)
			}
			if _, err := e.openShell(t.Context(), "50729f", "hs1", shellCommand, node.TerminalSize{}); err == nil || err.Error() != c.want {
				t.Errorf("a shell: error %v, want %s", err, c.want)
			}
			n := &running{driver: &Driver{engine: e}, container: "50729f"}
			if err := n.Kill(t.Context()); err == nil || err.Error() != "it is not running" { // the mesh names the server
				t.Errorf("kill: error %v", err)
			}
		})
	}
}

// What the engine writes in place of a command's output is an error; what a command writes is passed on whole.
func TestOutputOfACommandThatIsNotThere(t *testing.T) {
	const refusal = "OCI runtime exec failed: exec: \"nosuch\": executable file not found in $PATH: unknown\r\n"
	const want = `the image of server hs1 has no program "nosuch" that can be run: meshsim exec --netns hs1 -- COMMAND uses this machine's ` +
		`(exec: "nosuch": executable file not found in $PATH: unknown)`
	for _, c := range []struct {
		slug, out string
		status    int
		shown     string
		fails     string
	}{
		{"not-there", refusal, 126, "", want},
		{"not-there-other-status", refusal, 127, "", want},
		{"says-so-itself", refusal, 1, refusal, "nosuch ended with status 1"},
		{"nothing", "", 0, "", ""},
		{"begins-alike", "OCI runtime exec", 0, "OCI runtime exec", ""},
		{"its-own", "one\ntwo\n", 126, "one\ntwo\n", "nosuch ended with status 126"},
	} {
		t.Run(c.slug, func(t *testing.T) {
			var shown bytes.Buffer
			w := &outputWriter{to: &shown}
			for i := range len(c.out) {
				if n, err := w.Write([]byte(c.out[i : i+1])); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			err := w.end("hs1", "nosuch", c.status)
			if (err == nil) != (c.fails == "") || err != nil && err.Error() != c.fails {
				t.Errorf("error %v, want %q", err, c.fails)
			}
			if shown.String() != c.shown {
				t.Errorf("shown %q, want %q", &shown, c.shown)
			}
		})
	}
}
