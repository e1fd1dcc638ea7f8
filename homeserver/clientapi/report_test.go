package clientapi_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"meshsim/homeserver"
)

func TestReports(t *testing.T) {
	var log bytes.Buffer
	server, api := serve(t, homeserver.Config{Name: "hs0", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	event := alice.say(room, "rude")
	alice.must("POST", "/v3/rooms/"+esc(room)+"/report", object{"reason": "of the room"})
	alice.must("POST", "/v3/rooms/"+esc(room)+"/report/"+esc(event), object{"reason": "of the event"})
	alice.must("POST", "/v3/users/"+esc(bob.user)+"/report", object{"reason": "of the user"})
	for _, what := range []string{"of the room", "of the event", "of the user"} {
		if !strings.Contains(log.String(), what) {
			t.Errorf("the report %s is not noted: %s", what, &log)
		}
	}
	bob.refused("POST", "/v3/rooms/"+esc(room)+"/report/"+esc(event), object{"reason": "x"}, 404, "M_NOT_FOUND")
	alice.refused("POST", "/v3/rooms/"+esc(room)+"/report/$none", object{"reason": "x"}, 404, "M_NOT_FOUND")
	alice.refused("POST", "/v3/rooms/!none:hs0/report", object{"reason": "x"}, 404, "M_NOT_FOUND")
	alice.refused("POST", "/v3/users/@nobody:hs0/report", object{"reason": "x"}, 404, "M_NOT_FOUND")
	alice.refused("POST", "/v3/users/nobody/report", object{"reason": "x"}, 400, "M_INVALID_PARAM")
	alice.refused("POST", "/v3/users/@a:hs9/report", object{"reason": strings.Repeat("x", 2001)}, 400, "M_INVALID_PARAM")
}
