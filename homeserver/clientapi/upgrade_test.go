package clientapi_test

import (
	"slices"
	"strings"
	"testing"
)

func TestUpgradeRoom(t *testing.T) {
	for _, versions := range [][2]string{{"11", "12"}, {"12", "11"}, {"12", "12"}} {
		t.Run(strings.Join(versions[:], "-to-"), func(t *testing.T) {
			server, api := newServer(t, "hs0")
			alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
			old := alice.createRoom(object{
				"room_version": versions[0], "name": "Den", "topic": "all", "visibility": "public", "room_alias_name": "den",
				"power_level_content_override": object{"users": upgradeUsers(versions[0], alice, bob)},
			})
			bob.must("POST", "/v3/rooms/"+esc(old)+"/join", nil)
			path := "/v3/rooms/" + esc(old) + "/upgrade"
			alice.refused("POST", path, object{"new_version": "none"}, 400, "M_UNSUPPORTED_ROOM_VERSION")
			alice.refused("POST", path, object{}, 400, "M_MISSING_PARAM")
			bob.refused("POST", path, object{"new_version": versions[1]}, 403, "M_FORBIDDEN")
			next := alice.must("POST", path, object{"new_version": versions[1]})["replacement_room"].(string)

			get := func(room, kind string) object { return alice.must("GET", statePath(room, kind, ""), nil) }
			if got := get(old, "m.room.tombstone")["replacement_room"]; got != next {
				t.Errorf("the tombstone leads to %v, not %v", got, next)
			}
			create := get(next, "m.room.create")
			if dig(create, "predecessor", "room_id") != old || create["room_version"] != versions[1] {
				t.Errorf("the new room begins with %v", create)
			}
			if get(next, "m.room.name")["name"] != "Den" || get(next, "m.room.join_rules")["join_rule"] != "public" {
				t.Error("the new room is not like the old one")
			}
			if got := dig(get(next, "m.room.power_levels"), "users", bob.user); got != 50.0 {
				t.Errorf("bob's power in the new room is %v", got)
			}
			if got := alice.must("GET", "/v3/directory/room/"+esc("#den:hs0"), nil)["room_id"]; got != next {
				t.Errorf("the alias leads to %v", got)
			}
			listed := list(alice.must("GET", "/v3/publicRooms", nil), "chunk")
			if len(listed) != 1 || listed[0]["room_id"] != next {
				t.Errorf("the directory has %v", listed)
			}
			alice.setState(next, "m.room.topic", "", object{"topic": "alice has power here"})
			bob.must("POST", "/v3/rooms/"+esc(next)+"/join", nil)
			carol := newClient(t, server, api, "carol")
			carol.must("POST", "/v3/rooms/"+esc(old)+"/join", nil)
			carol.refused("PUT", "/v3/rooms/"+esc(old)+"/send/m.room.message/1", object{"body": "x"}, 403, "M_FORBIDDEN")
		})
	}
}

func upgradeUsers(version string, creator, other *client) object {
	users := object{other.user: 50}
	if version != "12" {
		users[creator.user] = 100
	}
	return users
}

func TestSearch(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"name": "Tea Party"})
	other := bob.createRoom(object{})
	bob.say(other, "secret tea")
	for _, text := range []string{"green tea", "coffee", "Tea, black", "more TEA"} {
		alice.say(room, text)
	}
	gone := alice.say(room, "tea that was a mistake")
	alice.must("PUT", "/v3/rooms/"+esc(room)+"/redact/"+esc(gone)+"/x", object{})
	search := func(query string, events object) object {
		t.Helper()
		answer := alice.must("POST", "/v3/search"+query, object{"search_categories": object{"room_events": events}})
		return dig(answer, "search_categories", "room_events").(object)
	}
	found := func(answer object) []string {
		var texts []string
		for _, result := range list(answer, "results") {
			for _, field := range []string{"body", "name"} {
				if text, ok := dig(result, "result", "content", field).(string); ok {
					texts = append(texts, text)
				}
			}
		}
		return texts
	}
	if got := found(search("", object{"search_term": "tea"})); !slices.Equal(got, []string{"more TEA", "Tea, black", "green tea", "Tea Party"}) {
		t.Errorf("tea: %q", got)
	}
	if got := found(search("", object{"search_term": "black tea", "keys": []string{"content.body"}})); !slices.Equal(got, []string{"Tea, black"}) {
		t.Errorf("black tea: %q", got)
	}
	first := search("", object{"search_term": "tea", "filter": object{"limit": 3}})
	rest := search("?next_batch="+first["next_batch"].(string), object{"search_term": "tea", "filter": object{"limit": 3}})
	if len(found(first)) != 3 || !slices.Equal(found(rest), []string{"Tea Party"}) {
		t.Errorf("pages: %q and %q", found(first), found(rest))
	}
	around := search("", object{"search_term": "coffee", "event_context": object{"before_limit": 1, "after_limit": 1}})
	context := dig(around, "results", "0", "context")
	if before, after := bodies(list(context, "events_before")), bodies(list(context, "events_after")); !slices.Equal(before, []string{"green tea"}) || !slices.Equal(after, []string{"Tea, black"}) {
		t.Errorf("around coffee: %q and %q", before, after)
	}
	if got := found(search("", object{"search_term": "tea", "filter": object{"rooms": []string{other}}})); len(got) != 0 {
		t.Errorf("in a room of somebody else: %q", got)
	}
	if got := found(search("", object{"search_term": " "})); len(got) != 0 {
		t.Errorf("nothing: %q", got)
	}
	alice.refused("POST", "/v3/search?next_batch=x", object{"search_categories": object{"room_events": object{"search_term": "tea"}}}, 400, "M_INVALID_PARAM")
}
