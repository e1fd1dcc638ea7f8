package clientapi_test

import (
	"strings"
	"testing"
)

// Fields with names of their own are kept as they are, beside the name and the picture, and end with their removal.
func TestProfileFields(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	at := "/v3/profile/" + esc(alice.user)
	alice.must("PUT", at+"/m.tz", object{"m.tz": "Europe/London"})
	alice.must("PUT", at+"/org.example.deep", object{"org.example.deep": object{"a": []any{1.0, nil}}})
	alice.must("PUT", at+"/displayname", object{"displayname": "A"})
	whole := bob.must("GET", at, nil)
	if whole["m.tz"] != "Europe/London" || whole["displayname"] != "A" || dig(whole, "org.example.deep", "a", "0") != 1.0 {
		t.Errorf("the profile is %v", whole)
	}
	if one := bob.must("GET", at+"/m.tz", nil); len(one) != 1 || one["m.tz"] != "Europe/London" {
		t.Errorf("the field is %v", one)
	}
	alice.must("DELETE", at+"/m.tz", nil)
	alice.must("DELETE", at+"/m.tz", nil)
	alice.must("DELETE", at+"/displayname", nil)
	bob.refused("GET", at+"/m.tz", nil, 404, "M_NOT_FOUND")
	bob.refused("GET", at+"/displayname", nil, 404, "M_NOT_FOUND")

	bob.refused("PUT", at+"/m.tz", object{"m.tz": "x"}, 403, "M_FORBIDDEN")
	bob.refused("DELETE", at+"/m.tz", nil, 403, "M_FORBIDDEN")
	alice.refused("PUT", at+"/m.tz", object{"other": "x"}, 400, "M_MISSING_PARAM")
	alice.refused("PUT", at+"/Upper", object{"Upper": "x"}, 400, "M_INVALID_PARAM")
	alice.refused("PUT", at+"/displayname", object{"displayname": 7}, 400, "M_BAD_JSON")
	alice.refused("PUT", at+"/displayname", object{"displayname": strings.Repeat("x", 1025)}, 400, "M_INVALID_PARAM")
	long := strings.Repeat("x", 256)
	alice.refused("PUT", at+"/"+long, object{long: "x"}, 400, "M_KEY_TOO_LARGE")
	alice.refused("PUT", at+"/large", object{"large": strings.Repeat("x", 64<<10)}, 400, "M_PROFILE_TOO_LARGE")
	if whole := bob.must("GET", at, nil); len(whole) != 1 {
		t.Errorf("what was refused has changed the profile: %v", whole)
	}
}

// The name and the picture, and nothing else, are told to the rooms.
func TestProfileFieldsAndRooms(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{})
	member := "/v3/rooms/" + esc(room) + "/state/m.room.member/" + esc(alice.user) + "?format=event"
	before := alice.must("GET", member, nil)["event_id"]
	alice.must("PUT", "/v3/profile/"+esc(alice.user)+"/m.tz", object{"m.tz": "UTC"})
	if alice.must("GET", member, nil)["event_id"] != before {
		t.Error("the room was told of a time zone")
	}
	alice.must("PUT", "/v3/profile/"+esc(alice.user)+"/displayname", object{"displayname": "B"})
	if got := dig(alice.must("GET", member, nil), "content", "displayname"); got != "B" {
		t.Errorf("the room calls alice %v", got)
	}
}
