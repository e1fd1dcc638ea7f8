package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// startProxy runs coap-proxy and returns the groups of the pattern in the first lines that it prints.
func startProxy(t *testing.T, pattern string, lines int, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	c := newCoapProxy()
	c.SetArgs(args)
	c.SetOut(w)
	go func() {
		ended <- c.ExecuteContext(ctx)
		w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var text strings.Builder
	in := bufio.NewReader(r)
	for range lines {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q: %v", err, text.String(), <-ended)
		}
		text.WriteString(line)
	}
	found := regexp.MustCompile(pattern).FindStringSubmatch(text.String())
	if found == nil {
		t.Fatalf("printed %q", text.String())
	}
	return found[1:]
}

// TestTwoCommandsConnectAClient: with a key that is given, after the far side has restarted, and with one that is asked for.
func TestTwoCommandsConnectAClient(t *testing.T) {
	homeserver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"uri":%q}`, req.RequestURI)
	}))
	defer homeserver.Close()
	file := filepath.Join(t.TempDir(), "key")
	far := func() []string {
		return startProxy(t, `at (\S+) for[\s\S]*--coap-key (\S+)`, 2, "--http-target", homeserver.URL, "--coap", "127.0.0.1:0", "--key-file", file)
	}
	first := far()
	second := far()
	if first[1] != second[1] {
		t.Errorf("the key changes from %s to %s", first[1], second[1])
	}
	near := startProxy(t, `at (http\S+)`, 1, "--coap-target", first[0], "--coap-key", first[1], "--listen", "127.0.0.1:0")
	asked := startProxy(t, `first use: --coap-key (\S+)\nclients are served at (http\S+)`, 2, "--coap-target", second[0], "--listen", "127.0.0.1:0")
	if asked[0] != first[1] {
		t.Errorf("was told the key %s", asked[0])
	}
	client := http.Client{Timeout: 20 * time.Second}
	for _, base := range []string{near[0], asked[1]} {
		res, err := client.Get(base + "/_matrix/client/v3/sync?since=a%20b")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if want := `{"uri":"/_matrix/client/v3/sync?since=a%20b"}`; string(body) != want {
			t.Errorf("got %s", body)
		}
	}
	client.CloseIdleConnections()
}

func TestCoapProxyFlags(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"", "--coap-target"},
		{"--coap-target a:1 --http-target http://b", "either"},
		{"--http-target localhost:8008", `"localhost:8008"`},
		{"--coap-target localhost:1 --coap-key 12", `"12"`},
		{"--coap-target nowhere", "--coap-target"},
		{"--coap-target a:1 --rate -1", "-1"},
		{"--coap-target a:1 --wire big", `"big"`},
		{"--coap-target a:1 --psk x:00", "--wire standard"},
		{"--http-target http://a --wire standard", "--psk"},
		{"--http-target http://a --coap 127.0.0.1:0 --wire standard --psk x:00", "32 hexadecimal digits"},
		{"--http-target http://a --wire standard --cert x", "--cert-key"},
		{"--http-target http://a --wire standard --lowband-insecure --psk x:00", "leave out"},
		{"--coap-target a:1 --keylog x", "--wire standard"},
		{"--coap-target localhost:1 --wire standard --ca /nowhere", "/nowhere"},
	} {
		command := newCoapProxy()
		command.SetArgs(strings.Fields(c.args))
		command.SilenceErrors, command.SilenceUsage = true, true
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}

// TestTwoCommandsOfTheStandard: with a pre-shared key, with captures of what passes; and without encryption, which is said.
func TestTwoCommandsOfTheStandard(t *testing.T) {
	homeserver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"uri":%q}`, req.RequestURI)
	}))
	defer homeserver.Close()
	dir := t.TempDir()
	const psk = "phone:00112233445566778899aabbccddeeff"
	for name, how := range map[string][]string{
		"psk":      {"--wire", "standard", "--psk", psk, "--capture", filepath.Join(dir, "plain"), "--capture-encrypted", filepath.Join(dir, "sealed"), "--keylog", filepath.Join(dir, "keys")},
		"insecure": {"--wire", "standard", "--lowband-insecure"},
	} {
		t.Run(name, func(t *testing.T) {
			pattern, lines := `served at (\S+)`, 1
			if name == "insecure" {
				pattern, lines = `WARNING: --lowband-insecure[^\n]*\n[^\n]*served at (\S+)`, 2
			}
			far := startProxy(t, pattern, lines, append(how, "--http-target", homeserver.URL, "--coap", "127.0.0.1:0")...)
			nearHow := how[:min(len(how), 4)]
			near := startProxy(t, pattern, lines, append(nearHow[:len(nearHow):len(nearHow)], "--coap-target", far[0], "--listen", "127.0.0.1:0")...)
			client := http.Client{Timeout: time.Minute}
			defer client.CloseIdleConnections()
			res, err := client.Get(near[0] + "/_matrix/client/v3/publicRooms?since=a%20b")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, _ := io.ReadAll(res.Body); string(body) != `{"uri":"/_matrix/client/v3/publicRooms?since=a+b"}` {
				t.Errorf("got %s", body)
			}
		})
	}
	for _, file := range []string{"plain", "sealed", "keys"} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Size() < 100 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
}
