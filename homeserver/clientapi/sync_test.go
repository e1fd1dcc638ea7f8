package clientapi_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestInitialSync(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{"name": "Kitchen"})
	for i := range 30 {
		alice.say(room, fmt.Sprint(i))
	}
	answer := alice.sync("filter=" + esc(`{"room":{"timeline":{"limit":5}}}`))
	joined := dig(answer, "rooms", "join", room)
	if got := bodies(list(joined, "timeline", "events")); !slices.Equal(got, []string{"25", "26", "27", "28", "29"}) {
		t.Errorf("timeline: %q", got)
	}
	if dig(joined, "timeline", "limited") != true {
		t.Error("the timeline is not limited")
	}
	if got := len(list(joined, "state", "events")); got != 7 {
		t.Errorf("%d state events, want 7: %v", got, joined)
	}
	if dig(joined, "summary", "m.joined_member_count") != 1.0 {
		t.Errorf("summary: %v", dig(joined, "summary"))
	}
	prev := dig(joined, "timeline", "prev_batch").(string)
	page := alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=b&limit=2&from="+prev, nil)
	if got := bodies(list(page, "chunk")); !slices.Equal(got, []string{"24", "23"}) {
		t.Errorf("before the timeline: %q", got)
	}
	if kind := dig(answer, "account_data", "events", "0", "type"); kind != "m.push_rules" {
		t.Errorf("account data begins with %v", kind)
	}
	events := list(joined, "timeline", "events")
	if dig(events[0], "room_id") != nil || dig(events[0], "unsigned", "membership") != "join" {
		t.Errorf("an event of the timeline: %v", events[0])
	}
}

func TestWholeRoomIsNotLimited(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{})
	answer := alice.sync("filter=" + esc(`{"room":{"timeline":{"limit":50}}}`))
	timeline := dig(answer, "rooms", "join", room, "timeline")
	if events := list(timeline, "events"); events[0]["type"] != "m.room.create" || dig(timeline, "limited") != false {
		t.Errorf("%v", timeline)
	}
	if state := dig(answer, "rooms", "join", room, "state"); state != nil {
		t.Errorf("the timeline has it all, but state is %v", state)
	}
}

func TestIncrementalSync(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	quiet, room := alice.createRoom(object{}), alice.createRoom(object{})
	since := alice.sync("")["next_batch"].(string)
	if got := alice.sync("since=" + since); got["rooms"] != nil || got["next_batch"] != since {
		t.Errorf("nothing happened, but: %v", got)
	}
	alice.say(room, "a")
	name := alice.setState(room, "m.room.name", "", object{"name": "x"})
	answer := alice.sync("since=" + since)
	joined := dig(answer, "rooms", "join", room)
	events := list(joined, "timeline", "events")
	if len(events) != 2 || events[1]["event_id"] != name || dig(joined, "timeline", "limited") != false {
		t.Errorf("timeline: %v", joined)
	}
	if dig(joined, "state") != nil || dig(joined, "summary") != nil {
		t.Errorf("there is nothing to say beside the timeline: %v", joined)
	}
	if dig(answer, "rooms", "join", quiet) != nil {
		t.Error("a room without news is in the answer")
	}
	if got := alice.sync("since=" + answer["next_batch"].(string)); got["rooms"] != nil {
		t.Errorf("told twice: %v", got)
	}
}

func TestGapHasStateChanges(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{"name": "old"})
	since := alice.sync("")["next_batch"].(string)
	alice.setState(room, "m.room.name", "", object{"name": "new"})
	for i := range 20 {
		alice.say(room, fmt.Sprint(i))
	}
	joined := dig(alice.sync("since="+since+"&filter="+esc(`{"room":{"timeline":{"limit":3}}}`)), "rooms", "join", room)
	state := list(joined, "state", "events")
	if len(state) != 1 || dig(state[0], "content", "name") != "new" || dig(joined, "timeline", "limited") != true {
		t.Errorf("state in the gap: %v", joined)
	}
	// What the timeline's filter hides is told as state.
	joined = dig(alice.sync("since="+since+"&filter="+esc(`{"room":{"timeline":{"types":["m.none"]}}}`)), "rooms", "join", room)
	if state := list(joined, "state", "events"); len(state) != 1 || dig(state[0], "content", "name") != "new" {
		t.Errorf("state behind a filter: %v", joined)
	}
	joined = dig(alice.sync("use_state_after=true&since="+since), "rooms", "join", room)
	if state := list(joined, "state_after", "events"); len(state) != 1 || dig(joined, "state") != nil {
		t.Errorf("state_after: %v", joined)
	}
	joined = dig(alice.sync("full_state=true&timeout=10000000&since="+alice.sync("")["next_batch"].(string)), "rooms", "join", room)
	if state := list(joined, "state", "events"); len(state) != 7 {
		t.Errorf("full_state: %d state events, want 7", len(state))
	}
}

func TestSyncMembership(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"name": "Kitchen"})
	base := "/v3/rooms/" + esc(room)
	alice.say(room, "before")
	since := bob.sync("")["next_batch"].(string)
	next := func() object {
		answer := bob.sync("filter=" + esc(`{"room":{"timeline":{"limit":6}}}`) + "&since=" + since)
		since = answer["next_batch"].(string)
		return answer
	}

	alice.must("POST", base+"/invite", object{"user_id": bob.user})
	if got := dig(next(), "rooms", "invite", room); got == nil {
		t.Error("no invite")
	}
	bob.must("POST", base+"/join", nil)
	joined := dig(next(), "rooms", "join", room)
	if got := list(joined, "state", "events"); len(got) == 0 {
		t.Errorf("a room that is new to the client comes without state: %v", joined)
	}
	if got := bodies(list(joined, "timeline", "events")); !slices.Equal(got, []string{"before"}) {
		t.Errorf("shared history: %q", got)
	}
	alice.say(room, "during")
	alice.must("POST", base+"/kick", object{"user_id": bob.user})
	alice.say(room, "after")
	answer := next()
	left := dig(answer, "rooms", "leave", room)
	events := list(left, "timeline", "events")
	if !slices.Equal(bodies(events), []string{"during"}) || dig(events[len(events)-1], "content", "membership") != "leave" {
		t.Errorf("left: %v", left)
	}
	if dig(answer, "rooms", "join", room) != nil {
		t.Error("a room is joined and left at once")
	}
	alice.say(room, "later")
	if got := next(); got["rooms"] != nil {
		t.Errorf("news of a room that was left: %v", got)
	}
	if got := dig(bob.sync(""), "rooms", "leave"); got != nil {
		t.Errorf("an initial sync without include_leave: %v", got)
	}
	initial := bob.sync("filter=" + esc(`{"room":{"include_leave":true}}`))
	if got := bodies(list(initial, "rooms", "leave", room, "timeline", "events")); !slices.Equal(got, []string{"before", "during"}) {
		t.Errorf("include_leave: %q", got)
	}

	// An invite that is rejected ends as one event, without the room's secrets.
	alice.must("POST", base+"/invite", object{"user_id": bob.user})
	next()
	bob.must("POST", base+"/leave", nil)
	left = dig(next(), "rooms", "leave", room)
	if got := list(left, "timeline", "events"); len(got) != 1 || dig(left, "state") != nil {
		t.Errorf("a rejected invite: %v", left)
	}
	bob.must("POST", base+"/forget", nil)
	initial = bob.sync("filter=" + esc(`{"room":{"include_leave":true}}`))
	if got := dig(initial, "rooms", "leave", room); got != nil {
		t.Errorf("a forgotten room: %v", got)
	}
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, api := newServer(t, "hs0")
		alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
		mine, other := alice.createRoom(object{}), bob.createRoom(object{})
		since := alice.sync("")["next_batch"].(string)

		begin := time.Now()
		if got := alice.sync("timeout=30000&since=" + since); got["rooms"] != nil || time.Since(begin) != 30*time.Second {
			t.Errorf("nothing happens: after %v: %v", time.Since(begin), got)
		}
		poll := func() (answer chan object) {
			answer = make(chan object, 1)
			go func() { answer <- alice.sync("timeout=3600000&since=" + since) }()
			synctest.Wait()
			return answer
		}
		waiting := poll()
		bob.say(other, "not for alice")
		bob.must("PUT", "/v3/user/"+esc(bob.user)+"/account_data/x", object{})
		synctest.Wait()
		select {
		case got := <-waiting:
			t.Fatalf("woken by what does not concern alice: %v", got)
		default:
		}
		alice.say(mine, "for alice")
		got := <-waiting
		if texts := bodies(list(got, "rooms", "join", mine, "timeline", "events")); !slices.Equal(texts, []string{"for alice"}) {
			t.Errorf("woken with %v", got)
		}
		since = got["next_batch"].(string)

		for name, act := range map[string]func(){
			"invite":       func() { bob.must("POST", "/v3/rooms/"+esc(other)+"/invite", object{"user_id": alice.user}) },
			"account-data": func() { alice.must("PUT", "/v3/user/"+esc(alice.user)+"/account_data/x", object{}) },
			"typing": func() {
				alice.must("PUT", "/v3/rooms/"+esc(mine)+"/typing/"+esc(alice.user), object{"typing": true, "timeout": 1000})
			},
			"topic": func() { alice.setState(mine, "m.room.topic", "", object{"topic": "x"}) },
		} {
			waiting := poll()
			begin := time.Now()
			act()
			got := <-waiting
			if time.Since(begin) != 0 {
				t.Errorf("%s: answered after %v", name, time.Since(begin))
			}
			since = got["next_batch"].(string)
		}
		time.Sleep(time.Minute) // the typing notification ends
		got = alice.sync("since=" + since)
		if users, ok := dig(got, "rooms", "join", mine, "ephemeral", "events", "0", "content", "user_ids").([]any); !ok || len(users) != 0 {
			t.Errorf("nobody types any more: %v", got)
		}
	})
}

func TestPollEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, api := newServer(t, "hs0")
		alice := newClient(t, server, api, "alice")
		since := alice.sync("")["next_batch"].(string)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		status, _ := alice.raw(ctx, "GET", "/_matrix/client/v3/sync?timeout=60000&since="+since, "")
		if status != 504 {
			t.Errorf("a request that ended: %d", status)
		}
		done := make(chan int)
		go func() {
			status, _ := alice.raw(t.Context(), "GET", "/_matrix/client/v3/sync?timeout=60000&since="+since, "")
			done <- status
		}()
		synctest.Wait()
		server.Close()
		if status := <-done; status != 200 {
			t.Errorf("a server that is closed: %d", status)
		}
	})
}

func TestSyncRefused(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	for query, code := range map[string]string{
		"since=1":                                "M_INVALID_PARAM",
		"since=s":                                "M_INVALID_PARAM",
		"since=s-1":                              "M_INVALID_PARAM",
		"since=s+1":                              "M_INVALID_PARAM",
		"since=s01":                              "M_INVALID_PARAM",
		"since=s999999":                          "M_INVALID_PARAM",
		"since=s99999999999999999999":            "M_INVALID_PARAM",
		"timeout=x":                              "M_INVALID_PARAM",
		"timeout=-1":                             "M_INVALID_PARAM",
		"full_state=yes":                         "M_INVALID_PARAM",
		"filter=7":                               "M_INVALID_PARAM",
		"filter={":                               "M_NOT_JSON",
		"filter={}x":                             "M_NOT_JSON",
		`filter={"room":1}`:                      "M_BAD_JSON",
		`filter={"event_format":"x"}`:            "M_BAD_JSON",
		`filter={"room":{"state":{"limit":-1}}}`: "M_BAD_JSON",
	} {
		name, value, _ := strings.Cut(query, "=")
		alice.refused("GET", "/v3/sync?"+url.Values{name: {value}}.Encode(), nil, 400, code)
	}
	alice.token = ""
	alice.refused("GET", "/v3/sync", nil, 401, "M_MISSING_TOKEN")
}

func TestFilters(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	base := "/v3/user/" + esc(alice.user) + "/filter"
	id := alice.must("POST", base, object{"room": object{"timeline": object{"limit": 1}}})["filter_id"].(string)
	if again := alice.must("POST", base, object{"room": object{"timeline": object{"limit": 1}}})["filter_id"]; again != id {
		t.Errorf("the same filter has the ids %v and %v", id, again)
	}
	if got := alice.must("GET", base+"/"+id, nil); dig(got, "room", "timeline", "limit") != 1.0 {
		t.Errorf("stored: %v", got)
	}
	room := alice.createRoom(object{})
	got := alice.sync("filter=" + id)
	if events := list(got, "rooms", "join", room, "timeline", "events"); len(events) != 1 {
		t.Errorf("filtered by id: %d events", len(events))
	}
	alice.refused("GET", base+"/77", nil, 404, "M_NOT_FOUND")
	alice.refused("GET", base+"/x", nil, 404, "M_NOT_FOUND")
	bob.refused("GET", base+"/"+id, nil, 403, "M_FORBIDDEN")
	bob.refused("POST", base, object{}, 403, "M_FORBIDDEN")
	alice.refused("POST", base, object{"room": 1}, 400, "M_BAD_JSON")
	alice.refused("POST", base, object{"x": strings.Repeat("x", 20_000)}, 413, "M_TOO_LARGE")

	other := alice.createRoom(object{})
	got = alice.sync("filter=" + esc(`{"room":{"not_rooms":["`+other+`"]}}`))
	if dig(got, "rooms", "join", other) != nil || dig(got, "rooms", "join", room) == nil {
		t.Errorf("not_rooms: %v", got)
	}
	got = alice.sync("filter=" + esc(`{"event_format":"federation","room":{"rooms":["`+other+`"],"timeline":{"senders":["`+alice.user+`"]}}}`))
	if event := dig(got, "rooms", "join", other, "timeline", "events", "0"); dig(event, "hashes") == nil {
		t.Errorf("event_format federation: %v", event)
	}
}

func TestLazyMembers(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{"preset": "public_chat"})
	for i := range 5 {
		guest := newClient(t, server, api, fmt.Sprintf("guest%d", i))
		guest.must("POST", "/v3/join/"+esc(room), nil)
		if i == 3 {
			guest.say(room, "hello")
		}
	}
	for range 3 {
		alice.say(room, "x")
	}
	got := alice.sync("filter=" + esc(`{"room":{"state":{"lazy_load_members":true},"timeline":{"limit":3}}}`))
	var members []string
	for _, event := range list(got, "rooms", "join", room, "state", "events") {
		if event["type"] == "m.room.member" {
			members = append(members, event["state_key"].(string))
		}
	}
	if !slices.Equal(members, []string{alice.user}) {
		t.Errorf("members: %v", members)
	}
	if heroes := dig(got, "rooms", "join", room, "summary", "m.heroes").([]any); len(heroes) != 5 {
		t.Errorf("heroes: %v", heroes)
	}
	page := alice.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=b&limit=5&filter="+esc(`{"lazy_load_members":true}`), nil)
	if got := len(list(page, "state")); got != 3 { // alice, guest3, guest4
		t.Errorf("%d members come with the messages, want 3: %v", got, page)
	}
}

func TestAccountData(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	global, local := "/v3/user/"+esc(alice.user)+"/account_data/x", "/v3/user/"+esc(alice.user)+"/rooms/"+esc(room)+"/account_data/x"
	since := alice.sync("")["next_batch"].(string)
	alice.refused("GET", global, nil, 404, "M_NOT_FOUND")
	alice.must("PUT", global, object{"a": 1})
	alice.must("PUT", local, object{"b": 2})
	if alice.must("GET", global, nil)["a"] != 1.0 || alice.must("GET", local, nil)["b"] != 2.0 {
		t.Error("account data is not what was set")
	}
	answer := alice.sync("since=" + since)
	if dig(answer, "account_data", "events", "0", "content", "a") != 1.0 {
		t.Errorf("global: %v", answer)
	}
	if dig(answer, "rooms", "join", room, "account_data", "events", "0", "content", "b") != 2.0 {
		t.Errorf("of the room: %v", answer)
	}
	if got := alice.sync("since=" + answer["next_batch"].(string)); got["account_data"] != nil {
		t.Errorf("told twice: %v", got)
	}
	bob.refused("GET", global, nil, 403, "M_FORBIDDEN")
	bob.refused("PUT", local, object{}, 403, "M_FORBIDDEN")
	alice.refused("PUT", global, "[]", 400, "M_BAD_JSON")
	alice.refused("PUT", "/v3/user/"+esc(alice.user)+"/account_data/m.fully_read", object{}, 405, "M_BAD_JSON")
}

func TestReceipts(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"preset": "public_chat"})
	bob.must("POST", "/v3/join/"+esc(room), nil)
	id := alice.say(room, "read me")
	since := alice.sync("")["next_batch"].(string)
	base := "/v3/rooms/" + esc(room)
	bob.must("POST", base+"/receipt/m.read/"+esc(id), object{})
	bob.must("POST", base+"/receipt/m.read.private/"+esc(id), nil)
	bob.must("POST", base+"/read_markers", object{"m.fully_read": id, "m.read": id})
	seen := dig(alice.sync("since="+since), "rooms", "join", room, "ephemeral", "events", "0", "content", id)
	if dig(seen, "m.read", bob.user, "ts") == nil || dig(seen, "m.read.private") != nil {
		t.Errorf("alice sees %v", seen)
	}
	own := dig(bob.sync("since="+since), "rooms", "join", room)
	if dig(own, "ephemeral", "events", "0", "content", id, "m.read.private", bob.user) == nil {
		t.Errorf("bob does not see his private receipt: %v", own)
	}
	if dig(own, "account_data", "events", "0", "content", "event_id") != id {
		t.Errorf("m.fully_read: %v", own)
	}
}
