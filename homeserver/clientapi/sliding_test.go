package clientapi_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const slidingPath = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"

// slider is a connection of a client that syncs by sliding.
type slider struct {
	*client
	pos string
}

// slide makes a request and goes on from its answer.
func (s *slider) slide(body object) object {
	s.t.Helper()
	answer := s.again(body, 0)
	s.pos = answer["pos"].(string)
	return answer
}

// again makes a request without going on, as a client does that does not get the answer.
func (s *slider) again(body object, wait time.Duration) object {
	s.t.Helper()
	return s.must("POST", fmt.Sprintf("/unstable/org.matrix.simplified_msc3575/sync?timeout=%d&pos=%s", wait.Milliseconds(), s.pos), body)
}

func top(last, limit int) object {
	return object{"lists": object{"all": object{
		"ranges": [][2]int{{0, last}}, "timeline_limit": limit, "required_state": [][2]string{{"m.room.create", ""}, {"m.room.member", "$ME"}},
	}}}
}

// roomsOf are the ids in an answer, sorted.
func roomsOf(answer object) []string {
	var ids []string
	for id := range answer["rooms"].(object) {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func TestSlidingWindow(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	var rooms []string
	for i := range 5 {
		rooms = append(rooms, alice.createRoom(object{"name": fmt.Sprint("room ", i)}))
	}
	s := &slider{client: alice}
	first := s.slide(top(1, 1))
	want := []string{rooms[3], rooms[4]}
	slices.Sort(want)
	if got := roomsOf(first); !slices.Equal(got, want) {
		t.Errorf("the top two are %v, want the latest %v", got, want)
	}
	if count := dig(first, "lists", "all", "count"); count != 5.0 {
		t.Errorf("the list has %v rooms", count)
	}
	latest := dig(first, "rooms", rooms[4]).(object)
	if latest["initial"] != true || latest["name"] != "room 4" || latest["joined_count"] != 1.0 || latest["limited"] != true {
		t.Errorf("the room is %v", latest)
	}
	if len(list(latest, "timeline")) != 1 || len(list(latest, "required_state")) != 2 {
		t.Errorf("the room has %v and %v", latest["timeline"], latest["required_state"])
	}
	if rest := roomsOf(s.slide(top(4, 1))); len(rest) != 3 || slices.Contains(rest, rooms[4]) {
		t.Errorf("a larger window brings %v", rest)
	}
	alice.say(rooms[0], "hello")
	next := s.slide(top(4, 1))
	changed := dig(next, "rooms", rooms[0]).(object)
	if len(roomsOf(next)) != 1 || changed["initial"] != nil || changed["name"] != nil || changed["num_live"] != 1.0 || changed["limited"] != false && changed["limited"] != nil {
		t.Errorf("after a message: %v", next["rooms"])
	}
	if got := bodies(list(changed, "timeline")); fmt.Sprint(got) != "[hello]" {
		t.Errorf("the timeline is %v", got)
	}
	if idle := roomsOf(s.slide(top(4, 1))); len(idle) != 0 {
		t.Errorf("nothing happened, and %v is told", idle)
	}
}

// An answer that was lost is given again, and a pos that was never issued is refused.
func TestSlidingRepeats(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{})
	s := &slider{client: alice}
	s.slide(top(9, 5))
	alice.say(room, "one")
	lost := s.again(top(9, 5), 0)
	alice.say(room, "two")
	if got := bodies(list(s.slide(top(9, 5)), "rooms", room, "timeline")); fmt.Sprint(got) != "[one two]" {
		t.Errorf("after an answer was lost: %v", got)
	}
	for who, pos := range map[*client]string{alice: lost["pos"].(string), bob: s.pos} {
		who.refused("POST", "/unstable/org.matrix.simplified_msc3575/sync?pos="+pos, top(9, 5), http.StatusBadRequest, "M_UNKNOWN_POS")
	}
	other := &slider{client: alice}
	body := top(9, 5)
	body["conn_id"] = "other"
	if len(roomsOf(other.slide(body))) != 1 {
		t.Error("another connection does not begin anew")
	}
	alice.say(room, "three")
	if got := bodies(list(s.slide(top(9, 5)), "rooms", room, "timeline")); fmt.Sprint(got) != "[three]" {
		t.Errorf("beside another connection: %v", got)
	}
}

func TestSlidingWishesChange(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{"name": "den"})
	for i := range 5 {
		alice.say(room, fmt.Sprint(i))
	}
	s := &slider{client: alice}
	s.slide(top(9, 1))
	subscription := object{"room_subscriptions": object{room: object{
		"timeline_limit": 4, "required_state": object{"include": []object{{}}, "exclude": []object{{"type": "m.room.name"}}},
	}}}
	more := dig(s.slide(subscription), "rooms", room).(object)
	if got := bodies(list(more, "timeline")); fmt.Sprint(got) != "[1 2 3 4]" || more["expanded_timeline"] != true || more["num_live"] != 0.0 {
		t.Errorf("a longer timeline: %v, %v", got, more)
	}
	kinds := map[any]bool{}
	for _, e := range list(more, "required_state") {
		kinds[e["type"]] = true
	}
	if !kinds["m.room.power_levels"] || !kinds["m.room.member"] || kinds["m.room.name"] {
		t.Errorf("the state is %v", kinds)
	}
	alice.setState(room, "m.room.name", "", object{})
	gone := dig(s.slide(subscription), "rooms", room).(object)
	if name, told := gone["name"]; !told || name != nil {
		t.Errorf("the name was taken away: %v", gone)
	}
	if got := roomsOf(s.slide(object{"room_subscriptions": object{"!other:hs0": object{"timeline_limit": 1}}})); len(got) != 0 {
		t.Errorf("subscribed to nothing, and told of %v", got)
	}
}

func TestSlidingMemberships(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		s := &slider{client: bob}
		s.slide(top(9, 5))
		den := alice.createRoom(object{"preset": "private_chat", "name": "den"})
		alice.must("POST", "/v3/rooms/"+esc(den)+"/invite", object{"user_id": bob.user})
		synctest.Wait()
		invited := dig(s.slide(top(9, 5)), "rooms", den).(object)
		if invited["membership"] != "invite" || len(list(invited, "stripped_state")) == 0 || len(list(invited, "invite_state")) == 0 || invited["timeline"] != nil {
			t.Errorf("invited: %v", invited)
		}
		bob.must("POST", "/v3/join/"+esc(den), nil)
		synctest.Wait()
		joined := dig(s.slide(top(9, 5)), "rooms", den).(object)
		if joined["initial"] != true || joined["name"] != "den" || joined["joined_count"] != 2.0 {
			t.Errorf("joined: %v", joined)
		}
		bob.must("POST", "/v3/rooms/"+esc(den)+"/leave", nil)
		synctest.Wait()
		left := dig(s.slide(top(9, 5)), "rooms", den).(object)
		if left["membership"] != "leave" {
			t.Errorf("left: %v", left)
		}
		if got := s.slide(top(9, 5)); len(roomsOf(got)) != 0 || dig(got, "lists", "all", "count") != 0.0 {
			t.Errorf("what bob left is told of again: %v", got)
		}
		if got := (&slider{client: bob}).slide(top(9, 5)); len(roomsOf(got)) != 0 {
			t.Errorf("a new connection is told of what bob left: %v", got)
		}
	})
}

func TestSlidingFilters(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	rooms := map[string]string{
		"plain":     alice.createRoom(object{}),
		"direct":    alice.createRoom(object{}),
		"encrypted": alice.createRoom(object{"initial_state": []object{{"type": "m.room.encryption", "content": object{"algorithm": "m.megolm.v1.aes-sha2"}}}}),
		"space":     alice.createRoom(object{"creation_content": object{"type": "m.space"}}),
		"invited":   bob.createRoom(object{"invite": []string{alice.user}}),
	}
	alice.must("PUT", "/v3/user/"+esc(alice.user)+"/account_data/m.direct", object{bob.user: []string{rooms["direct"]}})
	alice.must("PUT", "/v3/user/"+esc(alice.user)+"/rooms/"+esc(rooms["plain"])+"/tags/m.favourite", object{})
	alice.setState(rooms["space"], "m.space.child", rooms["plain"], object{"via": []string{"hs0"}})
	for slug, c := range map[string]struct {
		filter object
		want   []string
	}{
		"all":           {object{}, []string{"plain", "direct", "encrypted", "space", "invited"}},
		"direct":        {object{"is_dm": true}, []string{"direct"}},
		"not-direct":    {object{"is_dm": false, "is_invite": false}, []string{"plain", "encrypted", "space"}},
		"encrypted":     {object{"is_encrypted": true}, []string{"encrypted"}},
		"invited":       {object{"is_invited": true}, []string{"invited"}},
		"spaces":        {object{"room_types": []any{"m.space"}}, []string{"space"}},
		"no-spaces":     {object{"not_room_types": []any{"m.space"}, "is_invite": false}, []string{"plain", "direct", "encrypted"}},
		"without-type":  {object{"room_types": []any{nil}, "not_room_types": []any{"m.space"}, "is_invite": false}, []string{"plain", "direct", "encrypted"}},
		"in-a-space":    {object{"spaces": []string{rooms["space"]}}, []string{"plain"}},
		"tagged":        {object{"tags": []string{"m.favourite"}}, []string{"plain"}},
		"tagged-not":    {object{"tags": []string{"m.favourite"}, "not_tags": []string{"m.favourite"}}, nil},
		"unknown-space": {object{"spaces": []string{"!x:y"}}, nil},
	} {
		s := &slider{client: alice}
		answer := s.slide(object{"lists": object{"l": object{"timeline_limit": 0, "filters": c.filter}}})
		var want []string
		for _, name := range c.want {
			want = append(want, rooms[name])
		}
		slices.Sort(want)
		if got := roomsOf(answer); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", slug, got, want)
		}
	}
}

func TestSlidingLazyMembers(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	room := alice.createRoom(object{"preset": "public_chat"})
	var others []*client
	for i := range 4 {
		c := newClient(t, server, api, fmt.Sprint("u", i))
		c.must("POST", "/v3/join/"+esc(room), nil)
		others = append(others, c)
	}
	others[2].say(room, "here")
	body := object{"lists": object{"l": object{
		"timeline_limit": 1, "required_state": [][2]string{{"*", "*"}, {"m.room.member", "$LAZY"}},
	}}}
	s := &slider{client: alice}
	members := func(answer object) string {
		var users []string
		for _, e := range list(answer, "rooms", room, "required_state") {
			if e["type"] == "m.room.member" {
				users = append(users, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(e["state_key"]), "@"), ":hs0"))
			}
		}
		slices.Sort(users)
		return fmt.Sprint(users)
	}
	if got := members(s.slide(body)); got != "[u2]" {
		t.Errorf("at first: %s", got)
	}
	others[0].say(room, "me too")
	if got := members(s.slide(body)); got != "[u0]" {
		t.Errorf("with another who speaks: %s", got)
	}
	others[1].must("POST", "/v3/rooms/"+esc(room)+"/leave", nil)
	if got := members(s.slide(body)); got != "[u1]" {
		t.Errorf("with one who left: %s", got)
	}
}

func TestSlidingExtensions(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"preset": "public_chat"})
	bob.must("POST", "/v3/join/"+esc(room), nil)
	all := func(since string) object {
		body := top(9, 1)
		on := object{"enabled": true}
		body["extensions"] = object{
			"to_device": object{"enabled": true, "since": since}, "e2ee": on, "account_data": on, "receipts": on, "typing": on,
		}
		return body
	}
	alice.must("PUT", "/v3/user/"+esc(alice.user)+"/rooms/"+esc(room)+"/account_data/org.example", object{"a": 1})
	s := &slider{client: alice}
	first := dig(s.slide(all("")), "extensions").(object)
	if dig(first, "e2ee", "device_one_time_keys_count") == nil || len(list(first, "account_data", "global")) == 0 || len(list(first, "account_data", "rooms", room)) != 1 {
		t.Errorf("at first: %v", first)
	}
	event := alice.say(room, "read me")
	bob.must("POST", "/v3/rooms/"+esc(room)+"/receipt/m.read/"+esc(event), object{})
	bob.must("PUT", "/v3/rooms/"+esc(room)+"/typing/"+esc(bob.user), object{"typing": true})
	bob.must("PUT", "/v3/sendToDevice/m.test/1", object{"messages": object{alice.user: object{"*": object{"n": 1}}}})
	alice.must("PUT", "/v3/user/"+esc(alice.user)+"/account_data/org.example", object{"b": 1})
	next := dig(s.slide(all(dig(first, "to_device", "next_batch").(string))), "extensions").(object)
	if dig(next, "receipts", "rooms", room, "content", event, "m.read", bob.user) == nil || dig(next, "typing", "rooms", room, "content", "user_ids", "0") != bob.user {
		t.Errorf("receipts and typing: %v", next)
	}
	if len(list(next, "to_device", "events")) != 1 || len(list(next, "account_data", "global")) != 1 || dig(next, "account_data", "rooms", room) != nil {
		t.Errorf("messages and data: %v", next)
	}
	// Messages come again until the client shows that it has them.
	if repeated := s.slide(all(dig(first, "to_device", "next_batch").(string))); len(list(repeated, "extensions", "to_device", "events")) != 1 {
		t.Errorf("a message that may be lost is gone: %v", repeated["extensions"])
	}
	if last := s.slide(all(dig(next, "to_device", "next_batch").(string))); len(list(last, "extensions", "to_device", "events")) != 0 {
		t.Errorf("a message that was got comes again: %v", last["extensions"])
	}
}

// A request waits for news of what it asks for, and only for that.
func TestSlidingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, api := newServer(t, "hs0")
		alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
		room, other := alice.createRoom(object{"preset": "public_chat"}), alice.createRoom(object{"preset": "public_chat"})
		bob.must("POST", "/v3/join/"+esc(room), nil)
		bob.must("POST", "/v3/join/"+esc(other), nil)
		body := object{"room_subscriptions": object{room: object{"timeline_limit": 1}}}
		s := &slider{client: alice}
		s.slide(body)
		begun := time.Now()
		if got := s.again(body, 10*time.Second); len(roomsOf(got)) != 0 || time.Since(begun) != 10*time.Second {
			t.Errorf("waited %v for %v", time.Since(begun), got["rooms"])
		}
		go func() {
			time.Sleep(time.Second)
			bob.say(other, "not of interest")
			time.Sleep(time.Second)
			bob.say(room, "of interest")
		}()
		begun = time.Now()
		if got := s.again(body, 10*time.Second); len(roomsOf(got)) != 1 || time.Since(begun) != 2*time.Second {
			t.Errorf("waited %v for %v", time.Since(begun), got["rooms"])
		}
		synctest.Wait()
	})
}

func TestSlidingRefuses(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	many, rooms := object{}, object{}
	for i := range 101 {
		many[fmt.Sprint(i)], rooms[fmt.Sprint("!", i, ":x")] = object{}, object{}
	}
	for slug, c := range map[string]struct{ query, body, code string }{
		"lists":         {"", encode(t, object{"lists": many}), "M_INVALID_PARAM"},
		"subscriptions": {"", encode(t, object{"room_subscriptions": rooms}), "M_INVALID_PARAM"},
		"conn-id":       {"", encode(t, object{"conn_id": strings.Repeat("x", 65)}), "M_INVALID_PARAM"},
		"presence":      {"", `{"set_presence":"asleep"}`, "M_INVALID_PARAM"},
		"timeout":       {"?timeout=-1", `{}`, "M_INVALID_PARAM"},
		"state":         {"", `{"lists":{"a":{"required_state":[["m.room.name"],7]}}}`, "M_BAD_JSON"},
		"pos":           {"?pos=1.x", `{}`, "M_UNKNOWN_POS"},
	} {
		status, text := alice.raw(context.Background(), "POST", slidingPath+c.query, c.body)
		if status != http.StatusBadRequest || !strings.Contains(string(text), c.code) {
			t.Errorf("%s: %d %s", slug, status, text)
		}
	}
	for i := range 300 { // the oldest connections give way
		s := &slider{client: alice}
		s.slide(object{"conn_id": fmt.Sprint(i)})
	}
}
