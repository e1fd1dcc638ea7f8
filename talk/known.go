package talk

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// Recall adds the rooms that a server's account is in already, and the server as a member of each: they were made in an
// earlier run, by a mesh whose homeservers keep what they do. The creator of a room is, until its own server is recalled,
// the first server that was.
func (t *Talk) Recall(ctx context.Context, server int) error {
	var in struct {
		Rooms []string `json:"joined_rooms"`
	}
	err := t.accounts.ask(ctx, call{
		server: server,
		what:   "for its rooms",
		method: http.MethodGet,
		path:   "/_matrix/client/v3/joined_rooms",
	}, &in)
	if err != nil {
		return err
	}
	slices.Sort(in.Rooms)
	for _, id := range in.Rooms {
		if err := t.recall(ctx, id, server); err != nil {
			return err
		}
	}
	return nil
}

// recall adds one room or a member of one.
func (t *Talk) recall(ctx context.Context, id string, server int) error {
	known, err := t.Room(id)
	if err == nil && slices.Contains(known.Members, Member{Server: server, State: Joined}) {
		return nil // made in this run
	}
	var state []stateEvent
	err = t.accounts.ask(ctx, call{
		server: server,
		what:   "for the state of a room",
		method: http.MethodGet,
		path:   roomPath(id) + "/state",
	}, &state)
	if err != nil {
		return err
	}
	room := &Room{ID: id, Creator: server}
	made := false
	for _, e := range state {
		made = room.read(e, t.name(server)) || made
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.indexLocked(id)
	if i < 0 {
		t.rooms = append(t.rooms, room)
	} else if made {
		next := *t.rooms[i]
		next.Creator = server
		t.rooms[i] = &next
	}
	t.setLocked(t.rooms[t.indexLocked(id)], []Member{{Server: server, State: Joined}})
	return nil
}

func (t *Talk) name(server int) string {
	name, _ := t.servers.Name(server)
	return name
}

// stateEvent is a state event as clients get it.
type stateEvent struct {
	Type    string          `json:"type"`
	Key     string          `json:"state_key"`
	Sender  string          `json:"sender"`
	Content json.RawMessage `json:"content"`
}

// read takes what an event says about the room, and whether it was made on a server with this name.
func (r *Room) read(e stateEvent, name string) (made bool) {
	if e.Key != "" || e.Type != "m.room.create" && e.Type != "m.room.name" {
		return false
	}
	content := struct {
		Name    string `json:"name"`
		Version string `json:"room_version"`
	}{Version: "1"}
	if json.Unmarshal(e.Content, &content) != nil {
		return false // whoever sent it: the room has no name
	}
	if e.Type == "m.room.name" {
		r.Name = content.Name
		return false
	}
	r.Version = content.Version
	_, server, _ := strings.Cut(e.Sender, ":")
	return server == name
}
