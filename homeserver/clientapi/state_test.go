package clientapi_test

import (
	"slices"
	"testing"
)

// TestMemberByState: member events that are put as state take the way of the endpoints for them.
func TestMemberByState(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"preset": "public_chat"})
	own := statePath(room, "m.room.member", bob.user)
	for _, step := range []struct {
		who        *client
		membership string
	}{
		{bob, "join"}, {bob, "leave"}, {alice, "invite"}, {bob, "join"}, {alice, "leave"}, {alice, "ban"}, {alice, "leave"},
	} {
		id := step.who.must("PUT", own, object{"membership": step.membership, "displayname": "B"})["event_id"]
		event := alice.must("GET", own+"?format=event", nil)
		if event["event_id"] != id || dig(event, "content", "membership") != step.membership {
			t.Errorf("after %s: %v, want event %v", step.membership, event, id)
		}
	}
	bob.refused("PUT", own, object{"membership": 7}, 400, "M_BAD_JSON")
	bob.refused("PUT", own, object{}, 403, "M_FORBIDDEN")
}

func TestMemberByStateOverFederation(t *testing.T) {
	_, alice, bob := federated(t)
	room := alice.createRoom(object{})
	path := statePath(room, "m.room.member", bob.user)
	alice.must("PUT", path, object{"membership": "invite"})
	bob.must("PUT", path, object{"membership": "join"})
	if got := bob.must("GET", path, nil)["membership"]; got != "join" {
		t.Errorf("bob has the membership %v", got)
	}
}

func TestRedactionSentAsMessage(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{"room_version": "11"})
	id := alice.say(room, "regrettable")
	path := "/v3/rooms/" + esc(room) + "/send/m.room.redaction/r1"
	alice.must("PUT", path, object{"redacts": id})
	event := alice.must("GET", "/v3/rooms/"+esc(room)+"/event/"+esc(id), nil)
	if len(event["content"].(object)) != 0 {
		t.Errorf("not redacted: %v", event)
	}
}

func TestContainsURL(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{})
	alice.must("PUT", "/v3/rooms/"+esc(room)+"/send/m.room.message/i", object{"body": "picture", "url": "mxc://hs0/a"})
	alice.say(room, "text")
	for filter, want := range map[string][]string{
		`{"contains_url":true}`:                                     {"picture"},
		`{"contains_url":false,"types":["m.room.message"]}`:         {"text"},
		`{"types":["m.room.message"],"senders":["@alice:hs0"]}`:     {"text", "picture"},
		`{"types":["m.room.message"],"not_rooms":["` + room + `"]}`: nil,
		`{"not_types":["m.room.*"]}`:                                nil,
		`{"senders":[]}`:                                            nil,
	} {
		page := alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=b&limit=50&filter="+esc(filter), nil)
		if got := bodies(list(page, "chunk")); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
}

func TestCanonicalAliasKeepsOldOnes(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room, other := alice.createRoom(object{"room_alias_name": "one"}), alice.createRoom(object{"room_alias_name": "two"})
	path := statePath(room, "m.room.canonical_alias", "")
	alice.must("DELETE", "/v3/directory/room/"+esc("#one:hs0"), nil)
	alice.must("PUT", path, object{"alias": "#one:hs0"}) // was there before: not looked at again
	alice.refused("PUT", path, object{"alias": "#one:hs0", "alt_aliases": []string{"#two:hs0"}}, 400, "M_BAD_ALIAS")
	alice.refused("PUT", path, object{"alias": 1}, 400, "M_BAD_JSON")
	alice.must("PUT", statePath(other, "m.room.canonical_alias", ""), object{"alt_aliases": []string{"#two:hs0"}})
}

func TestReadMarkers(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	base := "/v3/rooms/" + esc(room)
	id := alice.say(room, "x")
	alice.must("POST", base+"/receipt/m.fully_read/"+esc(id), object{})
	if got := alice.must("GET", "/v3/user/"+esc(alice.user)+"/rooms/"+esc(room)+"/account_data/m.fully_read", nil)["event_id"]; got != id {
		t.Errorf("m.fully_read: %v", got)
	}
	alice.must("POST", base+"/receipt/m.read/"+esc(id), object{"thread_id": "main"})
	alice.must("POST", base+"/read_markers", object{})
	receipt := dig(alice.sync(""), "rooms", "join", room, "ephemeral", "events", "0", "content", id, "m.read", alice.user)
	if dig(receipt, "thread_id") != "main" {
		t.Errorf("a receipt in a thread: %v", receipt)
	}
	alice.refused("POST", base+"/read_markers", object{"m.read": "$none"}, 404, "M_NOT_FOUND")
	alice.refused("POST", base+"/read_markers", object{"m.read": 1}, 400, "M_BAD_JSON")
	bob.refused("POST", base+"/read_markers", object{"m.read": id}, 403, "M_FORBIDDEN")
	bob.refused("POST", base+"/receipt/m.read/"+esc(id), object{}, 403, "M_FORBIDDEN")
}

func TestSearchUsersOfOtherServers(t *testing.T) {
	_, alice, bob := federated(t)
	room := alice.createRoom(object{"preset": "public_chat"})
	bob.must("POST", "/v3/join/"+esc(room)+"?server_name=hs0", nil)
	found := list(bob.must("POST", "/v3/user_directory/search", object{"search_term": "ali", "limit": 5}), "results")
	if len(found) != 1 || found[0]["user_id"] != alice.user || found[0]["display_name"] != "alice" {
		t.Errorf("found %v", found)
	}
	none := bob.must("POST", "/v3/user_directory/search", object{"search_term": "", "limit": 0})
	if none["limited"] != true || len(none["results"].([]any)) != 0 {
		t.Errorf("limit 0: %v", none)
	}
	bob.refused("POST", "/v3/user_directory/search", object{}, 400, "M_MISSING_PARAM")
}
