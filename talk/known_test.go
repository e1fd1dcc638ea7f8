package talk

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keptServers are homeservers whose accounts are in a room from before.
type keptServers struct{ *fakeServers }

func (k keptServers) Client(id int) (http.Handler, error) {
	client, err := k.fakeServers.Client(id)
	mux := http.NewServeMux()
	mux.Handle("/", client)
	mux.HandleFunc("GET /_matrix/client/v3/joined_rooms", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"joined_rooms":["!old"]}`) })
	mux.HandleFunc("GET /_matrix/client/v3/rooms/{room}/state", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `[{"type":"m.room.name","state_key":"","sender":"@matthew:hs0","content":{"name":"old"}},
			{"type":"m.room.create","state_key":"","sender":"@matthew:hs1","content":{"room_version":"11"}},
			{"type":"m.room.name","state_key":"x","sender":"@matthew:hs0","content":{"name":"not this"}}]`)
	})
	return mux, err
}

// TestRecall: rooms of an earlier run are there again, with the servers that are in them, in the order of their recall.
func TestRecall(t *testing.T) {
	talk := New(Config{Servers: keptServers{newFakeServers(3)}, User: "matthew", Password: "secret"})
	defer talk.Close()
	changed := talk.Changed()
	for _, server := range []int{2, 1, 0, 1} {
		if err := talk.Recall(t.Context(), server); err != nil {
			t.Fatal(err)
		}
	}
	want := []*Room{{ID: "!old", Name: "old", Version: "11", Creator: 1, Members: []Member{
		{Server: 2, State: Joined}, {Server: 1, State: Joined}, {Server: 0, State: Joined},
	}}}
	if diff := cmp.Diff(want, talk.Rooms()); diff != "" {
		t.Error(diff)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
}
