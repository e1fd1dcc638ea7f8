package clientapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
	"meshsim/homeserver/federation"
)

// network connects servers in memory. Requests between servers that are parted fail.
type network struct {
	mu     sync.Mutex
	peers  map[string]*federation.Peer
	parted bool
}

type wire struct{ *network }

func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	peer, parted := w.peers[request.URL.Host], w.parted
	w.mu.Unlock()
	if peer == nil || parted {
		return nil, errors.New("unreachable")
	}
	in := request.Clone(context.WithoutCancel(request.Context()))
	in.RequestURI = request.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	peer.Handler.ServeHTTP(recorder, in)
	response := recorder.Result()
	response.Body = io.NopCloser(bytes.NewReader(recorder.Body.Bytes()))
	return response, nil
}

func (n *network) part(parted bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.parted = parted
}

// federated returns a user on each of two servers that reach each other.
func federated(t testing.TB) (net *network, alice, bob *client) {
	t.Helper()
	net = &network{peers: map[string]*federation.Peer{}}
	commons := homeserver.NewCommons()
	user := func(name, server string) *client {
		peer := federation.New(federation.Config{
			Server: homeserver.Config{
				Name: server, KeyID: "ed25519:1", Key: testKey(server), Commons: commons, Passwords: passwords(),
			},
			Transport: wire{net},
			Timeout:   func(string, int) time.Duration { return 10 * time.Second },
		})
		t.Cleanup(peer.Close)
		net.peers[server] = peer
		return newClient(t, peer.Server, clientapi.Handler(peer.Server), name)
	}
	return net, user("alice", "hs0"), user("bob", "hs1")
}

func TestInviteAndJoinOverFederation(t *testing.T) {
	for _, version := range []string{"11", "12"} {
		t.Run("version-"+version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { inviteAndJoin(t, version) })
		})
	}
}

func inviteAndJoin(t *testing.T, version string) {
	_, alice, bob := federated(t)
	room := alice.createRoom(object{"name": "Kitchen", "room_version": version})
	base := "/v3/rooms/" + esc(room)
	alice.say(room, "before")
	since := bob.sync("")["next_batch"].(string)
	alice.must("POST", base+"/invite", object{"user_id": bob.user})
	answer := bob.sync("timeout=5000&since=" + since)
	invited := list(answer, "rooms", "invite", room, "invite_state", "events")
	if !slices.ContainsFunc(invited, func(e object) bool { return dig(e, "content", "name") == "Kitchen" }) {
		t.Errorf("the invite does not say to what: %v", answer)
	}
	bob.must("POST", base+"/join", nil) // the way in is through who invited
	answer = bob.sync("since=" + answer["next_batch"].(string))
	joined := dig(answer, "rooms", "join", room)
	if dig(joined, "timeline", "limited") != true || len(list(joined, "state", "events")) < 7 {
		t.Errorf("a room joined over federation: %v", joined)
	}

	// What happened before is fetched from the other server.
	page := bob.must("GET", base+"/messages?dir=b&limit=100&from="+dig(joined, "timeline", "prev_batch").(string), nil)
	if got := bodies(list(page, "chunk")); !slices.Equal(got, []string{"before"}) {
		t.Errorf("backfilled: %q", got)
	}
	whole := bob.must("GET", base+"/messages?dir=f&limit=100", nil)
	if events := list(whole, "chunk"); events[0]["type"] != "m.room.create" {
		t.Errorf("the oldest event is %v", events[0])
	}

	since = alice.sync("")["next_batch"].(string)
	id := bob.say(room, "hello from afar")
	synctest.Wait()
	got := alice.sync("timeout=5000&since=" + since)
	if events := list(got, "rooms", "join", room, "timeline", "events"); len(events) != 1 || events[0]["event_id"] != id {
		t.Errorf("alice sees %v", got)
	}
	bob.must("POST", base+"/leave", object{"reason": "bye"})
	synctest.Wait()
	if got := alice.must("GET", statePath(room, "m.room.member", bob.user), nil)["membership"]; got != "leave" {
		t.Errorf("bob's membership at alice's server: %v", got)
	}
}

func TestRejectInviteOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		room := alice.createRoom(object{"invite": []string{bob.user}})
		since := bob.sync("")["next_batch"].(string)
		bob.must("POST", "/v3/rooms/"+esc(room)+"/leave", nil)
		if got := dig(bob.sync("since="+since), "rooms", "leave", room); got == nil {
			t.Error("the room is not among those left")
		}
		synctest.Wait()
		if got := alice.must("GET", statePath(room, "m.room.member", bob.user), nil)["membership"]; got != "leave" {
			t.Errorf("bob's membership: %v", got)
		}
	})
}

func TestAliasAndProfileOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, alice, bob := federated(t)
		room := alice.createRoom(object{"preset": "public_chat", "room_alias_name": "den"})
		got := bob.must("GET", "/v3/directory/room/"+esc("#den:hs0"), nil)
		if got["room_id"] != room || dig(got, "servers", "0") != "hs0" {
			t.Errorf("alias: %v", got)
		}
		if joined := bob.must("POST", "/v3/join/"+esc("#den:hs0"), nil)["room_id"]; joined != room {
			t.Errorf("joined %v", joined)
		}
		if got := bob.must("GET", "/v3/profile/"+esc(alice.user), nil)["displayname"]; got != "alice" {
			t.Errorf("profile: %v", got)
		}
		bob.refused("GET", "/v3/profile/"+esc("@none:hs0"), nil, 404, "M_NOT_FOUND")
		bob.refused("GET", "/v3/directory/room/"+esc("#none:hs0"), nil, 404, "M_NOT_FOUND")

		other := alice.createRoom(object{"preset": "public_chat"})
		if joined := bob.must("POST", "/v3/join/"+esc(other)+"?via=hs0", nil)["room_id"]; joined != other {
			t.Errorf("joined via hs0: %v", joined)
		}
		third := alice.createRoom(object{"preset": "public_chat"})
		net.part(true)
		bob.refused("POST", "/v3/join/"+esc(third)+"?via=hs0", nil, 502, "M_UNKNOWN")
		bob.refused("GET", "/v3/directory/room/"+esc("#other:hs0"), nil, 502, "M_UNKNOWN")
		status, failure := alice.do("POST", "/v3/createRoom", object{"invite": []string{bob.user}})
		if id, _ := failure["room_id"].(string); status != 502 || id == "" {
			t.Errorf("a room whose invite failed: %d %v", status, failure)
		} else {
			alice.say(id, "the room is there")
		}
	})
}

// TestFollowingThroughPartitions: state resolution takes back what a client has seen; clients that follow
// still end with the state of one that asks.
func TestFollowingThroughPartitions(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { partitions(t, seed) })
		})
	}
}

func partitions(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	net, alice, bob := federated(t)
	room := alice.createRoom(object{
		"preset": "public_chat", "power_level_content_override": object{"state_default": 0, "events": object{}},
	})
	bob.must("POST", "/v3/join/"+esc(room)+"?via=hs0", nil)
	synctest.Wait()
	var followers []*replica
	for i := range 3 {
		followers = append(followers, alice.replica(1+random.IntN(20), i == 0), bob.replica(1+random.IntN(20), i == 0))
	}
	for _, follower := range followers {
		follower.follow() // while the other server answers for what came before
	}
	for range 6 {
		net.part(true)
		for range 8 {
			who := []*client{alice, bob}[random.IntN(2)]
			if random.IntN(2) == 0 {
				who.say(room, "x")
			} else {
				time.Sleep(time.Millisecond)
				who.setState(room, "org.example.thing", fmt.Sprint(random.IntN(3)), object{"n": random.Uint32()})
			}
			if random.IntN(3) == 0 {
				followers[random.IntN(len(followers))].follow()
			}
		}
		net.part(false)
		if random.IntN(2) == 0 {
			time.Sleep(time.Hour) // the queues try again
		}
	}
	time.Sleep(time.Hour)
	alice.say(room, "over")
	bob.say(room, "over")
	time.Sleep(time.Hour)
	followers = append(followers, alice.replica(5, false), bob.replica(5, false))
	states := map[string]bool{}
	for _, follower := range followers {
		follower.follow()
		follower.check(room)
		states[fmt.Sprint(follower.rooms[room].state)] = true
	}
	if len(states) != 1 {
		t.Errorf("the servers end with %d different states", len(states))
	}
}

// TestRejoinOverFederation: what happened while nobody of the server was in the room is a gap, and the state
// is that of now.
func TestRejoinOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		room := alice.createRoom(object{"preset": "public_chat", "name": "first"})
		join := func() { bob.must("POST", "/v3/join/"+esc(room)+"?via=hs0", nil) }
		join()
		bob.say(room, "I am here")
		since := bob.sync("")["next_batch"].(string)
		stays, leaves := bob.replica(20, false), bob.replica(20, false)
		stays.follow()
		leaves.follow()
		bob.must("POST", "/v3/rooms/"+esc(room)+"/leave", nil)
		leaves.follow()
		synctest.Wait()
		alice.setState(room, "m.room.name", "", object{"name": "second"})
		alice.say(room, "bob is gone")
		join()

		joined := dig(bob.sync("since="+since), "rooms", "join", room)
		events := list(joined, "timeline", "events")
		if dig(joined, "timeline", "limited") != true || len(events) != 1 || dig(events[0], "content", "membership") != "join" {
			t.Errorf("the timeline after a gap: %v", joined)
		}
		state := list(joined, "state", "events")
		if !slices.ContainsFunc(state, func(e object) bool { return dig(e, "content", "name") == "second" }) {
			t.Errorf("the state does not say what changed in the gap: %v", state)
		}
		page := bob.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=b&limit=100", nil)
		said := bodies(list(page, "chunk"))
		slices.Sort(said)
		if !slices.Equal(said, []string{"I am here", "bob is gone"}) {
			t.Errorf("the history has %q", said)
		}
		for _, follower := range []*replica{stays, leaves} {
			follower.follow()
			follower.checkState(room)
		}
	})
}
