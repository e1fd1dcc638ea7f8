package clientapi_test

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// relate sends an event that relates to another.
func (c *client) relate(room, kind, relType, target string, content object) string {
	c.t.Helper()
	c.txn++
	content["m.relates_to"] = object{"rel_type": relType, "event_id": target}
	path := "/v3/rooms/" + esc(room) + "/send/" + kind + "/r" + strconv.Itoa(c.txn)
	return c.must("PUT", path, content)["event_id"].(string)
}

func edit(text string) object {
	return object{"msgtype": "m.text", "body": "* " + text, "m.new_content": object{"msgtype": "m.text", "body": text}}
}

func TestRelationsOverFederation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob, room := together(t)
		root := alice.say(room, "one")
		other := alice.say(room, "two")
		alice.relate(room, "m.room.message", "m.replace", root, edit("first"))
		time.Sleep(time.Millisecond) // the later of two edits is the one with the later time
		second := alice.relate(room, "m.room.message", "m.replace", root, edit("second"))
		synctest.Wait()
		bob.relate(room, "m.room.message", "m.replace", root, edit("not bob's to edit"))
		alice.relate(room, "m.room.message", "m.replace", root, object{"msgtype": "m.text", "body": "no new content"})
		inThread := bob.relate(room, "m.room.message", "m.thread", root, object{"msgtype": "m.text", "body": "reply"})
		synctest.Wait()
		latest := alice.relate(room, "m.room.message", "m.thread", root, object{"msgtype": "m.text", "body": "answer"})
		reaction := alice.relate(room, "m.reaction", "m.annotation", inThread, object{})
		ref := alice.relate(room, "org.example.thing", "m.reference", other, object{})
		synctest.Wait()

		base := "/v1/rooms/" + esc(room)
		for _, who := range []*client{alice, bob} {
			got := who.must("GET", "/v3/rooms/"+esc(room)+"/event/"+esc(root), nil)
			bundled := dig(got, "unsigned", "m.relations")
			if dig(got, "content", "body") != "one" || dig(bundled, "m.replace", "event_id") != second {
				t.Errorf("%s sees the edited event as %v", who.user, got)
			}
			if dig(bundled, "m.thread", "count") != 2.0 || dig(bundled, "m.thread", "latest_event", "event_id") != latest ||
				dig(bundled, "m.thread", "current_user_participated") != true {
				t.Errorf("%s sees the thread as %v", who.user, bundled)
			}
			ids := func(query string) []string {
				var ids []string
				for _, event := range list(who.must("GET", base+"/relations/"+query, nil), "chunk") {
					ids = append(ids, event["event_id"].(string))
				}
				return ids
			}
			if got := ids(esc(root) + "/m.thread?dir=f"); !slices.Equal(got, []string{inThread, latest}) {
				t.Errorf("%s: the thread is %v", who.user, got)
			}
			if got := ids(esc(root) + "/m.thread/m.room.message"); !slices.Equal(got, []string{latest, inThread}) {
				t.Errorf("%s: the thread backwards is %v", who.user, got)
			}
			if got := ids(esc(root) + "?limit=2&from=1&dir=f"); len(got) != 2 {
				t.Errorf("%s: a page is %v", who.user, got)
			}
			if got := ids(esc(root) + "?recurse=true&limit=50"); !slices.Contains(got, reaction) {
				t.Errorf("%s: the reaction within the thread is not among %v", who.user, got)
			}
			refs := dig(who.must("GET", "/v3/rooms/"+esc(room)+"/event/"+esc(other), nil), "unsigned", "m.relations", "m.reference", "chunk")
			if dig(refs, "0", "event_id") != ref {
				t.Errorf("%s: references %v", who.user, refs)
			}
			threads := list(who.must("GET", base+"/threads", nil), "chunk")
			if len(threads) != 1 || threads[0]["event_id"] != root {
				t.Errorf("%s: threads %v", who.user, threads)
			}
		}
		alice.must("PUT", "/v3/rooms/"+esc(room)+"/redact/"+esc(second)+"/x", object{})
		got := alice.must("GET", "/v3/rooms/"+esc(room)+"/event/"+esc(root), nil)
		if body := dig(got, "unsigned", "m.relations", "m.replace", "content", "m.new_content", "body"); body != "first" {
			t.Errorf("after the last edit was taken back: %v", body)
		}
		alice.refused("GET", base+"/threads?include=none", nil, 400, "M_INVALID_PARAM")
		alice.refused("GET", base+"/relations/"+esc(root)+"?dir=x", nil, 400, "M_INVALID_PARAM")
		alice.refused("GET", base+"/relations/"+esc("$none"), nil, 404, "M_NOT_FOUND")
	})
}

// TestRelationsOfHistory: what backfill brings is indexed too.
func TestRelationsOfHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, alice, bob := federated(t)
		room := alice.createRoom(object{"preset": "public_chat"})
		root := alice.say(room, "one")
		alice.relate(room, "m.room.message", "m.thread", root, object{"msgtype": "m.text", "body": "reply"})
		bob.must("POST", "/v3/join/"+esc(room)+"?via=hs0", nil)
		bob.sync("")
		page := bob.must("GET", "/v3/rooms/"+esc(room)+"/messages?dir=b&limit=50", nil)
		for _, event := range list(page, "chunk") {
			if event["event_id"] == root && dig(event, "unsigned", "m.relations", "m.thread", "count") != 1.0 {
				t.Errorf("the thread's root is shown as %v", event)
			}
		}
		if threads := list(bob.must("GET", "/v1/rooms/"+esc(room)+"/threads?include=participated", nil), "chunk"); len(threads) != 0 {
			t.Errorf("bob took part in %v", threads)
		}
	})
}
