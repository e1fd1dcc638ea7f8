package clientapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestKnockOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		room := alice.createRoom(object{
			"name":          "Club",
			"initial_state": []object{{"type": "m.room.join_rules", "content": object{"join_rule": "knock"}}},
		})
		membership := func() any {
			synctest.Wait()
			return alice.must("GET", statePath(room, "m.room.member", bob.user), nil)["membership"]
		}
		since := bob.newest()
		knock := func() { bob.must("POST", "/v3/knock/"+esc(room)+"?via=hs0", object{"reason": "please"}) }
		knock()
		if got := membership(); got != "knock" {
			t.Fatalf("bob's membership is %v", got)
		}
		state := list(bob.sync("since="+since), "rooms", "knock", room, "knock_state", "events")
		if !slices.ContainsFunc(state, func(e object) bool { return dig(e, "content", "name") == "Club" }) {
			t.Errorf("bob does not see where he knocked: %v", state)
		}
		bob.must("POST", "/v3/rooms/"+esc(room)+"/leave", nil)
		if got := membership(); got != "leave" {
			t.Errorf("after taking the knock back: %v", got)
		}
		knock()
		since = bob.newest()
		alice.must("POST", "/v3/rooms/"+esc(room)+"/kick", object{"user_id": bob.user})
		synctest.Wait()
		if got := dig(bob.sync("since="+since), "rooms", "leave", room); got == nil {
			t.Error("bob does not learn that he was refused")
		}
		knock()
		alice.must("POST", "/v3/rooms/"+esc(room)+"/invite", object{"user_id": bob.user})
		bob.must("POST", "/v3/join/"+esc(room), nil)
		if got := membership(); got != "join" {
			t.Errorf("after the invite: %v", got)
		}
		closed := alice.createRoom(object{})
		bob.refused("POST", "/v3/knock/"+esc(closed)+"?via=hs0", nil, 403, "M_FORBIDDEN")
		bob.refused("POST", "/v3/knock/"+esc("!none"), nil, 404, "M_NOT_FOUND")
	})
}

func TestPublicRoomsOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob := federated(t)
		for i := range 3 {
			alice.createRoom(object{"visibility": "public", "preset": "public_chat", "name": fmt.Sprint("room ", i)})
		}
		alice.createRoom(object{
			"visibility": "public", "preset": "public_chat", "name": "space", "creation_content": object{"type": "m.space"},
		})
		page := bob.must("GET", "/v3/publicRooms?server=hs0&limit=3", nil)
		if len(list(page, "chunk")) != 3 || page["total_room_count_estimate"] != 4.0 {
			t.Fatalf("the first page: %v", page)
		}
		rest := bob.must("GET", "/v3/publicRooms?server=hs0&limit=3&since="+page["next_batch"].(string), nil)
		if len(list(rest, "chunk")) != 1 {
			t.Errorf("the second page: %v", rest)
		}
		found := bob.must("POST", "/v3/publicRooms?server=hs0", object{"filter": object{"generic_search_term": "ROOM 1"}})
		if rooms := list(found, "chunk"); len(rooms) != 1 || rooms[0]["name"] != "room 1" {
			t.Errorf("found: %v", found)
		}
		spaces := bob.must("POST", "/v3/publicRooms?server=hs0", object{"filter": object{"room_types": []any{"m.space"}}})
		plain := bob.must("POST", "/v3/publicRooms?server=hs0", object{"filter": object{"room_types": []any{nil}}})
		if len(list(spaces, "chunk")) != 1 || len(list(plain, "chunk")) != 3 {
			t.Errorf("%d spaces and %d others", len(list(spaces, "chunk")), len(list(plain, "chunk")))
		}
		net.part(true)
		bob.refused("GET", "/v3/publicRooms?server=hs0", nil, 502, "M_UNKNOWN")
	})
}

// TestHierarchyOverFederation: a space of one server has rooms of both, a space within it, and a private room.
func TestHierarchyOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		create := func(who *client, name, kind, preset string) string {
			body := object{"name": name, "preset": preset}
			if kind != "" {
				body["creation_content"] = object{"type": kind}
			}
			return who.createRoom(body)
		}
		space := create(alice, "space", "m.space", "public_chat")
		inner := create(alice, "inner", "m.space", "public_chat")
		link := func(from, to, order string, via ...string) {
			alice.setState(from, "m.space.child", to, object{"via": via, "order": order, "suggested": order == "a"})
		}
		link(space, create(alice, "third", "", "public_chat"), "", "hs0")
		link(space, inner, "a", "hs0")
		link(space, create(bob, "second", "", "public_chat"), "b", "hs1")
		link(space, create(alice, "private", "", "private_chat"), "c", "hs0")
		link(inner, create(alice, "deep", "", "public_chat"), "", "hs0")
		link(inner, space, "", "hs0")                // a circle
		link(space, create(bob, "gone", "", ""), "") // a link that was taken away

		names := func(who *client, query string) []string {
			t.Helper()
			var names []string
			for _, room := range list(who.must("GET", "/v1/rooms/"+esc(space)+"/hierarchy?"+query, nil), "rooms") {
				names = append(names, room["name"].(string))
			}
			return names
		}
		if got := names(alice, ""); !slices.Equal(got, []string{"space", "inner", "deep", "second", "private", "third"}) {
			t.Errorf("alice sees %q", got)
		}
		if got := names(alice, "suggested_only=true"); !slices.Equal(got, []string{"space", "inner"}) {
			t.Errorf("suggested: %q", got)
		}
		if got := names(alice, "max_depth=1&limit=2"); !slices.Equal(got, []string{"space", "inner"}) {
			t.Errorf("the first two: %q", got)
		}
		if got := names(alice, "max_depth=1&limit=2&from=2"); !slices.Equal(got, []string{"second", "private"}) {
			t.Errorf("the next two: %q", got)
		}
		bob.refused("GET", "/v1/rooms/"+esc(space)+"/hierarchy", nil, 403, "M_FORBIDDEN") // bob's server does not know it
		outer := create(bob, "outer", "m.space", "public_chat")
		bob.setState(outer, "m.space.child", space, object{"via": []string{"hs0"}})
		space = outer
		if got := names(bob, ""); !slices.Equal(got, []string{"outer", "space", "inner", "deep", "second", "third"}) {
			t.Errorf("bob sees %q", got)
		}
	})
}

func TestTimestampToEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		room := alice.createRoom(object{"preset": "public_chat"})
		time.Sleep(time.Hour)
		early := time.Now().UnixMilli()
		first := alice.say(room, "one")
		time.Sleep(time.Hour)
		second := alice.say(room, "two")
		time.Sleep(time.Hour)
		bob.must("POST", "/v3/join/"+esc(room)+"?via=hs0", nil)
		at := func(who *client, dir string, ms int64) any {
			_, answer := who.do("GET", fmt.Sprintf("/v1/rooms/%s/timestamp_to_event?dir=%s&ts=%d", esc(room), dir, ms), nil)
			return answer["event_id"]
		}
		if got := at(alice, "f", early); got != first {
			t.Errorf("at the time: %v, want %v", got, first)
		}
		if got := at(alice, "f", early+1); got != second {
			t.Errorf("after it: %v, want %v", got, second)
		}
		if got := at(alice, "b", early+1); got != first {
			t.Errorf("before that: %v, want %v", got, first)
		}
		if got := at(alice, "f", time.Now().Add(time.Hour).UnixMilli()); got != nil {
			t.Errorf("in the future: %v", got)
		}
		if got := at(bob, "b", early+1); got != first {
			t.Errorf("bob, whose server was not there: %v, want %v", got, first)
		}
		alice.refused("GET", "/v1/rooms/"+esc(room)+"/timestamp_to_event?ts=x&dir=f", nil, 400, "M_INVALID_PARAM")
		alice.refused("GET", "/v1/rooms/"+esc(room)+"/timestamp_to_event?ts=1", nil, 400, "M_INVALID_PARAM")
	})
}

func TestOpenID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob := federated(t)
		token := alice.must("POST", "/v3/user/"+esc(alice.user)+"/openid/request_token", nil)["access_token"].(string)
		alice.refused("POST", "/v3/user/"+esc(bob.user)+"/openid/request_token", nil, 403, "M_FORBIDDEN")
		ask := func(token string) (int, string) {
			recorder := httptest.NewRecorder()
			net.peers["hs0"].Handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/_matrix/federation/v1/openid/userinfo?access_token="+token, nil))
			return recorder.Code, recorder.Body.String()
		}
		if status, body := ask(token); status != http.StatusOK || body != `{"sub":"`+alice.user+`"}` {
			t.Errorf("the user of the token: %d %s", status, body)
		}
		time.Sleep(2 * time.Hour)
		for _, worthless := range []string{token, "", "x"} {
			if status, body := ask(worthless); status != http.StatusUnauthorized {
				t.Errorf("the user of a token that is worth nothing: %d %s", status, body)
			}
		}
	})
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, api := newServer(t, "hs0")
		alice := newClient(t, server, api, "alice")
		made := alice.must("POST", "/v3/login", object{
			"type": "m.login.password", "user": "alice", "password": "secret", "refresh_token": true,
		})
		alice.token = made["access_token"].(string)
		alice.must("GET", "/v3/account/whoami", nil)
		time.Sleep(time.Duration(made["expires_in_ms"].(float64)) * time.Millisecond)
		if status, failure := alice.do("GET", "/v3/account/whoami", nil); status != 401 || failure["soft_logout"] != true {
			t.Errorf("with an expired token: %d %v", status, failure)
		}
		refresh := object{"refresh_token": made["refresh_token"]}
		next := alice.must("POST", "/v3/refresh", refresh)
		alice.refused("POST", "/v3/refresh", refresh, 401, "M_UNKNOWN_TOKEN")
		alice.token = next["access_token"].(string)
		if got := alice.must("GET", "/v3/account/whoami", nil)["device_id"]; got != made["device_id"] {
			t.Errorf("the device is %v, not %v", got, made["device_id"])
		}
		alice.must("POST", "/v3/logout", nil)
		alice.refused("POST", "/v3/refresh", object{"refresh_token": next["refresh_token"]}, 401, "M_UNKNOWN_TOKEN")
	})
}

func TestTags(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{})
	base := "/v3/user/" + esc(alice.user) + "/rooms/" + esc(room) + "/tags"
	if got := alice.must("GET", base, nil); len(got["tags"].(object)) != 0 {
		t.Errorf("no tags: %v", got)
	}
	since := alice.newest()
	alice.must("PUT", base+"/m.favourite", object{"order": 0.5})
	alice.must("PUT", base+"/u.work", object{})
	alice.must("DELETE", base+"/u.work", nil)
	if got := alice.must("GET", base, nil)["tags"].(object); len(got) != 1 || dig(got, "m.favourite", "order") != 0.5 {
		t.Errorf("tags: %v", got)
	}
	events := list(alice.sync("since="+since), "rooms", "join", room, "account_data", "events")
	if len(events) != 1 || events[0]["type"] != "m.tag" {
		t.Errorf("the sync says %v", events)
	}
}
