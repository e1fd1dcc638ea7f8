package clientapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestCreateRoomPresets(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	newClient(t, server, api, "bob")
	for name, test := range map[string]struct {
		body                     object
		rule, visibility, guests string
	}{
		"default":        {object{}, "invite", "shared", "can_join"},
		"public":         {object{"visibility": "public"}, "public", "shared", "forbidden"},
		"private-chat":   {object{"preset": "private_chat"}, "invite", "shared", "can_join"},
		"public-chat":    {object{"preset": "public_chat"}, "public", "shared", "forbidden"},
		"trusted":        {object{"preset": "trusted_private_chat", "invite": []string{"@bob:hs0"}}, "invite", "shared", "can_join"},
		"trusted-in-11":  {object{"preset": "trusted_private_chat", "room_version": "11", "invite": []string{"@bob:hs0"}}, "invite", "shared", "can_join"},
		"initial-state":  {object{"initial_state": []object{{"type": "m.room.join_rules", "state_key": "", "content": object{"join_rule": "public"}}}}, "public", "shared", "can_join"},
		"initial-no-key": {object{"initial_state": []object{{"type": "m.room.history_visibility", "content": object{"history_visibility": "joined"}}}}, "invite", "joined", "can_join"},
	} {
		t.Run(name, func(t *testing.T) {
			alice.t = t
			room := alice.createRoom(test.body)
			for kind, want := range map[string]object{
				"m.room.join_rules":         {"join_rule": test.rule},
				"m.room.history_visibility": {"history_visibility": test.visibility},
				"m.room.guest_access":       {"guest_access": test.guests},
			} {
				for field, value := range want {
					if got := alice.must("GET", statePath(room, kind, ""), nil)[field]; got != value {
						t.Errorf("%s: %v, want %v", field, got, value)
					}
				}
			}
		})
	}
}

func TestTrustedPrivateChat(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	newClient(t, server, api, "bob")
	body := object{"preset": "trusted_private_chat", "invite": []string{"@bob:hs0"}, "room_version": "11"}
	room := alice.createRoom(body)
	levels := alice.must("GET", statePath(room, "m.room.power_levels", ""), nil)
	if dig(levels, "users", "@bob:hs0") != 100.0 || dig(levels, "users", "@alice:hs0") != 100.0 {
		t.Errorf("version 11: %v", levels)
	}
	body["room_version"] = "12"
	room = alice.createRoom(body)
	create := alice.must("GET", statePath(room, "m.room.create", ""), nil)
	if dig(create, "additional_creators", "0") != "@bob:hs0" {
		t.Errorf("version 12: %v", create)
	}
}

func TestCreateRoomEvents(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	bob := newClient(t, server, api, "bob")
	room := alice.createRoom(object{
		"name": "Kitchen", "topic": "what to cook", "room_alias_name": "kitchen", "invite": []string{"@bob:hs0"},
		"is_direct": true, "visibility": "public",
		"creation_content":             object{"m.federate": false, "room_version": "1", "creator": "@x:y", "type": "m.space"},
		"power_level_content_override": object{"invite": 50},
	})
	create := alice.must("GET", statePath(room, "m.room.create", ""), nil)
	if create["room_version"] != "12" || create["type"] != "m.space" || create["m.federate"] != false || create["creator"] != nil {
		t.Errorf("create: %v", create)
	}
	if got := alice.must("GET", statePath(room, "m.room.power_levels", ""), nil); got["invite"] != 50.0 || got["ban"] != 50.0 {
		t.Errorf("power levels: %v", got)
	}
	if got := alice.must("GET", "/v3/rooms/"+esc(room)+"/state/m.room.name", nil)["name"]; got != "Kitchen" {
		t.Errorf("name: %v", got)
	}
	if got := alice.must("GET", "/v3/directory/room/"+esc("#kitchen:hs0"), nil); got["room_id"] != room || dig(got, "servers", "0") != "hs0" {
		t.Errorf("alias: %v", got)
	}
	invite := dig(bob.sync(""), "rooms", "invite", room)
	for _, kind := range []string{"m.room.create", "m.room.name", "m.room.join_rules", "m.room.member"} {
		if !slices.ContainsFunc(list(invite, "invite_state", "events"), func(e object) bool { return e["type"] == kind }) {
			t.Errorf("the invite lacks %s: %v", kind, invite)
		}
	}
	member := list(invite, "invite_state", "events")
	if last := member[len(member)-1]; dig(last, "content", "is_direct") != true || last["state_key"] != "@bob:hs0" {
		t.Errorf("the invite's member event: %v", last)
	}
	listed := list(bob.must("POST", "/v3/publicRooms", object{"filter": object{"generic_search_term": "KITCH"}}), "chunk")
	if len(listed) != 1 || listed[0]["room_id"] != room || listed[0]["num_joined_members"] != 1.0 {
		t.Errorf("public rooms: %v", listed)
	}
}

func TestCreateRoomRefused(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	alice.createRoom(object{"room_alias_name": "taken"})
	for name, test := range map[string]struct {
		body   any
		status int
		code   string
	}{
		"version":          {object{"room_version": "1"}, 400, "M_UNSUPPORTED_ROOM_VERSION"},
		"version-number":   {object{"room_version": 12}, 400, "M_BAD_JSON"},
		"preset":           {object{"preset": "party"}, 400, "M_INVALID_PARAM"},
		"visibility":       {object{"visibility": "half"}, 400, "M_INVALID_PARAM"},
		"alias-taken":      {object{"room_alias_name": "taken"}, 400, "M_ROOM_IN_USE"},
		"alias-colon":      {object{"room_alias_name": "a:b"}, 400, "M_INVALID_PARAM"},
		"invite":           {object{"invite": []string{"bob"}}, 400, "M_INVALID_PARAM"},
		"invite-nobody":    {object{"invite": []string{"@none:hs0"}}, 404, "M_NOT_FOUND"},
		"3pid":             {object{"invite_3pid": []object{{}}}, 400, "M_THREEPID_DENIED"},
		"state-no-type":    {object{"initial_state": []object{{"content": object{}}}}, 400, "M_BAD_JSON"},
		"state-no-content": {object{"initial_state": []object{{"type": "x"}}}, 400, "M_BAD_JSON"},
		"float":            {`{"initial_state":[{"type":"x","content":{"a":1.5}}]}`, 400, "M_BAD_JSON"},
		"creators":         {object{"creation_content": object{"additional_creators": "x"}}, 400, "M_BAD_JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			alice.t = t
			alice.refused("POST", "/v3/createRoom", test.body, test.status, test.code)
		})
	}
	if rooms := alice.must("GET", "/v3/joined_rooms", nil)["joined_rooms"].([]any); len(rooms) != 1 {
		t.Errorf("refused requests left rooms: %v", rooms)
	}
}

func TestSendIsIdempotent(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{})
	send := func(version, kind, txn, text string) string {
		path := "/" + version + "/rooms/" + esc(room) + "/send/" + kind + "/" + txn
		return alice.must("PUT", path, object{"msgtype": "m.text", "body": text})["event_id"].(string)
	}
	first := send("v3", "m.room.message", "1", "once")
	if again := send("r0", "m.room.message", "1", "twice"); again != first {
		t.Errorf("the repeated request made another event: %s, %s", first, again)
	}
	if other := send("v3", "org.example", "1", "other endpoint"); other == first {
		t.Error("another event type is another endpoint")
	}
	answer := alice.must("POST", "/v3/login", object{"type": "m.login.password", "user": "alice", "password": "secret"})
	phone := alice.token
	alice.token = answer["access_token"].(string)
	if other := send("v3", "m.room.message", "1", "other device"); other == first {
		t.Error("another device has transactions of its own")
	}
	alice.token = phone
	page := alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=b&limit=50", nil)
	if got := bodies(list(page, "chunk")); !slices.Equal(got, []string{"other device", "other endpoint", "once"}) {
		t.Errorf("the room has %q", got)
	}
	if got := dig(page, "chunk", "2", "unsigned", "transaction_id"); got != "1" {
		t.Errorf("the sender's transaction id: %v", got)
	}
	if got := dig(page, "chunk", "0", "unsigned", "transaction_id"); got != nil {
		t.Errorf("another device's transaction id is shown: %v", got)
	}
}

func TestFailedSendCanBeRepeated(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"preset": "public_chat"})
	path := "/v3/rooms/" + esc(room) + "/send/m.room.message/7"
	bob.refused("PUT", path, object{"body": "x"}, 403, "M_FORBIDDEN")
	bob.must("POST", "/v3/join/"+esc(room), nil)
	bob.must("PUT", path, object{"body": "x"})
}

func TestSendRefused(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	base := "/v3/rooms/" + esc(room)
	for name, test := range map[string]struct {
		who    *client
		method string
		path   string
		body   any
		status int
		code   string
	}{
		"stranger":      {bob, "PUT", base + "/send/m.room.message/1", object{}, 403, "M_FORBIDDEN"},
		"no-room":       {alice, "PUT", "/v3/rooms/!x:hs0/send/m.room.message/1", object{}, 404, "M_NOT_FOUND"},
		"float":         {alice, "PUT", base + "/send/m.room.message/1", `{"a":1.5}`, 400, "M_BAD_JSON"},
		"long-txn":      {alice, "PUT", base + "/send/m.room.message/" + strings.Repeat("1", 300), object{}, 400, "M_INVALID_PARAM"},
		"list":          {alice, "PUT", base + "/send/m.room.message/1", `[]`, 400, "M_BAD_JSON"},
		"not-json":      {alice, "PUT", base + "/send/m.room.message/1", `x`, 400, "M_NOT_JSON"},
		"too-large":     {alice, "PUT", base + "/send/m.room.message/1", object{"body": strings.Repeat("x", 70000)}, 413, "M_TOO_LARGE"},
		"long-type":     {alice, "PUT", base + "/send/" + strings.Repeat("x", 300) + "/1", object{}, 413, "M_TOO_LARGE"},
		"state":         {bob, "PUT", statePath(room, "m.room.name", ""), object{"name": "x"}, 403, "M_FORBIDDEN"},
		"create-again":  {alice, "PUT", statePath(room, "m.room.create", ""), object{}, 403, "M_FORBIDDEN"},
		"other-member":  {alice, "PUT", statePath(room, "m.room.member", bob.user), object{"membership": "join"}, 403, "M_FORBIDDEN"},
		"bad-alias":     {alice, "PUT", statePath(room, "m.room.canonical_alias", ""), object{"alias": "#none:hs0"}, 400, "M_BAD_ALIAS"},
		"alias-grammar": {alice, "PUT", statePath(room, "m.room.canonical_alias", ""), object{"alias": "none"}, 400, "M_INVALID_PARAM"},
		"wrong-method":  {alice, "POST", base + "/send/m.room.message/1", object{}, 405, "M_UNRECOGNIZED"},
		"read-state":    {bob, "GET", base + "/state", nil, 403, "M_FORBIDDEN"},
		"read-name":     {bob, "GET", statePath(room, "m.room.name", ""), nil, 403, "M_FORBIDDEN"},
		"no-state":      {alice, "GET", statePath(room, "m.room.name", ""), nil, 404, "M_NOT_FOUND"},
		"format":        {alice, "GET", statePath(room, "m.room.create", "") + "?format=x", nil, 400, "M_INVALID_PARAM"},
		"read-messages": {bob, "GET", base + "/messages?dir=b", nil, 403, "M_FORBIDDEN"},
		"no-dir":        {alice, "GET", base + "/messages", nil, 400, "M_MISSING_PARAM"},
		"bad-dir":       {alice, "GET", base + "/messages?dir=up", nil, 400, "M_INVALID_PARAM"},
		"bad-from":      {alice, "GET", base + "/messages?dir=b&from=t1", nil, 400, "M_INVALID_PARAM"},
		"bad-limit":     {alice, "GET", base + "/messages?dir=b&limit=-1", nil, 400, "M_INVALID_PARAM"},
		"bad-filter":    {alice, "GET", base + "/messages?dir=b&filter=x", nil, 400, "M_NOT_JSON"},
		"filter-type":   {alice, "GET", base + "/messages?dir=b&filter=" + esc(`{"types":1}`), nil, 400, "M_BAD_JSON"},
		"members":       {bob, "GET", base + "/members", nil, 403, "M_FORBIDDEN"},
		"joined":        {bob, "GET", base + "/joined_members", nil, 403, "M_FORBIDDEN"},
		"no-event":      {alice, "GET", base + "/event/$none", nil, 404, "M_NOT_FOUND"},
		"no-whom":       {alice, "POST", base + "/invite", object{}, 400, "M_MISSING_PARAM"},
		"an-address": {alice, "POST", base + "/invite", object{
			"id_server": "id.example", "id_access_token": "x", "medium": "email", "address": "bob@example.org",
		}, 400, "M_THREEPID_DENIED"},
		"bad-whom":      {alice, "POST", base + "/invite", object{"user_id": "bob"}, 400, "M_INVALID_PARAM"},
		"invite-nobody": {alice, "POST", base + "/invite", object{"user_id": "@none:hs0"}, 404, "M_NOT_FOUND"},
		"kick-stranger": {alice, "POST", base + "/kick", object{"user_id": bob.user}, 403, "M_FORBIDDEN"},
		"unban-free":    {alice, "POST", base + "/unban", object{"user_id": bob.user}, 403, "M_FORBIDDEN"},
		"join-private":  {bob, "POST", "/v3/join/" + esc(room), nil, 403, "M_FORBIDDEN"},
		"join-bad-id":   {bob, "POST", "/v3/join/kitchen", nil, 400, "M_INVALID_PARAM"},
		"join-alias":    {bob, "POST", "/v3/join/" + esc("#none:hs0"), nil, 404, "M_NOT_FOUND"},
		"leave-unknown": {bob, "POST", base + "/leave", nil, 404, "M_NOT_FOUND"},
		"forget-joined": {alice, "POST", base + "/forget", nil, 400, "M_UNKNOWN"},
		"typing-other":  {alice, "PUT", base + "/typing/" + esc(bob.user), object{"typing": true}, 403, "M_FORBIDDEN"},
		"typing-out":    {bob, "PUT", base + "/typing/" + esc(bob.user), object{"typing": true}, 403, "M_FORBIDDEN"},
		"receipt-type":  {alice, "POST", base + "/receipt/m.seen/$x", object{}, 400, "M_INVALID_PARAM"},
		"receipt-event": {alice, "POST", base + "/receipt/m.read/$x", object{}, 404, "M_NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			test.who.t = t
			test.who.refused(test.method, test.path, test.body, test.status, test.code)
		})
	}
}

func TestMembership(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	base := "/v3/rooms/" + esc(room)
	membership := func(want string) {
		t.Helper()
		got := alice.must("GET", statePath(room, "m.room.member", bob.user), nil)["membership"]
		if got != want {
			t.Errorf("bob has the membership %v, want %s", got, want)
		}
	}
	alice.must("POST", base+"/invite", object{"user_id": bob.user, "reason": "come in"})
	membership("invite")
	bob.must("POST", base+"/leave", nil)
	membership("leave")
	alice.must("PUT", statePath(room, "m.room.member", bob.user), object{"membership": "invite"})
	bob.must("POST", base+"/join", object{"reason": "hello"})
	bob.must("POST", base+"/join", nil) // once more is no mistake
	membership("join")
	alice.must("POST", base+"/kick", object{"user_id": bob.user, "reason": "out"})
	membership("leave")
	alice.must("POST", base+"/ban", object{"user_id": bob.user})
	membership("ban")
	bob.refused("POST", base+"/join", nil, http.StatusForbidden, "M_FORBIDDEN")
	alice.must("POST", base+"/unban", object{"user_id": bob.user})
	membership("leave")
	bob.must("POST", base+"/forget", object{})
	bob.refused("GET", base+"/messages?dir=b", nil, http.StatusForbidden, "M_FORBIDDEN")

	joined := dig(alice.must("GET", base+"/joined_members", nil), "joined").(object)
	if len(joined) != 1 || dig(joined, alice.user, "display_name") != "alice" {
		t.Errorf("joined members: %v", joined)
	}
	left := list(alice.must("GET", base+"/members?membership=leave", nil), "chunk")
	if len(left) != 1 || left[0]["state_key"] != bob.user {
		t.Errorf("members who left: %v", left)
	}
	if here := list(alice.must("GET", base+"/members?not_membership=leave", nil), "chunk"); len(here) != 1 {
		t.Errorf("members who did not leave: %v", here)
	}
}

func TestState(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{"name": "one"})
	id := alice.setState(room, "m.room.name", "", object{"name": "two"})
	alice.setState(room, "org.example/slash", "key/with ü", object{"x": 1})
	if got := alice.must("GET", statePath(room, "org.example/slash", "key/with ü"), nil)["x"]; got != 1.0 {
		t.Errorf("escaped type and key: %v", got)
	}
	event := alice.must("GET", "/v3/rooms/"+esc(room)+"/state/m.room.name/?format=event", nil)
	if event["event_id"] != id || dig(event, "unsigned", "prev_content", "name") != "one" || event["room_id"] != room {
		t.Errorf("format=event: %v", event)
	}
	_, all := alice.do("GET", "/v3/rooms/"+esc(room)+"/state", nil)
	if got := len(all["list"].([]any)); got != 8 {
		t.Errorf("%d state events, want 8: %v", got, all)
	}
	got := alice.must("GET", "/v3/rooms/"+esc(room)+"/event/"+esc(id), nil)
	if dig(got, "content", "name") != "two" || dig(got, "unsigned", "age") == nil {
		t.Errorf("event: %v", got)
	}
}

func TestRedact(t *testing.T) {
	for _, version := range []string{"10", "11", "12"} {
		t.Run(version, func(t *testing.T) {
			server, api := newServer(t, "hs0")
			alice := newClient(t, server, api, "alice")
			room := alice.createRoom(object{"room_version": version})
			id := alice.say(room, "regrettable")
			path := "/v3/rooms/" + esc(room) + "/redact/" + esc(id) + "/t1"
			redaction := alice.must("PUT", path, object{"reason": "oops"})["event_id"]
			if again := alice.must("PUT", path, object{"reason": "oops"})["event_id"]; again != redaction {
				t.Errorf("repeated: %v, %v", redaction, again)
			}
			event := alice.must("GET", "/v3/rooms/"+esc(room)+"/event/"+esc(id), nil)
			if len(event["content"].(object)) != 0 || dig(event, "unsigned", "redacted_because", "event_id") != redaction {
				t.Errorf("the redacted event: %v", event)
			}
			event = alice.must("GET", "/v3/rooms/"+esc(room)+"/event/"+esc(redaction.(string)), nil)
			if event["redacts"] != id || dig(event, "content", "redacts") != id || dig(event, "content", "reason") != "oops" {
				t.Errorf("the redaction: %v", event)
			}
			if got := bodies(list(alice.sync(""), "rooms", "join", room, "timeline", "events")); len(got) != 0 {
				t.Errorf("a sync still shows %q", got)
			}
		})
	}
}

func TestMessagesPages(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{})
	var said []string
	for i := range 150 {
		said = append(said, fmt.Sprint(i))
		alice.say(room, said[i])
	}
	for _, dir := range []string{"b", "f"} {
		want := slices.Clone(said)
		if dir == "b" {
			slices.Reverse(want)
		}
		var got []string
		from := ""
		for pages := 0; ; pages++ {
			page := alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?limit=7&dir="+dir+from, nil)
			got = append(got, bodies(list(page, "chunk"))...)
			if page["end"] == nil {
				break
			}
			if pages > 30 {
				t.Fatal("pages without end")
			}
			from = "&from=" + page["end"].(string)
		}
		if !slices.Equal(got, want) {
			t.Errorf("dir=%s: %q", dir, got)
		}
	}
	filter := esc(`{"types":["m.room.mess*"],"not_senders":["@nobody:hs0"]}`)
	page := alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=f&limit=3&filter="+filter, nil)
	if got := bodies(list(page, "chunk")); !slices.Equal(got, said[:3]) {
		t.Errorf("filtered: %q", got)
	}
}

func TestContext(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	var ids []string
	for i := range 100 {
		ids = append(ids, alice.say(room, fmt.Sprint(i)))
	}
	path := "/v3/rooms/" + esc(room) + "/context/" + esc(ids[10])
	got := alice.must("GET", path+"?limit=5", nil)
	if dig(got, "event", "content", "body") != "10" || !slices.Equal(bodies(list(got, "events_before")), []string{"9", "8", "7"}) ||
		!slices.Equal(bodies(list(got, "events_after")), []string{"11", "12"}) || len(list(got, "state")) != 6 {
		t.Errorf("context: %v", got)
	}
	page := alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?limit=1&dir=b&from="+got["start"].(string), nil)
	if !slices.Equal(bodies(list(page, "chunk")), []string{"6"}) {
		t.Errorf("before the context: %v", page)
	}
	page = alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?limit=1&dir=f&from="+got["end"].(string), nil)
	if !slices.Equal(bodies(list(page, "chunk")), []string{"13"}) {
		t.Errorf("after the context: %v", page)
	}
	if got := alice.must("GET", path+"?limit=0", nil); len(list(got, "events_before"))+len(list(got, "events_after")) != 0 {
		t.Errorf("limit 0: %v", got)
	}
	bob.refused("GET", path, nil, 404, "M_NOT_FOUND")
	alice.refused("GET", path+"?limit=x", nil, 400, "M_INVALID_PARAM")
}

func TestHistoryVisibility(t *testing.T) {
	for visibility, want := range map[string][]string{
		"world_readable": {"before", "invited", "during"},
		"shared":         {"before", "invited", "during"},
		"invited":        {"invited", "during"},
		"joined":         {"during"},
	} {
		t.Run(visibility, func(t *testing.T) {
			server, api := newServer(t, "hs0")
			alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
			room := alice.createRoom(object{"initial_state": []object{
				{"type": "m.room.history_visibility", "content": object{"history_visibility": visibility}},
			}})
			base := "/v3/rooms/" + esc(room)
			before := alice.say(room, "before")
			alice.must("POST", base+"/invite", object{"user_id": bob.user})
			alice.say(room, "invited")
			bob.must("POST", base+"/join", nil)
			alice.say(room, "during")
			bob.must("POST", base+"/leave", nil)
			after := alice.say(room, "after")
			page := bob.must("GET", base+"/messages?dir=f&limit=100", nil)
			if got := bodies(list(page, "chunk")); !slices.Equal(got, want) {
				t.Errorf("bob sees %q, want %q", got, want)
			}
			status, _ := bob.do("GET", base+"/event/"+esc(after), nil)
			if seen := status == 200; seen != (visibility == "world_readable") {
				t.Errorf("what was said after bob left: %d", status)
			}
			status, _ = alice.do("GET", base+"/event/"+esc(before), nil)
			if status != 200 {
				t.Errorf("alice asks for what she said: %d", status)
			}
		})
	}
}

func TestAliases(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"preset": "public_chat"})
	path := "/v3/directory/room/" + esc("#den:hs0")
	alice.refused("GET", path, nil, 404, "M_NOT_FOUND")
	bob.refused("PUT", path, object{"room_id": room}, 403, "M_FORBIDDEN")
	alice.refused("PUT", path, object{"room_id": "den"}, 400, "M_INVALID_PARAM")
	alice.refused("PUT", "/v3/directory/room/"+esc("#den:hs1"), object{"room_id": room}, 403, "M_FORBIDDEN")
	alice.refused("PUT", "/v3/directory/room/den", object{"room_id": room}, 400, "M_INVALID_PARAM")
	alice.must("PUT", path, object{"room_id": room})
	alice.refused("PUT", path, object{"room_id": room}, 409, "M_UNKNOWN")
	alice.setState(room, "m.room.canonical_alias", "", object{"alias": "#den:hs0"})
	if got := bob.must("POST", "/v3/join/"+esc("#den:hs0"), nil)["room_id"]; got != room {
		t.Errorf("joined %v", got)
	}
	if got := dig(bob.must("GET", "/v3/rooms/"+esc(room)+"/aliases", nil), "aliases", "0"); got != "#den:hs0" {
		t.Errorf("aliases: %v", got)
	}
	bob.refused("DELETE", path, nil, 403, "M_FORBIDDEN")
	alice.must("DELETE", path, nil)
	alice.refused("DELETE", path, nil, 404, "M_NOT_FOUND")
}

func TestProfile(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	path := "/v3/profile/" + esc(alice.user)
	if got := bob.must("GET", path, nil); got["displayname"] != "alice" || got["avatar_url"] != nil {
		t.Errorf("a new profile: %v", got)
	}
	bob.refused("GET", path+"/avatar_url", nil, 404, "M_NOT_FOUND")
	bob.refused("GET", "/v3/profile/"+esc("@none:hs0"), nil, 404, "M_NOT_FOUND")
	bob.refused("GET", "/v3/profile/none", nil, 400, "M_INVALID_PARAM")
	bob.refused("PUT", path+"/displayname", object{"displayname": "x"}, 403, "M_FORBIDDEN")
	alice.refused("PUT", path+"/displayname", object{}, 400, "M_MISSING_PARAM")
	alice.refused("PUT", path+"/displayname", object{"displayname": strings.Repeat("x", 2000)}, 400, "M_INVALID_PARAM")
	alice.must("PUT", path+"/displayname", object{"displayname": "Alice L."})
	alice.must("PUT", path+"/avatar_url", object{"avatar_url": "mxc://hs0/a"})
	if got := bob.must("GET", path+"/displayname", nil)["displayname"]; got != "Alice L." {
		t.Errorf("displayname: %v", got)
	}
	member := alice.must("GET", statePath(room, "m.room.member", alice.user), nil)
	if member["displayname"] != "Alice L." || member["avatar_url"] != "mxc://hs0/a" || member["membership"] != "join" {
		t.Errorf("the room was not told: %v", member)
	}
	found := list(bob.must("POST", "/v3/user_directory/search", object{"search_term": "alice l"}), "results")
	if len(found) != 1 || found[0]["user_id"] != alice.user {
		t.Errorf("search: %v", found)
	}
}
