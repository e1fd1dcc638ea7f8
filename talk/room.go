package talk

import (
	"context"
	"net/http"
	"slices"
)

// State is how far a server has come on its way into a room.
type State string

// The states of a member. Joined says that the server let its account in; whether that has left again, as a client of
// its own, is not followed.
const (
	Joining State = "joining"
	Joined  State = "joined"
	Failed  State = "failed"
)

// Member is one server's place in a room.
type Member struct {
	Server int
	State  State
	Reason string // of Failed: one sentence
}

// Room is a room that was made here. It is immutable.
type Room struct {
	ID      string
	Name    string
	Version string
	Creator int
	Members []Member // the creator first, then in the order they were asked
	Chatter float64  // messages a second that the members say by themselves; 0 is silence
}

// NewRoom says which room to make.
type NewRoom struct {
	Name    string // may be empty
	Version string // empty is the creator's default
	Creator int
	Members []int // servers that join it at once
}

// Create makes a public room on the creator's server and returns once it exists; the members join after
// that, side by side. Whoever looks at the rooms sees it with all of them from the beginning.
func (t *Talk) Create(ctx context.Context, wanted NewRoom) (*Room, error) {
	if err := t.checkServers(wanted.Members); err != nil {
		return nil, err
	}
	body := map[string]any{"preset": "public_chat"}
	if wanted.Name != "" {
		body["name"] = wanted.Name
	}
	if wanted.Version != "" {
		body["room_version"] = wanted.Version
	}
	var answer struct {
		RoomID string `json:"room_id"`
	}
	err := t.accounts.ask(ctx, call{
		server: wanted.Creator,
		what:   "to make a room",
		method: http.MethodPost,
		path:   "/_matrix/client/v3/createRoom",
		body:   body,
	}, &answer)
	if err != nil {
		return nil, err
	}
	room := &Room{
		ID:      answer.RoomID,
		Name:    wanted.Name,
		Version: t.version(ctx, wanted.Creator, answer.RoomID),
		Creator: wanted.Creator,
		Members: []Member{{Server: wanted.Creator, State: Joined}},
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addLocked(room)
	return t.joinLocked(room, wanted.Members), nil
}

// version reads a room's version from its create event (room_version, "1" where it is absent).
func (t *Talk) version(ctx context.Context, server int, room string) string {
	content := struct {
		Version string `json:"room_version"`
	}{Version: "1"}
	err := t.accounts.ask(ctx, call{
		server: server,
		what:   "to show the room's version",
		method: http.MethodGet,
		path:   roomPath(room) + "/state/m.room.create/",
	}, &content)
	if err != nil {
		return "" // the room exists all the same
	}
	return content.Version
}

func (t *Talk) checkServers(ids []int) error {
	for _, id := range ids {
		if _, ok := t.servers.Name(id); !ok {
			return &UnknownServerError{Server: id}
		}
	}
	return nil
}

func (t *Talk) addLocked(room *Room) {
	if i := t.indexLocked(room.ID); i >= 0 {
		t.rooms[i] = room // it was recalled before its maker came to this
	} else {
		t.rooms = append(t.rooms, room)
	}
	t.notifyLocked()
}

// setLocked replaces the states of members of a room, adding those that are new.
func (t *Talk) setLocked(room *Room, changes []Member) *Room {
	next := *room
	next.Members = slices.Clone(room.Members)
	for _, change := range changes {
		i := memberIndex(next.Members, change.Server)
		if i < 0 {
			next.Members = append(next.Members, change)
			continue
		}
		next.Members[i] = change
	}
	t.rooms[t.indexLocked(room.ID)] = &next
	t.notifyLocked()
	return &next
}

func memberIndex(members []Member, server int) int {
	return slices.IndexFunc(members, func(m Member) bool { return m.Server == server })
}
