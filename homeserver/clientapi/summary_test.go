package clientapi_test

import (
	"testing"
	"testing/synctest"
)

// A room is described to those who may know of it, also when another server has it.
func TestRoomSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		room := alice.createRoom(object{"preset": "public_chat", "name": "Hall", "room_alias_name": "hall"})
		own := alice.must("GET", "/v1/room_summary/"+esc(room), nil)
		if own["name"] != "Hall" || own["membership"] != "join" || own["num_joined_members"] != 1.0 {
			t.Errorf("alice's room is %v", own)
		}
		for _, name := range []string{esc(room) + "?via=hs0", esc("#hall:hs0")} {
			if got := bob.must("GET", "/v1/room_summary/"+name, nil); got["name"] != "Hall" || got["membership"] != nil {
				t.Errorf("%s is %v", name, got)
			}
		}
		secret := alice.createRoom(object{"preset": "private_chat"})
		bob.refused("GET", "/v1/room_summary/"+esc(secret)+"?via=hs0", nil, 404, "M_NOT_FOUND")
		bob.refused("GET", "/v1/room_summary/"+esc(room), nil, 404, "M_NOT_FOUND") // nobody to ask
		bob.refused("GET", "/v1/room_summary/"+esc("#none:hs0"), nil, 404, "M_NOT_FOUND")
	})
}

func TestMutualRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		shared := alice.createRoom(object{"preset": "public_chat"})
		alice.createRoom(object{"preset": "public_chat"})
		bob.must("POST", "/v3/join/"+esc(shared)+"?via=hs0", nil)
		synctest.Wait()
		for asker, other := range map[*client]*client{alice: bob, bob: alice} {
			got := asker.must("GET", "/v1/mutual_rooms?user_id="+esc(other.user), nil)
			if got["count"] != 1.0 || dig(got, "joined", "0") != shared {
				t.Errorf("%s has in common with %s: %v", asker.user, other.user, got)
			}
		}
		alice.refused("GET", "/v1/mutual_rooms?user_id="+esc(alice.user), nil, 400, "M_INVALID_PARAM")
		alice.refused("GET", "/v1/mutual_rooms?user_id=bob", nil, 400, "M_INVALID_PARAM")
		alice.refused("GET", "/v1/mutual_rooms?user_id=@b:hs0&from=x", nil, 400, "M_INVALID_PARAM")
	})
}
