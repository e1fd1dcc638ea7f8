package clientapi_test

import (
	"slices"
	"testing"
)

// unread returns what a sync says of a room's unread events: notify, highlight.
func (c *client) unread(room string) [2]float64 {
	c.t.Helper()
	counts := dig(c.sync("full_state=true"), "rooms", "join", room, "unread_notifications")
	notify, _ := dig(counts, "notification_count").(float64)
	highlight, _ := dig(counts, "highlight_count").(float64)
	return [2]float64{notify, highlight}
}

func TestUnread(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"preset": "public_chat"})
	bob.must("POST", "/v3/rooms/"+esc(room)+"/join", nil)
	base := "/v3/rooms/" + esc(room)
	check := func(what string, notify, highlight float64) {
		t.Helper()
		if got := bob.unread(room); got != [2]float64{notify, highlight} {
			t.Errorf("%s: %v, want %v and %v", what, got, notify, highlight)
		}
	}
	send := func(kind string, content object) string {
		alice.txn++
		return alice.must("PUT", base+"/send/"+kind+"/"+string(rune('a'+alice.txn)), content)["event_id"].(string)
	}
	check("at first", 0, 0)
	first := send("m.room.message", object{"msgtype": "m.text", "body": "one"})
	check("a message", 1, 0)
	send("m.room.message", object{"msgtype": "m.notice", "body": "a notice"})
	send("m.reaction", object{"m.relates_to": object{"rel_type": "m.annotation", "event_id": first, "key": "x"}})
	alice.setState(room, "m.room.topic", "", object{"topic": "nobody is woken for this"})
	check("what does not notify", 1, 0)
	send("m.room.message", object{"msgtype": "m.text", "body": "bob?", "m.mentions": object{"user_ids": []string{bob.user}}})
	check("a mention", 2, 1)
	send("m.room.message", object{"msgtype": "m.text", "body": "all!", "m.mentions": object{"room": true}})
	check("a mention of the whole room", 3, 2)
	bob.must("POST", base+"/receipt/m.read/"+esc(first), nil)
	check("after reading the first", 2, 2)
	last := send("m.room.message", object{"msgtype": "m.text", "body": "last"})
	bob.must("POST", base+"/receipt/m.read.private/"+esc(last), nil)
	check("after reading all in private", 0, 0)
	send("m.room.message", object{"msgtype": "m.text", "body": "more"})
	bob.say(room, "I have read all")
	check("after an answer", 0, 0)

	// The user's own rules come before the predefined ones.
	rules := "/v3/pushrules/global/"
	bob.must("PUT", rules+"content/tea", object{"pattern": "tea*", "actions": []any{"notify", object{"set_tweak": "highlight"}}})
	send("m.room.message", object{"msgtype": "m.text", "body": "Teapots, anyone?"})
	send("m.room.message", object{"msgtype": "m.text", "body": "steam"})
	check("a word with a rule", 2, 1)
	bob.must("PUT", rules+"room/"+esc(room), object{"actions": []any{}})
	check("a room that is silent, but for the word", 1, 1)
	bob.must("PUT", rules+"override/.m.rule.master/enabled", object{"enabled": true})
	check("with all notifications off", 0, 0)
	bob.must("PUT", rules+"override/.m.rule.master/enabled", object{"enabled": false})
	bob.must("DELETE", rules+"content/tea", nil)
	bob.must("DELETE", rules+"room/"+esc(room), nil)
	check("without rules of one's own", 2, 0)
}

func TestEditPushRules(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	base := "/v3/pushrules/global/override/"
	body := object{"actions": []any{"notify"}, "conditions": []object{{"kind": "event_match", "key": "type", "pattern": "x"}}}
	since := alice.newest()
	alice.must("PUT", base+"b", body)
	alice.must("PUT", base+"c?after=b", body)
	alice.must("PUT", base+"a?before=b", body)
	alice.must("PUT", base+"a/actions", object{"actions": []any{}})
	alice.must("PUT", base+"a", body) // replaced where it is
	ids := func(rules []object) []string {
		var ids []string
		for _, rule := range rules {
			ids = append(ids, rule["rule_id"].(string))
		}
		return ids[:4]
	}
	want := []string{".m.rule.master", "a", "b", "c"}
	if got := ids(list(alice.must("GET", "/v3/pushrules/", nil), "global", "override")); !slices.Equal(got, want) {
		t.Errorf("the rules are %q, want %q", got, want)
	}
	for _, query := range []string{"since=" + since, ""} {
		events := list(alice.sync(query), "account_data", "events")
		if len(events) != 1 || !slices.Equal(ids(list(events[0], "content", "global", "override")), want) {
			t.Errorf("a sync with %q says %v", query, events)
		}
	}
	for name, c := range map[string]struct {
		method, path string
		body         object
		status       int
		code         string
	}{
		"predefined-cannot-go":  {"DELETE", base + ".m.rule.master", nil, 400, "M_INVALID_PARAM"},
		"predefined-cannot-be":  {"PUT", base + ".mine", body, 400, "M_INVALID_PARAM"},
		"next-to-nothing":       {"PUT", base + "d?before=none", body, 404, "M_UNKNOWN"},
		"next-to-predefined":    {"PUT", base + "d?after=.m.rule.master", body, 404, "M_UNKNOWN"},
		"no-pattern":            {"PUT", "/v3/pushrules/global/content/d", body, 400, "M_MISSING_PARAM"},
		"unknown-kind":          {"PUT", "/v3/pushrules/global/other/d", body, 404, "M_NOT_FOUND"},
		"unknown-rule":          {"PUT", base + "none/enabled", object{"enabled": true}, 404, "M_NOT_FOUND"},
		"enabled-without-value": {"PUT", base + "a/enabled", object{}, 400, "M_MISSING_PARAM"},
		"gone":                  {"DELETE", base + "none", nil, 404, "M_NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			alice.t = t
			alice.refused(c.method, c.path, c.body, c.status, c.code)
		})
	}
}
