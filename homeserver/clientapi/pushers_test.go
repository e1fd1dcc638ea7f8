package clientapi_test

import (
	"fmt"
	"testing"
)

func pusher(app, key string, more object) object {
	p := object{
		"kind": "http", "app_id": app, "pushkey": key, "app_display_name": "App", "device_display_name": "Phone", "lang": "en",
		"data": object{"url": "https://push.example/_matrix/push/v1/notify"},
	}
	for name, value := range more {
		p[name] = value
	}
	return p
}

func TestPushers(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	count := func(c *client) int { return len(list(c.must("GET", "/v3/pushers", nil), "pushers")) }
	alice.must("POST", "/v3/pushers/set", pusher("app", "1", nil))
	alice.must("POST", "/v3/pushers/set", pusher("app", "1", object{"lang": "de"}))
	alice.must("POST", "/v3/pushers/set", pusher("app", "2", nil))
	got := list(alice.must("GET", "/v3/pushers", nil), "pushers")
	if len(got) != 2 || got[0]["lang"] != "de" || dig(got[0], "data", "url") == nil {
		t.Errorf("the pushers are %v", got)
	}
	bob.must("POST", "/v3/pushers/set", pusher("app", "1", object{"append": true}))
	if count(alice) != 2 || count(bob) != 1 {
		t.Error("a pusher that is to be added took the other user's away")
	}
	bob.must("POST", "/v3/pushers/set", pusher("app", "1", nil))
	if count(alice) != 1 || count(bob) != 1 {
		t.Error("a pusher belongs to two users")
	}
	bob.must("POST", "/v3/pushers/set", object{"kind": nil, "app_id": "app", "pushkey": "1"})
	if count(bob) != 0 {
		t.Error("a pusher was not removed")
	}
	bob.must("POST", "/v3/pushers/set", pusher("app", "3", nil))
	tablet := bob.must("POST", "/v3/login", object{
		"type": "m.login.password", "identifier": object{"type": "m.id.user", "user": "bob"}, "password": "secret",
	})
	phone := bob.token
	bob.token = tablet["access_token"].(string)
	bob.must("POST", "/v3/pushers/set", pusher("app", "4", nil))
	bob.must("POST", "/v3/logout", nil)
	bob.token = phone
	if left := list(bob.must("GET", "/v3/pushers", nil), "pushers"); len(left) != 1 || left[0]["pushkey"] != "3" {
		t.Errorf("after one of two devices was logged out, the pushers are %v", left)
	}
	alice.refused("POST", "/v3/pushers/set", object{"kind": "http", "pushkey": "1"}, 400, "M_MISSING_PARAM")
	alice.refused("POST", "/v3/pushers/set", pusher("app", "3", object{"lang": ""}), 400, "M_MISSING_PARAM")
	alice.refused("POST", "/v3/pushers/set", pusher("app", "3", object{"data": object{}}), 400, "M_MISSING_PARAM")
	for i := range 99 {
		alice.must("POST", "/v3/pushers/set", pusher("many", fmt.Sprint(i), nil))
	}
	alice.refused("POST", "/v3/pushers/set", pusher("many", "more", nil), 429, "M_LIMIT_EXCEEDED")
}

func TestNotifications(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	rooms := []string{}
	for range 2 {
		room := alice.createRoom(object{"preset": "public_chat"})
		bob.must("POST", "/v3/join/"+esc(room), object{})
		rooms = append(rooms, room)
	}
	alice.say(rooms[0], "from alice herself")
	first := bob.say(rooms[0], "one")
	bob.must("PUT", "/v3/rooms/"+esc(rooms[1])+"/send/m.room.message/mention", object{
		"msgtype": "m.text", "body": "two", "m.mentions": object{"user_ids": []string{alice.user}},
	})
	bob.say(rooms[0], "three")
	alice.must("POST", "/v3/rooms/"+esc(rooms[0])+"/receipt/m.read/"+esc(first), object{})

	texts := func(page object) (texts []string) {
		for _, n := range list(page, "notifications") {
			texts = append(texts, fmt.Sprint(dig(n, "event", "content", "body"), " ", n["read"]))
		}
		return texts
	}
	all := alice.must("GET", "/v3/notifications", nil)
	if got, want := fmt.Sprint(texts(all)), "[three false two false one true]"; got != want {
		t.Errorf("notified of %s, want %s", got, want)
	}
	if all["next_token"] != nil {
		t.Error("there is a next page of nothing")
	}
	var paged []string
	from := ""
	for range 3 {
		page := alice.must("GET", "/v3/notifications?limit=1"+from, nil)
		paged = append(paged, texts(page)...)
		if page["next_token"] == nil {
			break
		}
		from = fmt.Sprint("&from=", page["next_token"])
	}
	if fmt.Sprint(paged) != fmt.Sprint(texts(all)) {
		t.Errorf("page by page: %v", paged)
	}
	only := alice.must("GET", "/v3/notifications?only=highlight", nil)
	if got := fmt.Sprint(texts(only)); got != "[two false]" {
		t.Errorf("highlighted: %s", got)
	}
	alice.refused("GET", "/v3/notifications?from=x", nil, 400, "M_INVALID_PARAM")
}
