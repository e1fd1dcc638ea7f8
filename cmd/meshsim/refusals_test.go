//go:build linux

package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"meshsim/api"
	"meshsim/node/docker/enginetest"
	"meshsim/node/nodetest"
)

// lack is something that servers in containers need and do not have.
type lack struct {
	slug   string
	engine *enginetest.Engine // nil where there is none
	args   []string
	lacks  error  // what the machine does; nil for nothing
	says   string // in one sentence, with the remedy
	late   bool   // it shows only when a server is started
}

// lacks are made anew for each test, as they hold what listens.
func lacks(t *testing.T) []lack {
	const synapse = "meshsim/synapse"
	const nobody = "127.0.0.1:1" // nobody listens there, and nobody is given that port by chance
	return []lack{
		{slug: "no-engine", says: "start one, e.g. with systemctl start docker or dockerd, or choose --homeserver embedded"},
		{slug: "no-image", engine: &enginetest.Engine{},
			says: "is not on this machine and could not be pulled: make one with images/synapse/build, or load it with docker load"},
		{slug: "named-image-missing", engine: &enginetest.Engine{}, args: []string{"--image", "mine"},
			says: "the image mine is not on this machine"},
		{slug: "postgres-unreachable", engine: &enginetest.Engine{Images: []string{synapse}},
			args: []string{"--postgres", "postgresql://somebody:hidden@" + nobody + "/postgres"},
			says: "no answer from the Postgres at " + nobody + ": start it, or correct the host and port in --postgres"},
		{slug: "postgres-refuses-the-password", engine: &enginetest.Engine{Images: []string{synapse}},
			args: []string{"--postgres", enginetest.RefusingPostgres(t, "28P01", "password authentication failed")},
			says: `refuses the password of user "somebody": correct it in --postgres`},
		{slug: "postgres-has-no-such-database", engine: &enginetest.Engine{Images: []string{synapse}},
			args: []string{"--postgres", enginetest.RefusingPostgres(t, "3D000", "does not exist")},
			says: `has no database "postgres": name one that is there in --postgres`},
		{slug: "no-tun-device", engine: &enginetest.Engine{Images: []string{synapse}},
			lacks: errors.New("this machine has no TUN device: load the kernel's module with modprobe tun"),
			says:  "this machine has no TUN device: load the kernel's module with modprobe tun"},
		{slug: "no-capabilities", engine: &enginetest.Engine{Images: []string{synapse}},
			lacks: errors.New("meshsim lacks the capability SYS_ADMIN"), says: "meshsim lacks the capability SYS_ADMIN"},
		{slug: "disk-full", late: true, engine: &enginetest.Engine{Images: []string{synapse}, Full: true},
			says: "the Docker engine's disk is full: make room, e.g. with docker system prune"},
		{slug: "memory-limit-reached", late: true,
			engine: &enginetest.Engine{Images: []string{synapse}, Status: 137, OutOfMemory: true, Log: "one\ntwo\n"},
			says:   "hs0 died: its memory limit was reached; give it more with --memory"},
		{slug: "homeserver's-disk-full", late: true,
			engine: &enginetest.Engine{Images: []string{synapse}, Status: 1, Log: "one\nNo space left on device\n"},
			says:   "hs0 died: the disk that it writes to is full: make room, e.g. with docker system prune"},
		{slug: "process-ends", late: true, engine: &enginetest.Engine{Images: []string{synapse}, Status: 7, Log: "one\ntwo\n"},
			says: "hs0 died: its process ended with status 7"},
	}
}

// install puts the engine in the environment.
func (l lack) install(t *testing.T) {
	t.Helper()
	before := checkMachine
	checkMachine = func() error { return l.lacks }
	t.Cleanup(func() { checkMachine = before }) // when what runs with it has ended
	if l.engine == nil {
		t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "none"))
		return
	}
	l.engine.Serve(t)
}

// check tells whether text is one sentence with cause and remedy, and without the password.
func (l lack) check(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(text, l.says) || strings.Contains(text, "\n") || strings.Contains(text, "hidden") {
		t.Errorf("says %q, want one line with %q", text, l.says)
	}
}

// What containers lack is said in the terminal when the command begins.
func TestWhatContainersLackIsSaidInTheTerminal(t *testing.T) {
	for _, l := range lacks(t) {
		if l.late {
			continue
		}
		t.Run(l.slug, func(t *testing.T) {
			l.install(t)
			out, err := meshsim(t.Context(), nil, append([]string{"--homeserver", "synapse", "--client-ports", "0"}, l.args...)...)
			if err == nil || out != "" {
				t.Fatalf("printed %q and failed with %v", out, err)
			}
			l.check(t, err.Error())
		})
	}
}

// What a container lacks is the reason that the page shows of its server, which has failed.
func TestWhatContainersLackIsSaidInThePage(t *testing.T) {
	for _, l := range lacks(t) {
		t.Run(l.slug, func(t *testing.T) {
			l.install(t)
			p := start(t, l.args...)
			p.do("POST", "/api/v1/servers", `{"x":0,"y":0,"kind":"synapse"}`, nil)
			var server api.Server
			nodetest.Eventually(t, patient, "the server has failed", func() bool {
				p.do("GET", "/api/v1/servers/0", "", &server)
				return server.State == "failed"
			})
			l.check(t, server.Reason)
			if out, err := p.remotely("start", "hs0"); err == nil || out != "" {
				t.Errorf("started again: %q, %v", out, err)
			} else {
				l.check(t, err.Error())
			}
			if words := strings.Join(server.Log, " "); l.engine != nil && words != strings.ReplaceAll(strings.TrimSpace(l.engine.Log), "\n", " ") {
				t.Errorf("its last words are %q, want those of its log", words)
			}
			if l.engine != nil && l.late && !l.engine.Full && l.engine.Removed() == 0 {
				t.Error("its container was not removed")
			}
		})
	}
}
