package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"meshsim/api"
)

// remotely runs a command for a meshsim that runs.
func (p *program) remotely(args ...string) (string, error) {
	p.t.Helper()
	return meshsim(p.t.Context(), map[string]string{"MESHSIM_AT": p.addr, "MESHSIM_TOKEN": p.token}, args...)
}

// running adds embedded servers in a row, 20 pixels apart.
func (p *program) running(n int) {
	p.t.Helper()
	for i := range n {
		p.do("POST", "/api/v1/servers", fmt.Sprintf(`{"x":%d,"y":0}`, 20*i), nil)
	}
	for i := range n {
		for s := (api.Server{}); s.State != "running"; {
			p.do("GET", fmt.Sprintf("/api/v1/servers/%d", i), "", &s)
		}
	}
}

func TestCommandsForARunningMesh(t *testing.T) {
	p := start(t)
	if out, err := p.remotely("ls"); err != nil || !strings.Contains(out, "no servers yet") {
		t.Errorf("ls of nothing: %q, %v", out, err)
	}
	var settings api.Settings
	p.do("GET", "/api/v1/settings", "", &settings)
	settings.MaxLatencyMS = 25
	changed, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	p.do("PUT", "/api/v1/settings", string(changed), nil)
	p.running(3)
	for _, c := range []struct{ args, prints string }{
		{"ls", `(?m)^1 +hs1 +embedded +running +10\.0\.0\.2 +http://hs1\.localhost:\d+ +hs0 20 ms, hs2 20 ms$`},
		{"ping -W 1m -c 2 -i 10ms hs0 hs2", `(?s)^ping from hs0 to hs2 \(10\.0\.0\.3\), 56 bytes of data\n.*reply from hs2 \(10\.0\.0\.3\): seq=2 time=\d+\.\d+ ms\n2 sent, 2 answered, 0 % lost; min`},
		{"ping -W 1m -6 -c 1 0 2", `reply from hs2 \(fd6d:6573:6873::3\)`},
		{"ping -W 1m --json -c 1 hs0 hs2", `^\{"seq":1,"outcome":"reply","from":"10\.0\.0\.3","name":"hs2","server":2,"rtt_ms":\d+\.\d+\}\n$`},
		{"traceroute -W 1m -q 2 hs0 hs2", `^path from hs0 to hs2 \(10\.0\.0\.3\)\n 1  hs1 \(10\.0\.0\.2\)  \d+\.\d+ ms  \d+\.\d+ ms\n 2  hs2 \(10\.0\.0\.3\)  \d+\.\d+ ms  \d+\.\d+ ms\n$`},
		{"logs hs0", `started`},
		{"logs -n 1 2", `^\d\d:\d\d:\d\d\.\d+ started\n$`},
		{"__complete logs h", `hs1\tembedded, running`},
		{"pause hs1", `^hs1 is paused\n$`},
		{"resume hs1", `^hs1 runs\n$`},
		{"pause --no-wait hs1", `^$`},
		{"restart hs2", `^hs2 runs\n$`},
		{"stop hs2", `^hs2 is stopped\n$`},
		{"logs -n 1 hs2", `^\d\d:\d\d:\d\d\.\d+ stopped\n$`},
		{"start hs2", `^hs2 runs\n$`},
	} {
		out, err := p.remotely(strings.Fields(c.args)...)
		if err != nil || !regexp.MustCompile(c.prints).MatchString(out) {
			t.Errorf("meshsim %s: %v, and %q is not %s", c.args, err, out, c.prints)
		}
	}
	out, err := p.remotely("ls", "--json")
	var all []listed
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if err != nil || len(all) != 3 || all[1].State != "paused" || len(all[1].Links) == 0 || all[1].Links[0] != (neighbour{ID: 0, Name: "hs0", LatencyMS: 20}) {
		t.Errorf("ls --json: %v, %s", err, out)
	}
	for _, c := range []struct{ args, says string }{
		{"ping hs0 hs9", `there is no server "hs9": meshsim ls lists`},
		{"ping hs0", "wants the server that asks and the one that is asked, not 1 arguments"},
		{"ping -c 0 hs0 hs1", "count"},
		{"kill hs0", "no process of its own"},
		{"resume hs0", "server hs0 cannot be resumed while it is running"},
		{"logs -n 20000 hs0", "10000"},
		{"exec hs0 true", "server hs0 is embedded, so it has no container to run a command in"},
		{"exec hs0", "wants a server and a command"},
	} {
		if _, err := p.remotely(strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("meshsim %s: error %v, want %q", c.args, err, c.says)
		}
	}
	p.do("PUT", "/api/v1/links/0/1", `{"cut":true}`, nil)
	for args, says := range map[string]string{
		"ping -W 1m -c 1 hs0 hs2":  "hs0 (10.0.0.1) has no route to hs2: seq=",
		"traceroute -W 1m hs0 hs2": " ms (no route from here)",
	} {
		out, err := p.remotely(strings.Fields(args)...)
		if err == nil || !strings.Contains(out, says) {
			t.Errorf("meshsim %s across a cut: %q, %v, want %q", args, out, err, says)
		}
	}
	if out, err := p.remotely("ls"); err != nil || !strings.Contains(out, "LINKS (ONE WAY)") {
		t.Errorf("ls: %q, %v, does not say that latencies are of one way", out, err)
	}
}

// Whatever is there instead of a meshsim is said in one line.
func TestCommandsWithoutAMesh(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	free.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, c := range []struct{ at, says string }{
		{nobody, "no meshsim answers at " + nobody + ": start one with meshsim, or name the one that runs with --at"},
		{other.URL, "is no meshsim: it says 404"},
		{"://", `--at is "://"`},
		{"ftp://localhost", `--at is "ftp://localhost"`},
	} {
		for _, args := range [][]string{{"ls"}, {"ping", "a", "b"}, {"logs", "a"}, {"restart", "a"}} {
			out, err := meshsim(t.Context(), nil, append(args, "--at", c.at)...)
			if err == nil || out != "" || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v at %s: %q, %v; want %q", args, c.at, out, err, c.says)
			}
		}
	}
}

// The address that is printed beyond loopback holds the token, and is good for --at as it is.
func TestCommandsWithAToken(t *testing.T) {
	p := start(t, "--listen", "0.0.0.0:0", "--token", "secret")
	if _, err := meshsim(t.Context(), nil, "ls", "--at", p.addr); err == nil || !strings.Contains(err.Error(), "wants its token") {
		t.Errorf("without the token: %v", err)
	}
	if out, err := meshsim(t.Context(), nil, "ls", "--at", "http://"+p.addr+"/?token=secret"); err != nil {
		t.Errorf("with the printed address: %q, %v", out, err)
	}
	if out, err := meshsim(t.Context(), nil, "ls", "--at", p.addr, "--token", "secret"); err != nil {
		t.Errorf("with the token: %q, %v", out, err)
	}
}
