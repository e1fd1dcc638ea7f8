package clientapi_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// replica is what a client knows that follows a server by syncs: rooms with their state and timeline. Where a
// timeline was limited it asks for what lies in the gap.
type replica struct {
	*client
	query      string
	stateAfter bool
	since      string
	rooms      map[string]*replicaRoom
}

type replicaRoom struct {
	state    map[string]string // by type and key: event id
	timeline []string          // event ids
}

func (c *client) replica(limit int, stateAfter bool) *replica {
	query := fmt.Sprintf("use_state_after=%v&filter=%s", stateAfter, esc(fmt.Sprintf(`{"room":{"timeline":{"limit":%d}}}`, limit)))
	return &replica{client: c, query: query, stateAfter: stateAfter, rooms: map[string]*replicaRoom{}}
}

// follow syncs until there is nothing new.
func (r *replica) follow() {
	r.t.Helper()
	for range 1000 {
		query := r.query
		if r.since != "" {
			query += "&since=" + r.since
		}
		answer := r.sync(query)
		news, _ := dig(answer, "rooms", "join").(object)
		for id, update := range news {
			r.apply(id, update.(object))
		}
		left, _ := dig(answer, "rooms", "leave").(object)
		for id := range left {
			delete(r.rooms, id)
		}
		before := r.since
		r.since = answer["next_batch"].(string)
		if before == r.since {
			return
		}
	}
	r.t.Fatal("syncs without end")
}

func (r *replica) apply(id string, update object) {
	room := r.rooms[id]
	fresh := room == nil
	if fresh {
		room = &replicaRoom{state: map[string]string{}}
		r.rooms[id] = room
	}
	events := list(update, "timeline", "events")
	if dig(update, "timeline", "limited") == true {
		prev := dig(update, "timeline", "prev_batch").(string)
		room.timeline = append(room.timeline, r.gap(id, prev, fresh)...)
	}
	state := list(update, "state", "events")
	if r.stateAfter {
		state = list(update, "state_after", "events")
	}
	for _, event := range state {
		room.set(event)
	}
	for _, event := range events {
		room.timeline = append(room.timeline, event["event_id"].(string))
		if !r.stateAfter {
			room.set(event)
		}
	}
}

func (room *replicaRoom) set(event object) {
	if key, ok := event["state_key"].(string); ok {
		room.state[event["type"].(string)+" "+key] = event["event_id"].(string)
	}
}

// gap returns what lies between the last sync and the timeline, or all before it.
func (r *replica) gap(room, from string, all bool) []string {
	var missed []string
	for {
		path := "/v3/rooms/" + esc(room) + "/messages?dir=b&limit=3&from=" + from
		if !all {
			path += "&to=" + r.since
		}
		page := r.must("GET", path, nil)
		for _, event := range list(page, "chunk") {
			missed = append(missed, event["event_id"].(string))
		}
		if page["end"] == nil {
			slices.Reverse(missed)
			return missed
		}
		from = page["end"].(string)
	}
}

// check compares with what the server says at once.
func (r *replica) check(room string) {
	r.t.Helper()
	known := r.checkState(room)
	page := r.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=f&limit=1000", nil)
	var timeline []string
	for _, event := range list(page, "chunk") {
		timeline = append(timeline, event["event_id"].(string))
	}
	if !slices.Equal(known.timeline, timeline) {
		at := 0
		for at < min(len(known.timeline), len(timeline)) && known.timeline[at] == timeline[at] {
			at++
		}
		r.t.Errorf("%s (%s) has %d events, the server %d; they differ from event %d on", r.user, r.query, len(known.timeline), len(timeline), at)
	}
}

func (r *replica) checkState(room string) *replicaRoom {
	r.t.Helper()
	known := r.rooms[room]
	if known == nil {
		r.t.Fatalf("%s does not know %s", r.user, room)
	}
	_, answer := r.do("GET", "/v3/rooms/"+esc(room)+"/state", nil)
	truth := &replicaRoom{state: map[string]string{}}
	for _, event := range list(answer, "list") {
		truth.set(event)
	}
	if !maps.Equal(known.state, truth.state) {
		r.t.Errorf("%s (%s) ends with another state: %d events; the server has %d", r.user, r.query, len(known.state), len(truth.state))
	}
	return known
}

// TestFollowingEqualsAsking: whatever happens and whenever they sync, clients that follow know what the server
// tells one that asks at the end.
func TestFollowingEqualsAsking(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			server, api := newServer(t, "hs0")
			alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
			rooms := []string{alice.createRoom(object{"preset": "public_chat"}), alice.createRoom(object{"room_version": "11", "preset": "public_chat"})}
			var followers []*replica
			for i := range 4 {
				followers = append(followers, alice.replica(random.IntN(6), i%2 == 0), bob.replica(1+random.IntN(5), i%2 == 0))
			}
			for range 80 {
				happen(random, rooms[random.IntN(len(rooms))], alice, bob)
				if random.IntN(3) == 0 {
					followers[random.IntN(len(followers))].follow()
				}
			}
			for _, room := range rooms {
				bob.must("POST", "/v3/join/"+esc(room), nil)
			}
			followers = append(followers, alice.replica(3, false), bob.replica(3, true))
			for _, follower := range followers {
				follower.follow()
				for _, room := range rooms {
					follower.check(room)
				}
			}
		})
	}
}

// happen does one thing in a room.
func happen(random *rand.Rand, room string, alice, bob *client) {
	switch random.IntN(8) {
	case 0:
		alice.setState(room, "m.room.topic", "", object{"topic": fmt.Sprint(random.Uint32())})
	case 1:
		alice.setState(room, "org.example.thing", fmt.Sprint(random.IntN(4)), object{"n": random.Uint32()})
	case 2:
		bob.must("POST", "/v3/join/"+esc(room), nil)
	case 3:
		bob.do("POST", "/v3/rooms/"+esc(room)+"/leave", nil) // refused when he is not in it
	case 4:
		bob.do("PUT", "/v3/rooms/"+esc(room)+"/send/m.room.message/"+fmt.Sprint(random.Uint64()), object{"body": "b"})
	default:
		alice.say(room, "a")
	}
}
