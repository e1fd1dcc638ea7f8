package main

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script runs one of the examples against a running meshsim.
func (p *program) script(name string, args ...string) (string, error) {
	p.t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "examples", name))
	if err != nil {
		p.t.Fatal(err)
	}
	command := exec.CommandContext(p.t.Context(), path, args...)
	command.Env = append(command.Environ(), "MESHSIM=http://"+p.addr, "MESHSIM_TOKEN="+p.token)
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (p *program) mustScript(name string, args ...string) string {
	p.t.Helper()
	out, err := p.script(name, args...)
	if err != nil {
		p.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// TestBeyondLoopbackRegistrationWantsTheToken registers as clients do: at a server's own host name, past the control
// interface and its token.
func TestBeyondLoopbackRegistrationWantsTheToken(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the examples need curl")
	}
	p := start(t, "--listen", "0.0.0.0:0", "--token", "sesame")
	p.token = "sesame"
	p.mustScript("start-server.sh", "0", "0")
	if got := p.mustScript("add-accounts.sh", "1"); got != "@user1:hs0" {
		t.Errorf("add-accounts.sh printed %q", got)
	}
	request, err := http.NewRequest("POST", "http://"+p.addr+"/_matrix/client/v3/register",
		strings.NewReader(`{"username":"eve","password":"eve","auth":{"type":"m.login.dummy"}}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "hs0.localhost"
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("registered without the token: %s", response.Status)
	}
}

func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the examples need curl")
	}
	p := start(t)
	for i, want := range []string{"0", "1", "2"} {
		if got := p.mustScript("start-server.sh", []string{"0", "10", "20"}[i], "0"); got != want {
			t.Errorf("start-server.sh printed %q, want %q", got, want)
		}
	}
	if got := p.mustScript("add-accounts.sh", "2", "0", "2"); got != "@user1:hs0\n@user2:hs0\n@user1:hs2\n@user2:hs2" {
		t.Errorf("add-accounts.sh printed %q", got)
	}
	room := p.mustScript("make-room.sh", "1", "lobby")
	joined := p.mustScript("join-room.sh", room, "2")
	if joined != "server 1 joined\nserver 0 joined" {
		t.Errorf("join-room.sh printed %q", joined)
	}
	if got := strings.Fields(p.mustScript("send-messages.sh", room, "2", "hi from")); len(got) != 2 || got[0][0] != '$' {
		t.Errorf("send-messages.sh printed %q", got)
	}
	p.mustScript("stop-server.sh", "2")
	p.mustScript("stop-all.sh")

	for _, wrong := range [][]string{
		{"start-server.sh", "1"},
		{"start-server.sh", "left", "right"},
		{"stop-server.sh", "99"},
		{"join-room.sh", "!none:hs0"},
		{"make-room.sh", "0"},
		{"add-accounts.sh"},
		{"send-messages.sh"},
	} {
		if out, err := p.script(wrong[0], wrong[1:]...); err == nil || out == "" {
			t.Errorf("%v succeeded: %q", wrong, out)
		}
	}
}
