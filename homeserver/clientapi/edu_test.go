package clientapi_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
	"meshsim/homeserver/federation"
)

func (c *client) typing(room string, typing bool) {
	c.t.Helper()
	c.must("PUT", "/v3/rooms/"+esc(room)+"/typing/"+esc(c.user), object{"typing": typing, "timeout": 20_000})
}

// typingIn returns who types in a room according to a sync, nil when it says nothing about that.
func typingIn(answer object, room string) []string {
	for _, event := range list(answer, "rooms", "join", room, "ephemeral", "events") {
		if event["type"] == "m.typing" {
			return append([]string{}, texts(dig(event, "content", "user_ids"))...)
		}
	}
	return nil
}

func TestTypingOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob, room := together(t)
		since := bob.newest()
		next := func() []string {
			t.Helper()
			synctest.Wait()
			answer := bob.sync("since=" + since)
			since = answer["next_batch"].(string)
			return typingIn(answer, room)
		}
		alice.typing(room, true)
		if got := next(); !slices.Equal(got, []string{alice.user}) {
			t.Errorf("typing: %v", got)
		}
		alice.typing(room, false)
		if got := next(); got == nil || len(got) != 0 {
			t.Errorf("no longer typing: %v", got)
		}
		alice.typing(room, true)
		next()
		time.Sleep(21 * time.Second) // alice's client says nothing more
		if got := next(); got == nil || len(got) != 0 {
			t.Errorf("after the time given: %v", got)
		}

		// What was typed while the servers were parted is not told later, what was said is.
		net.part(true)
		alice.say(room, "you do not hear me")
		alice.typing(room, true)
		time.Sleep(time.Second)
		net.part(false)
		time.Sleep(10 * time.Second)
		answer := bob.sync("since=" + since)
		if got := typingIn(answer, room); got != nil {
			t.Errorf("typing that is over came late: %v", got)
		}
		if said := bodies(list(answer, "rooms", "join", room, "timeline", "events")); len(said) != 1 {
			t.Errorf("after healing bob reads %q", said)
		}
	})
}

func TestReceiptsOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob, room := together(t)
		first, second := alice.say(room, "one"), alice.say(room, "two")
		synctest.Wait()
		since := alice.newest()
		read := func(kind, id string) {
			bob.must("POST", "/v3/rooms/"+esc(room)+"/receipt/"+kind+"/"+esc(id), nil)
		}
		net.part(true)
		read("m.read", first)
		read("m.read.private", second)
		time.Sleep(time.Second)
		net.part(false)
		time.Sleep(time.Minute)
		events := list(alice.sync("since="+since), "rooms", "join", room, "ephemeral", "events")
		if len(events) != 1 || dig(events[0], "content", first, "m.read", bob.user, "ts") == nil || dig(events[0], "content", second) != nil {
			t.Errorf("alice sees of bob's reading: %v", events)
		}
	})
}

// TestForeignEDUs: a server speaks for its own users in rooms that it is in, and for nobody else.
func TestForeignEDUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob, room := together(t)
		private := alice.createRoom(object{})
		alice.say(room, "x")
		since := alice.newest()
		for _, edu := range []string{
			`{"edu_type":"m.typing","content":{"room_id":"` + room + `","user_id":"` + alice.user + `","typing":true}}`,
			`{"edu_type":"m.typing","content":{"room_id":"` + private + `","user_id":"` + bob.user + `","typing":true}}`,
			`{"edu_type":"m.typing","content":[]}`,
			`{"edu_type":"m.receipt","content":{"` + room + `":{"m.read":{"` + alice.user + `":{"data":{"ts":1},"event_ids":["$x"]}}}}}`,
			`{"edu_type":"m.receipt","content":{"` + room + `":{"m.read":{"` + bob.user + `":{"data":{"ts":1},"event_ids":[]}}}}}`,
			`{"edu_type":"m.direct_to_device","content":{"sender":"` + alice.user + `","type":"x","message_id":"1","messages":{"` + alice.user + `":{"*":{}}}}}`,
			`{"edu_type":"m.device_list_update","content":{"user_id":"` + alice.user + `"}}`,
			`{"edu_type":"m.device_list_update","content":{"user_id":"@stranger:hs1"}}`,
			`{"edu_type":"org.example.unknown","content":{}}`,
			`nonsense`,
		} {
			alice.server.ReceiveEDUs("hs1", raws(edu))
		}
		answer := alice.sync("since=" + since)
		for _, part := range []string{"rooms", "to_device", "device_lists"} {
			if answer[part] != nil {
				t.Errorf("%s: %v", part, answer[part])
			}
		}
	})
}

func TestPresenceOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &network{peers: map[string]*federation.Peer{}}
		user := func(name, server string) *client {
			peer := federation.New(federation.Config{
				Server: homeserver.Config{
					Name: server, KeyID: "ed25519:1", Key: testKey(server), Passwords: passwords(), Presence: true,
				},
				Transport: wire{net},
			})
			t.Cleanup(peer.Close)
			net.peers[server] = peer
			return newClient(t, peer.Server, clientapi.Handler(peer.Server), name)
		}
		alice, bob := user("alice", "hs0"), user("bob", "hs1")
		room := alice.createRoom(object{"preset": "public_chat"})
		bob.must("POST", "/v3/join/"+esc(room)+"?via=hs0", nil)
		since := bob.newest()
		alice.must("PUT", "/v3/presence/"+esc(alice.user)+"/status", object{"presence": "unavailable", "status_msg": "tea"})
		synctest.Wait()
		answer := bob.sync("set_presence=offline&since=" + since)
		events := list(answer, "presence", "events")
		if len(events) == 0 || dig(events[len(events)-1], "content", "status_msg") != "tea" {
			t.Errorf("bob's sync: %v", answer)
		}
		if got := bob.must("GET", "/v3/presence/"+esc(alice.user)+"/status", nil); got["presence"] != "unavailable" {
			t.Errorf("alice's presence at bob's server: %v", got)
		}
		time.Sleep(time.Minute) // alice does not sync
		if got := bob.must("GET", "/v3/presence/"+esc(alice.user)+"/status", nil); got["presence"] != "offline" {
			t.Errorf("alice's presence a minute later: %v", got)
		}
		alice.sync("")
		synctest.Wait()
		if got := bob.must("GET", "/v3/presence/"+esc(alice.user)+"/status", nil); got["presence"] != "online" {
			t.Errorf("alice's presence when she syncs: %v", got)
		}
		bob.refused("GET", "/v3/sync?set_presence=asleep", nil, 400, "M_INVALID_PARAM")
	})
}

// FuzzEDUs: whatever another server sends as EDUs, this one goes on, and its users' syncs are JSON.
func FuzzEDUs(f *testing.F) {
	server, api := newServer(f, "hs0")
	alice := newClient(f, server, api, "alice")
	room := alice.createRoom(object{"preset": "public_chat"})
	for _, seed := range []string{
		`{"edu_type":"m.typing","content":{"room_id":"` + room + `","user_id":"@bob:hs1","typing":true}}`,
		`{"edu_type":"m.receipt","content":{"` + room + `":{"m.read":{"@bob:hs1":{"data":{"ts":1},"event_ids":["$x"]}}}}}`,
		`{"edu_type":"m.presence","content":{"push":[{"user_id":"@bob:hs1","presence":"online","last_active_ago":1}]}}`,
		`{"edu_type":"m.direct_to_device","content":{"sender":"@bob:hs1","type":"x","message_id":"1","messages":{"@alice:hs0":{"*":{}}}}}`,
		`{"edu_type":"m.direct_to_device","content":{"sender":"@bob:hs1","type":"x","message_id":"2","messages":{"@alice:hs0":null}}}`,
		`{"edu_type":"m.device_list_update","content":{"user_id":"@bob:hs1","prev_id":[{}]}}`,
		`{"edu_type":"m.signing_key_update","content":null}`, `null`, `[]`, `{"content":`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		alice.t = t
		server.ReceiveEDUs("hs1", raws(text))
		status, body := alice.raw(t.Context(), "GET", "/_matrix/client/v3/sync", "")
		if status != 200 || !json.Valid(body) {
			t.Errorf("after %q a sync answers %d %s", text, status, body)
		}
	})
}
