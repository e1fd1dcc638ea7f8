package api

import (
	"net/http"
	"net/url"
	"testing"
)

func TestChatterIsSetAndShown(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	var room Room
	h.must("POST", "/api/v1/rooms", `{"creator":0}`, &room)
	path := "/api/v1/rooms/" + url.PathEscape(room.ID) + "/chatter"
	var chatter Chatter
	h.must("PUT", path, `{"per_second":0.5}`, &chatter)
	if chatter.PerSecond != 0.5 {
		t.Errorf("answered %+v", chatter)
	}
	var rooms []Room
	h.must("GET", "/api/v1/rooms", "", &rooms)
	if len(rooms) != 1 || rooms[0].ChatterPerSecond != 0.5 {
		t.Errorf("rooms: %+v", rooms)
	}
	for _, body := range []string{`{"per_second":-1}`, `{"per_second":201}`, `{"per_second":0.0001}`, `{}`} {
		if status, answer := h.request("PUT", path, body); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	h.must("PUT", path, `{"per_second":0}`, &chatter)
	h.must("GET", path, "", &chatter)
	if chatter.PerSecond != 0 {
		t.Errorf("it goes on: %+v", chatter)
	}
	if status, _ := h.request("GET", "/api/v1/rooms/!none/chatter", ""); status != http.StatusNotFound {
		t.Errorf("chatter of no room: %d", status)
	}
}
