//go:build linux && docker

package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"meshsim/api"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/nodetest"
)

// containerPatience is how long a container may take for what it does in its own time, on a busy machine.
const containerPatience = 5 * time.Minute

// startWithContainers runs meshsim with Synapse as the default kind. The test is skipped, with the reason, where
// containers cannot be started.
func startWithContainers(t testing.TB, args ...string) *program {
	t.Helper()
	wantsContainers(t)
	return start(t, append(args, "--homeserver", "synapse")...)
}

// wantsContainers skips a test where containers cannot be started: Debian cannot make the image every day.
func wantsContainers(t testing.TB) {
	t.Helper()
	preset, err := docker.LoadPreset("synapse")
	if err != nil {
		t.Fatal(err)
	}
	d, err := docker.New(docker.Config{Preset: preset})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Check(t.Context()); err != nil {
		t.Skipf("not tested, because: %v", err)
	}
}

// endContainers is Ctrl-C, where containers take a moment to end and are removed.
func (p *program) endContainers() {
	p.stop()
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Error(err)
		}
	case <-time.After(containerPatience):
		p.t.Error("the containers did not end")
	}
	p.done = nil
}

// add starts a server and waits until it runs.
func (p *program) add(kind string, x int) {
	p.t.Helper()
	begun := time.Now()
	var added struct{ ID int }
	p.do("POST", "/server", fmt.Sprintf(`{"x":%d,"y":0,"kind":%q}`, x, kind), &added)
	nodetest.Eventually(p.t, containerPatience, fmt.Sprintf("server %d runs", added.ID), func() bool {
		var server api.Server
		p.do("GET", fmt.Sprintf("/api/v1/servers/%d", added.ID), "", &server)
		if server.State == "failed" {
			p.t.Fatalf("server %d failed: %s\n%v", added.ID, server.Reason, server.Log)
		}
		return server.State == "running"
	})
	p.t.Logf("%s server %d runs after %v", kind, added.ID, time.Since(begun).Round(time.Millisecond))
}

// Synapse and embedded servers are in one room, whoever made it, and every message is seen on its way.
func TestSynapseAndEmbeddedInOneRoom(t *testing.T) {
	p := startWithContainers(t)
	defer p.endContainers()
	for i, kind := range []string{"synapse", "embedded", "synapse"} {
		p.add(kind, 5*i)
	}
	for creator, version := range map[int]string{0: "11", 1: "12"} {
		t.Run(fmt.Sprintf("made-by-%d-version-%s", creator, version), func(t *testing.T) {
			p.t = t
			begun := time.Now()
			room := p.room(creator, 3)
			if room.Version != version {
				t.Errorf("the room's version is %s, want %s", room.Version, version)
			}
			t.Logf("all joined after %v", time.Since(begun).Round(time.Millisecond))
			begun = time.Now()
			for id := range 3 {
				client := p.client(id)
				nodetest.Eventually(t, containerPatience, client.User+" sees all members", func() bool {
					return client.Members(t, room.ID) == 3
				})
			}
			t.Logf("all know of each other after %v", time.Since(begun).Round(time.Millisecond))
			begun = time.Now()
			p.talk(room, 3)
			t.Logf("every message everywhere after %v", time.Since(begun).Round(time.Millisecond))
		})
	}
	p.t = t
	p.commands()
}

// commands work with a server from another process.
func (p *program) commands() {
	p.t.Helper()
	for _, c := range []struct{ args, want string }{
		{"exec hs0 traceroute -4 -w 30 hs2", " 1  hs2 (10.0.0.3)"},
		{"exec --netns 0 -- ip -brief address show mesh0", "10.0.0.1/32"},
		{"exec --netns hs0 -- getent hosts hs2", "hs2"},
		{"logs hs2", "STARTING SERVER"},
		{"logs hs2", "PUT /_matrix/federation/v1/send/"},
		{"logs hs1", "m.room.message"},
		{"ping -W 1m -c 2 -i 10ms hs0 hs1", "2 answered"},
		{"ping -W 1m -c 2 -i 10ms hs1 hs2", "2 answered"},
		{"traceroute -W 1m hs2 hs0", " 1  hs0 (10.0.0.1)"},
		{"ls", "synapse"},
	} {
		out, err := p.remotely(strings.Fields(c.args)...)
		if err != nil || !strings.Contains(out, c.want) {
			p.t.Errorf("%v: %v, %q without %q", c.args, err, out, c.want)
		}
	}
	for _, c := range []struct{ args, says string }{
		{"exec hs0 false", "false ended with status 1"},
		{"exec --netns hs0 -- false", "false ended with status 1"},
		{"exec --netns hs0 -- /nonexistent", `this machine has no command "/nonexistent"`},
		{"exec hs1 true", "server hs1 is embedded"},
		{"exec hs7 true", `no server "hs7"`},
	} {
		out, err := p.remotely(strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			p.t.Errorf("%v: %v, %q; want %q", c.args, err, out, c.says)
		}
	}
	p.restartsAfterKill(2)
}

// Nothing is left of a removed server where nothing is to be kept: no container and no volume.
func TestRemovedContainersLeaveNothing(t *testing.T) {
	p := startWithContainers(t, "--keep-removed", "0s")
	defer p.endContainers()
	p.add("synapse", 0)
	containers, volumes := ownContainers(t), ownVolumes(t)
	if len(containers) != 1 || len(volumes) != 1 {
		t.Errorf("a server has containers %q and volumes %q, want one of each", containers, volumes)
	}
	p.do("DELETE", "/api/v1/servers/0", "", nil)
	nodetest.Eventually(t, containerPatience, "nothing of it is left", func() bool {
		return len(ownContainers(t))+len(ownVolumes(t)) == 0
	})
	response, err := http.Post("http://"+p.addr+"/api/v1/servers/0/restore", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusConflict {
		t.Errorf("restoring it answers %s", response.Status)
	}
}

// A container that is starting is stopped without having failed, and starts again.
func TestStartOfAContainerIsCalledOff(t *testing.T) {
	p := startWithContainers(t)
	defer p.endContainers()
	p.do("POST", "/api/v1/servers", `{"x":0,"y":0}`, nil)
	nodetest.Eventually(t, containerPatience, "its container is there", func() bool { return len(ownContainers(t)) == 1 })
	p.do("POST", "/api/v1/servers/0/stop", "", nil)
	var server api.Server
	nodetest.Eventually(t, containerPatience, "it is stopped", func() bool {
		p.do("GET", "/api/v1/servers/0", "", &server)
		return server.State == "stopped"
	})
	if left := ownContainers(t); len(left) != 0 {
		t.Errorf("containers are left: %q", left)
	}
	p.do("POST", "/api/v1/servers/0/start", "", nil)
	nodetest.Eventually(t, containerPatience, "it runs", func() bool {
		p.do("GET", "/api/v1/servers/0", "", &server)
		return server.State == "running"
	})
	p.client(0)
}

// ownContainers and ownVolumes are those of servers of this process that the engine has.
func ownContainers(t *testing.T) []string { return inEngine(t, os.Getpid(), "ps", "--all") }
func ownVolumes(t *testing.T) []string    { return inEngine(t, os.Getpid(), "volume", "ls") }

// inEngine lists what the engine has of servers of a process, as the owners' labels.
func inEngine(t *testing.T, pid int, list ...string) []string {
	t.Helper()
	list = append(list, "--filter", "label=org.meshsim.server", "--format", `{{.Label "org.meshsim.owner"}}`)
	owners := strings.Fields(succeed(t, exec.Command("docker", list...)))
	return slices.DeleteFunc(owners, func(owner string) bool { return !strings.HasPrefix(owner, fmt.Sprint(pid, "-")) })
}

// restartsAfterKill kills a server's process and has it back with its room.
func (p *program) restartsAfterKill(id int) {
	p.t.Helper()
	var rooms []api.Room
	p.do("GET", "/api/v1/rooms", "", &rooms)
	state := func() (s api.Server) {
		p.do("GET", fmt.Sprintf("/api/v1/servers/%d", id), "", &s)
		return s
	}
	if out, err := p.remotely("kill", fmt.Sprint(id)); err != nil {
		p.t.Fatalf("%q, %v", out, err)
	}
	nodetest.Eventually(p.t, containerPatience, "a killed server has failed", func() bool { return state().State == "failed" })
	if s := state(); !strings.Contains(s.Reason, "was killed, as asked") || len(s.Log) == 0 {
		p.t.Errorf("a killed server says %q and %q", s.Reason, s.Log)
	}
	if out, err := p.remotely("logs", fmt.Sprint(id)); err != nil || out == "" {
		p.t.Errorf("its last words are %q, %v", out, err)
	}
	if out, err := p.remotely("restart", fmt.Sprint(id)); err != nil {
		p.t.Fatalf("%q, %v", out, err)
	}
	nodetest.Eventually(p.t, containerPatience, "it runs again", func() bool { return state().State == "running" })
	if members := p.client(id).Members(p.t, rooms[0].ID); members != 3 {
		p.t.Errorf("its room has %d members after it came back, want 3", members)
	}
}

// client logs in at a server, through its client link.
func (p *program) client(id int) *nodetest.Client {
	p.t.Helper()
	target := &url.URL{Scheme: "http", Host: p.addr}
	c := &nodetest.Client{API: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = fmt.Sprintf("hs%d.localhost", id)
		},
		// A connection belongs to the server that its first request was for.
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
	if err := c.Login(p.t.Context(), node.AccountUser, node.AccountPassword); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// room makes a room that the first servers of the mesh are in, which join one after the other.
func (p *program) room(creator, servers int) api.Room {
	p.t.Helper()
	var room api.Room
	p.do("POST", "/api/v1/rooms", fmt.Sprintf(`{"name":"of %d","creator":%d,"members":[]}`, creator, creator), &room)
	for id := range servers {
		if id == creator {
			continue
		}
		p.do("POST", "/api/v1/rooms/"+url.PathEscape(room.ID)+"/members", fmt.Sprintf(`{"servers":[%d]}`, id), nil)
		nodetest.Eventually(p.t, containerPatience, fmt.Sprintf("server %d has joined", id), func() bool {
			var rooms []api.Room
			p.do("GET", "/api/v1/rooms", "", &rooms)
			i := slices.IndexFunc(rooms, func(r api.Room) bool { return r.ID == room.ID })
			return allJoined(p.t, rooms[i])
		})
	}
	return room
}

// talk has every server send a message, and waits until every other one has it and its way was told of.
func (p *program) talk(room api.Room, servers int) {
	p.t.Helper()
	address := "/api/v1/rooms/" + url.PathEscape(room.ID) + "/messages"
	stream := p.stream()
	defer stream.CloseNow()
	events := make(map[string]int) // sender by event
	for from := range servers {
		var message api.SentMessage
		p.do("POST", address, fmt.Sprintf(`{"server":%d,"body":"from %d"}`, from, from), &message)
		events[message.EventID] = from
	}
	type seen struct{ sent, received map[int]float64 }
	told := make(map[string]seen)
	for id := range events {
		told[id] = seen{make(map[int]float64), make(map[int]float64)}
	}
	p.frames(stream, func(f api.Frame) bool {
		all := true
		for id, s := range told {
			if f.Events != nil {
				note(f.Events, id, s.sent, s.received)
			}
			all = all && len(s.received) == servers-1
		}
		return all
	})
	for id, s := range told {
		for to, at := range s.received {
			if sent, ok := s.sent[to]; !ok || at < sent {
				p.t.Errorf("event %s from %d was sent to %d at %v ms and received at %v", id, events[id], to, sent, at)
			}
		}
	}
	for at := range servers {
		nodetest.Eventually(p.t, containerPatience, fmt.Sprintf("server %d shows all messages", at), func() bool {
			var messages []api.Message
			p.do("GET", fmt.Sprintf("%s?server=%d", address, at), "", &messages)
			found := 0
			for _, m := range messages {
				if from, ok := events[m.EventID]; ok && m.Body == fmt.Sprint("from ", from) {
					found++
				}
			}
			return found == servers
		})
	}
}
