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

	"meshsim/lowband/channel"
)

// startProxy runs coap-proxy and returns the groups of the pattern in the first lines that it prints.
func startProxy(t *testing.T, pattern string, lines int, args ...string) []string {
	t.Helper()
	groups, _ := startTalkingProxy(t, pattern, lines, args...)
	return groups
}

// startTalkingProxy is startProxy, and returns what is printed later, line by line.
func startTalkingProxy(t *testing.T, pattern string, lines int, args ...string) (groups []string, more <-chan string) {
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
	later := make(chan string, 100)
	go func() {
		for line, err := in.ReadString('\n'); err == nil; line, err = in.ReadString('\n') {
			later <- line
		}
	}()
	return found[1:], later
}

// TestTwoCommandsConnectAClient: with a key that is given, after the far side has restarted, and with one that is learned, which is known the next time.
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
	known := filepath.Join(t.TempDir(), "new", "keys")
	asks := []string{"--coap-target", second[0], "--listen", "127.0.0.1:0", "--known-keys", known}
	stranger, more := startTalkingProxy(t, `at (http\S+)`, 1, asks...)
	client := http.Client{Timeout: time.Minute}
	for _, base := range []string{near[0], stranger[0]} {
		if status, body := fetch(t, &client, base+"/_matrix/client/v3/sync?since=a%20b"); status != http.StatusOK || body != `{"uri":"/_matrix/client/v3/sync?since=a%20b"}` {
			t.Errorf("got %d %s", status, body)
		}
	}
	if line := <-more; !strings.Contains(line, "first use: --coap-key "+first[1]) {
		t.Errorf("said %q", line)
	}
	again := startProxy(t, `earlier contact \S+ --coap-key (\S+)\n[^\n]* at (http\S+)`, 2, asks...)
	if status, body := fetch(t, &client, again[1]+"/_matrix/client/versions"); again[0] != first[1] || status != http.StatusOK {
		t.Errorf("with the key %s: %d %s", again[0], status, body)
	}
	client.CloseIdleConnections()
}

func fetch(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestAnotherKeyIsRefused: of one that was given, and of one that was learned; both keys and the remedy are said, on the
// terminal and to the client.
func TestAnotherKeyIsRefused(t *testing.T) {
	far := startProxy(t, `at (\S+) for[\s\S]*--coap-key (\S+)`, 2, "--http-target", "http://127.0.0.1:1", "--coap", "127.0.0.1:0")
	const other = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
	known := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(known, []byte("# kept by hand\n"+far[0]+" "+other+" 2026-01-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for remedy, how := range map[string]string{"delete the line of " + far[0] + " in " + known: "--known-keys=" + known, "--coap-key " + far[1]: "--coap-key=" + other} {
		near, more := startTalkingProxy(t, `at (http\S+)`, map[bool]int{true: 2, false: 1}[strings.HasPrefix(how, "--known")], "--coap-target", far[0], "--listen", "127.0.0.1:0", how)
		client := http.Client{Timeout: time.Minute}
		status, body := fetch(t, &client, near[0]+"/_matrix/client/versions")
		line := <-more
		for _, text := range []string{body, line} {
			for _, part := range []string{other, far[1], remedy} {
				if status != http.StatusBadGateway || !strings.Contains(text, part) {
					t.Errorf("%s: %d, %q does not say %q", how, status, text, part)
				}
			}
		}
		client.CloseIdleConnections()
	}
}

func TestKnownKeysAreReadStrictly(t *testing.T) {
	for text, says := range map[string]string{
		"a:1\n":                    "line 1",
		"b:1 00\n# x\na:1 12 x\n":  `"12"`,
		strings.Repeat("x", 2<<20): "larger",
	} {
		k := &knownKeys{filepath.Join(t.TempDir(), "keys")}
		if err := os.WriteFile(k.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := k.find("a:1"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestKnownKeysAreKeptBehindAnUnfinishedLine: the file was edited by hand, or a disk was full.
func TestKnownKeysAreKeptBehindAnUnfinishedLine(t *testing.T) {
	k := &knownKeys{filepath.Join(t.TempDir(), "keys")}
	if err := os.WriteFile(k.file, []byte("# my servers"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := channel.PublicKey{1}
	if err := k.add("a:1", want); err != nil {
		t.Fatal(err)
	}
	if got, err := k.find("a:1"); err != nil || got != want {
		t.Errorf("the key that was learned is %v, %v", got, err)
	}
	if err := k.add("a:1", channel.PublicKey{2}); err == nil {
		t.Error("another key was trusted after it")
	}
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
