package main

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meshsim/api"
	"meshsim/node/nodetest"
)

// TestDataSurvivesARestart: with --data, servers that were stopped and started, and removed and restored, have their rooms
// in the next run of meshsim, too, with all that was said; and they go on talking.
func TestDataSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--data", filepath.Join(dir, "data"), filepath.Join(dir, "mesh.yaml")}
	p := start(t, args...)
	for i := range 3 {
		p.do("POST", "/server", fmt.Sprintf(`{"x":%d,"y":0}`, 5*i), nil)
	}
	var room api.Room
	p.do("POST", "/api/v1/rooms", `{"name":"lobby","creator":1,"members":[0,2]}`, &room)
	p.joined(room.ID)
	p.say(room.ID, 0, "before", 3)
	p.do("POST", "/api/v1/servers/1/stop", "", nil)
	p.becomes(1, "stopped")
	p.do("POST", "/api/v1/servers/1/start", "", nil)
	p.becomes(1, "running")
	p.do("DELETE", "/api/v1/servers/2", "", nil)
	p.do("POST", "/api/v1/servers/2/restore", "", nil)
	p.becomes(2, "running")
	p.say(room.ID, 2, "between", 3)
	p.end()

	p = start(t, args...)
	p.joined(room.ID)
	var rooms []api.Room
	p.do("GET", "/api/v1/rooms", "", &rooms)
	if len(rooms) != 1 || rooms[0].Name != "lobby" || rooms[0].Version != room.Version || rooms[0].Creator != 1 {
		t.Errorf("after the restart the rooms are %+v", rooms)
	}
	for server := range 3 {
		if texts := p.texts(room.ID, server); !slices.Equal(texts, []string{"before", "between"}) {
			t.Errorf("after the restart server %d has %q", server, texts)
		}
	}
	p.say(room.ID, 1, "after", 3)
}

// TestForgottenServersDisturbNobody: the others go on talking when the data of a removed server is deleted while they run,
// and are whole in the next run.
func TestForgottenServersDisturbNobody(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--keep-removed", "0s", "--data", filepath.Join(dir, "data"), filepath.Join(dir, "mesh.yaml")}
	p := start(t, args...)
	for i := range 3 {
		p.do("POST", "/server", fmt.Sprintf(`{"x":%d,"y":0}`, 5*i), nil)
	}
	var room api.Room
	p.do("POST", "/api/v1/rooms", `{"creator":0,"members":[1,2]}`, &room)
	p.joined(room.ID)
	p.say(room.ID, 2, "before", 3)
	p.do("DELETE", "/api/v1/servers/2", "", nil)
	p.becomes(2, "gone")
	response, err := http.Post("http://"+p.addr+"/api/v1/servers/2/restore", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusConflict {
		t.Errorf("restoring it answers %s", response.Status)
	}
	p.say(room.ID, 0, "between", 2)
	p.end()
	p = start(t, args...)
	for server := range 2 {
		p.becomes(server, "running")
	}
	nodetest.Eventually(t, patient, "both of the room are there again", func() bool {
		var rooms []api.Room
		p.do("GET", "/api/v1/rooms", "", &rooms)
		return len(rooms) == 1 && len(rooms[0].Members) >= 2
	})
	p.say(room.ID, 1, "after", 2)
}

// TestDataIsUsedOnce: a second meshsim on the same data is told so.
func TestDataIsUsedOnce(t *testing.T) {
	dir := t.TempDir()
	start(t, "--data", dir)
	_, err := meshsim(t.Context(), nil, "--listen", "127.0.0.1:0", "--data", dir)
	if err == nil || !strings.Contains(err.Error(), "in use by another meshsim") {
		t.Errorf("the second meshsim says: %v", err)
	}
}

// TestOwnWork: servers that share nothing talk to each other all the same, and are kept and brought back.
func TestOwnWork(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--own-work", "--data", filepath.Join(dir, "data"), filepath.Join(dir, "mesh.yaml")}
	p := start(t, args...)
	for i := range 3 {
		p.do("POST", "/server", fmt.Sprintf(`{"x":%d,"y":0}`, 5*i), nil)
	}
	var room api.Room
	p.do("POST", "/api/v1/rooms", `{"creator":0,"members":[1,2]}`, &room)
	p.joined(room.ID)
	p.say(room.ID, 1, "each by itself", 3)
	p.end()
	p = start(t, args...)
	p.joined(room.ID)
	p.say(room.ID, 2, "and again", 3)
}

// patient is how long what happens soon may take on a machine that is overloaded.
const patient = time.Minute

func (p *program) becomes(server int, state string) {
	p.t.Helper()
	nodetest.Eventually(p.t, patient, fmt.Sprintf("server %d is %s", server, state), func() bool {
		var now api.Server
		p.do("GET", fmt.Sprintf("/api/v1/servers/%d", server), "", &now)
		return string(now.State) == state
	})
}

// joined waits until three servers have joined a room.
func (p *program) joined(id string) {
	p.t.Helper()
	nodetest.Eventually(p.t, patient, "all have joined", func() bool {
		var rooms []api.Room
		p.do("GET", "/api/v1/rooms", "", &rooms)
		i := slices.IndexFunc(rooms, func(r api.Room) bool { return r.ID == id })
		return i >= 0 && len(rooms[i].Members) == 3 && allJoined(p.t, rooms[i])
	})
}

// say sends a message and waits until the first servers have it.
func (p *program) say(room string, from int, text string, servers int) {
	p.t.Helper()
	p.do("POST", "/api/v1/rooms/"+url.PathEscape(room)+"/messages", fmt.Sprintf(`{"server":%d,"body":%q}`, from, text), nil)
	for server := range servers {
		nodetest.Eventually(p.t, patient, fmt.Sprintf("server %d has %q", server, text), func() bool {
			return slices.Contains(p.texts(room, server), text)
		})
	}
}

func (p *program) texts(room string, server int) (texts []string) {
	p.t.Helper()
	var messages []api.Message
	p.do(http.MethodGet, fmt.Sprintf("/api/v1/rooms/%s/messages?server=%d", url.PathEscape(room), server), "", &messages)
	for _, m := range messages {
		if m.Type == "m.room.message" {
			texts = append(texts, m.Body)
		}
	}
	return texts
}
