package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
)

// kill leaves what a killed process would, and goes on with that: a copy of the database while it is open.
func (m *mesh) kill(names ...string) {
	m.t.Helper()
	for _, peer := range m.peers {
		m.must(peer.Server.Durable(m.t.Context()))
	}
	left := m.t.TempDir()
	thaw := m.db.Freeze()
	m.must(os.CopyFS(left, os.DirFS(m.dir)))
	thaw()
	m.close()
	m.dir = left
	m.open(names...)
}

// household are two servers with a user each, whose clients' requests and answers are all that is looked at.
type household struct {
	*mesh
	room   string
	tokens map[string]string // by server
	notes  map[string]string // what one step of a case tells the next
}

func newHousehold(t *testing.T) *household {
	h := &household{mesh: newMesh(t, t.TempDir(), "a", "b"), tokens: map[string]string{}, notes: map[string]string{}}
	for server, name := range map[string]string{"a": "alice", "b": "bob"} {
		answer := h.ask(server, "POST", "/client/v3/register", fmt.Sprintf(
			`{"username":%q,"password":"first secret","device_id":"PHONE","auth":{"type":"m.login.dummy"}}`, name))
		h.tokens[server] = field(answer, "access_token")
	}
	h.room = field(h.ask("a", "POST", "/client/v3/createRoom", `{"preset":"public_chat"}`), "room_id")
	h.ask("b", "POST", "/client/v3/join/"+h.room+"?via=a", `{}`)
	return h
}

// request asks a server's client API, below /_matrix, as its user.
func (h *household) request(server, method, path, body string) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, "/_matrix"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token := h.tokens[server]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	clientapi.Handler(h.server(server)).ServeHTTP(w, r)
	return w
}

// ask is a request that must succeed.
func (h *household) ask(server, method, path, body string) string {
	h.t.Helper()
	w := h.request(server, method, path, body)
	if w.Code != http.StatusOK {
		h.t.Fatalf("%s %s at %s: %d %s", method, path, server, w.Code, w.Body)
	}
	return w.Body.String()
}

// refused is a request that must fail.
func (h *household) refused(server, method, path, body, errcode string) {
	h.t.Helper()
	w := h.request(server, method, path, body)
	if field(w.Body.String(), "errcode") != errcode {
		h.t.Errorf("%s %s at %s: %d %s, not %s", method, path, server, w.Code, w.Body, errcode)
	}
}

// say sends a message and returns its event's id.
func (h *household) say(txn string) string {
	h.t.Helper()
	return field(h.ask("a", "PUT", "/client/v3/rooms/"+h.room+"/send/m.room.message/"+txn, `{"body":"`+txn+`","msgtype":"m.text"}`), "event_id")
}

// field is a member of a JSON object, as a string.
func field(answer, name string) string {
	var object map[string]any
	_ = json.Unmarshal([]byte(answer), &object) // then there is none
	value, _ := object[name].(string)
	return value
}

// passing is what differs from answer to answer.
var passing = regexp.MustCompile(`"(age|last_seen_ts|next_batch|prev_batch|start|end)":("[^"]*"|\d+),?`)

// keptCases: all that clients and other servers have entrusted to a server, as far as it shows.
var keptCases = []struct {
	slug string
	do   func(*household)
	see  []string             // at a, "PATH" or "POST PATH BODY": the answers are the same before and after
	then func(h *household)   // after
	more func(*household) any // looked at before and after; may be nil
}{
	{slug: "media", do: func(h *household) {
		var picture bytes.Buffer
		h.must(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 300, 200))))
		h.notes["media"] = field(h.ask("a", "POST", "/media/v3/upload?filename=p.png", picture.String()), "content_uri")[len("mxc://"):]
		h.notes["reserved"] = field(h.ask("a", "POST", "/media/v1/create", ``), "content_uri")[len("mxc://"):]
	}, see: []string{"/client/v1/media/download/{media}", "/client/v1/media/thumbnail/{media}?width=64&height=64&method=crop"}, then: func(h *household) {
		h.ask("a", "PUT", "/media/v3/upload/"+h.notes["reserved"], "late")
		if got := h.ask("a", "GET", "/client/v1/media/download/"+h.notes["reserved"], ""); got != "late" {
			h.t.Errorf("the reserved file is %q", got)
		}
	}},
	{slug: "knock", do: func(h *household) {
		h.notes["room"] = field(h.ask("a", "POST", "/client/v3/createRoom",
			`{"initial_state":[{"type":"m.room.join_rules","state_key":"","content":{"join_rule":"knock"}}]}`), "room_id")
		h.ask("b", "POST", "/client/v3/knock/"+h.notes["room"]+"?via=a", `{"reason":"please"}`)
	}, see: []string{"/client/v3/rooms/{room}/state/m.room.member/@bob:b"}, more: func(h *household) any {
		var answer struct {
			Rooms struct{ Knock map[string]any }
		}
		h.must(json.Unmarshal([]byte(h.ask("b", "GET", "/client/v3/sync", "")), &answer))
		return answer.Rooms.Knock
	}, then: func(h *household) {
		h.ask("a", "POST", "/client/v3/rooms/"+h.notes["room"]+"/invite", `{"user_id":"@bob:b"}`)
		h.ask("b", "POST", "/client/v3/rooms/"+h.notes["room"]+"/join", `{}`)
	}},
	{slug: "transactions", do: func(h *household) {
		h.notes["said"] = h.say("once")
		h.notes["redacted"] = field(h.ask("a", "PUT", "/client/v3/rooms/"+h.room+"/redact/"+h.notes["said"]+"/once", `{}`), "event_id")
		h.ask("a", "PUT", "/client/v3/sendToDevice/m.test/once", `{"messages":{"@alice:a":{"PHONE":{"n":1}}}}`)
	}, then: func(h *household) {
		if again := h.say("once"); again != h.notes["said"] {
			h.t.Errorf("the message is sent twice, as %s and %s", h.notes["said"], again)
		}
		again := field(h.ask("a", "PUT", "/client/v3/rooms/"+h.room+"/redact/"+h.notes["said"]+"/once", `{}`), "event_id")
		if again != h.notes["redacted"] {
			h.t.Errorf("the redaction is sent twice, as %s and %s", h.notes["redacted"], again)
		}
		h.ask("a", "PUT", "/client/v3/sendToDevice/m.test/once", `{"messages":{"@alice:a":{"PHONE":{"n":1}}}}`)
		if n := strings.Count(h.ask("a", "GET", "/client/v3/sync", ""), `"m.test"`); n != 1 {
			h.t.Errorf("the message to the device came %d times", n)
		}
	}},
	{slug: "pushers", do: func(h *household) {
		h.ask("a", "POST", "/client/v3/pushers/set", `{"app_id":"app","pushkey":"k","kind":"http","app_display_name":"App",
			"device_display_name":"Phone","lang":"en","data":{"url":"https://push.example/_matrix/push/v1/notify"}}`)
	}, see: []string{"/client/v3/pushers"}},
	{slug: "push-rules", do: func(h *household) {
		h.ask("a", "PUT", "/client/v3/pushrules/global/content/tea", `{"actions":["notify"],"pattern":"tea"}`)
		h.ask("a", "PUT", "/client/v3/pushrules/global/underride/.m.rule.message/enabled", `{"enabled":false}`)
	}, see: []string{"/client/v3/pushrules/"}},
	{slug: "backup", do: func(h *household) {
		h.ask("a", "POST", "/client/v3/room_keys/version", `{"algorithm":"m.megolm_backup.v1.curve25519-aes-sha2","auth_data":{"public_key":"x"}}`)
		h.ask("a", "PUT", "/client/v3/room_keys/keys/!r:a/one?version=1", `{"first_message_index":1,"forwarded_count":0,"is_verified":true,"session_data":{}}`)
		h.ask("a", "PUT", "/client/v3/room_keys/keys/!r:a/two?version=1", `{"first_message_index":1,"forwarded_count":0,"is_verified":true,"session_data":{}}`)
		h.ask("a", "DELETE", "/client/v3/room_keys/keys/!r:a/two?version=1", ``)
	}, see: []string{"/client/v3/room_keys/version", "/client/v3/room_keys/keys?version=1"}, then: func(h *household) {
		h.ask("a", "DELETE", "/client/v3/room_keys/version/1", ``)
		h.kill("a", "b")
		answer := h.ask("a", "POST", "/client/v3/room_keys/version", `{"algorithm":"m.megolm_backup.v1.curve25519-aes-sha2","auth_data":{}}`)
		if version := field(answer, "version"); version != "2" {
			h.t.Errorf("the backup after the first, which was deleted, is number %q", version)
		}
	}},
	{slug: "keys", do: func(h *household) {
		h.ask("a", "POST", "/client/v3/keys/upload", `{"device_keys":{"user_id":"@alice:a","device_id":"PHONE","algorithms":[],"keys":{},"signatures":{}},
			"one_time_keys":{"signed_curve25519:A":{"key":"a"},"signed_curve25519:B":{"key":"b"}},"fallback_keys":{"signed_curve25519:F":{"key":"f","fallback":true}}}`)
		h.notes["claimed"] = h.ask("b", "POST", "/client/v3/keys/claim", `{"one_time_keys":{"@alice:a":{"PHONE":"signed_curve25519"}}}`)
	}, see: []string{`POST /client/v3/keys/query {"device_keys":{"@alice:a":[]}}`}, then: func(h *household) {
		for range 2 { // the other one, and the fallback
			next := h.ask("b", "POST", "/client/v3/keys/claim", `{"one_time_keys":{"@alice:a":{"PHONE":"signed_curve25519"}}}`)
			if next == h.notes["claimed"] || !strings.Contains(next, `"key"`) {
				h.t.Errorf("after %s came %s", h.notes["claimed"], next)
			}
			h.notes["claimed"] = next
		}
	}},
	{slug: "cross-signing", do: func(h *household) {
		encrypt(h.t.(*testing.T), h.mesh, "@alice:a", h.phone())
	}, see: []string{`POST /client/v3/keys/query {"device_keys":{"@alice:a":[]}}`}},
	{slug: "to-device", do: func(h *household) {
		h.ask("b", "PUT", "/client/v3/sendToDevice/m.far/1", `{"messages":{"@alice:a":{"PHONE":{"from":"b"}}}}`)
		eventually(h.t, "the message came", func() bool { return strings.Contains(h.ask("a", "GET", "/client/v3/sync", ""), "m.far") })
		h.ask("a", "PUT", "/client/v3/sendToDevice/m.near/1", `{"messages":{"@alice:a":{"*":{"from":"a"}}}}`)
	}, see: []string{"/client/v3/sync"}},
	{slug: "filter", do: func(h *household) {
		h.ask("a", "POST", "/client/v3/user/@alice:a/filter", `{"room":{"timeline":{"limit":3}}}`)
		h.notes["filter"] = field(h.ask("a", "POST", "/client/v3/user/@alice:a/filter", `{"room":{"timeline":{"limit":7}}}`), "filter_id")
	}, see: []string{"/client/v3/user/@alice:a/filter/{filter}"}},
	{slug: "receipts", do: func(h *household) {
		first, second := h.say("first"), h.say("second")
		h.ask("a", "POST", "/client/v3/rooms/"+h.room+"/receipt/m.read/"+first, `{}`)
		h.ask("a", "POST", "/client/v3/rooms/"+h.room+"/receipt/m.read.private/"+second, `{}`)
		h.ask("a", "POST", "/client/v3/rooms/"+h.room+"/receipt/m.read/"+second, `{"thread_id":"main"}`)
		eventually(h.t, "b has the message", func() bool { return h.has("b", h.room, first) })
		h.ask("b", "POST", "/client/v3/rooms/"+h.room+"/receipt/m.read/"+first, `{}`)
		eventually(h.t, "a has b's receipt", func() bool {
			_, ok := h.server("a").ReceiptOf(h.room, "@bob:b", "m.read", "")
			return ok
		})
	}, more: func(h *household) any {
		found := map[string]any{}
		for _, r := range h.server("a").EphemeralBetween(h.room, "@alice:a", -1<<40, 1<<40).Receipts {
			found[fmt.Sprintf("%s %s %q", r.User, r.Kind, r.Thread)] = fmt.Sprint(r.Event, r.At.UnixMilli())
		}
		return found
	}},
	{slug: "read-markers", do: func(h *household) {
		id := h.say("marked")
		h.ask("a", "POST", "/client/v3/rooms/"+h.room+"/read_markers", `{"m.fully_read":"`+id+`","m.read":"`+id+`"}`)
	}, see: []string{"/client/v3/user/@alice:a/rooms/{main}/account_data/m.fully_read"}},
	{slug: "account-data", do: func(h *household) {
		h.ask("a", "PUT", "/client/v3/user/@alice:a/account_data/org.example", `{"n":1}`)
		h.ask("a", "PUT", "/client/v3/user/@alice:a/rooms/"+h.room+"/account_data/org.example", `{"n":2}`)
		h.ask("a", "PUT", "/client/v3/user/@alice:a/rooms/"+h.room+"/tags/m.favourite", `{"order":0.5}`)
	}, see: []string{
		"/client/v3/user/@alice:a/account_data/org.example", "/client/v3/user/@alice:a/rooms/{main}/account_data/org.example",
		"/client/v3/user/@alice:a/rooms/{main}/tags",
	}},
	{slug: "tokens", do: func(h *household) {
		login := h.ask("a", "POST", "/client/v3/login",
			`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"},"password":"first secret","device_id":"TABLET","refresh_token":true}`)
		h.notes["refresh"] = field(login, "refresh_token")
		h.notes["old"] = h.notes["refresh"]
		h.notes["refresh"] = field(h.ask("a", "POST", "/client/v3/refresh", `{"refresh_token":"`+h.notes["refresh"]+`"}`), "refresh_token")
	}, see: []string{"/client/v3/account/whoami", "/client/v3/devices"}, then: func(h *household) {
		h.refused("a", "POST", "/client/v3/refresh", `{"refresh_token":"`+h.notes["old"]+`"}`, "M_UNKNOWN_TOKEN")
		h.ask("a", "POST", "/client/v3/refresh", `{"refresh_token":"`+h.notes["refresh"]+`"}`)
	}},
	{slug: "password", do: func(h *household) {
		h.ask("a", "POST", "/client/v3/account/password", `{"new_password":"second secret","logout_devices":false,
			"auth":{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"},"password":"first secret"}}`)
	}, then: func(h *household) {
		const login = `{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"},"password":"%s secret"}`
		h.refused("a", "POST", "/client/v3/login", fmt.Sprintf(login, "first"), "M_FORBIDDEN")
		h.ask("a", "POST", "/client/v3/login", fmt.Sprintf(login, "second"))
	}},
	{slug: "deactivated", do: func(h *household) {
		h.ask("b", "POST", "/client/v3/account/deactivate", `{"auth":{"type":"m.login.password",
			"identifier":{"type":"m.id.user","user":"bob"},"password":"first secret"}}`)
	}, then: func(h *household) {
		h.refused("b", "GET", "/client/v3/account/whoami", "", "M_UNKNOWN_TOKEN")
		h.refused("b", "POST", "/client/v3/register", `{"username":"bob","password":"x","auth":{"type":"m.login.dummy"}}`, "M_USER_IN_USE")
	}},
	{slug: "aliases", do: func(h *household) {
		h.ask("a", "PUT", "/client/v3/directory/room/%23here:a", `{"room_id":"`+h.room+`"}`)
		h.ask("a", "PUT", "/client/v3/directory/room/%23gone:a", `{"room_id":"`+h.room+`"}`)
		h.ask("a", "DELETE", "/client/v3/directory/room/%23gone:a", ``)
		h.ask("a", "PUT", "/client/v3/directory/list/room/"+h.room, `{"visibility":"public"}`)
	}, see: []string{"/client/v3/directory/room/%23here:a", "/client/v3/rooms/{main}/aliases", "/client/v3/directory/list/room/{main}", "/client/v3/publicRooms"}},
	{slug: "profile", do: func(h *household) {
		h.ask("a", "PUT", "/client/v3/profile/@alice:a/displayname", `{"displayname":"Alice"}`)
		h.ask("a", "PUT", "/client/v3/profile/@alice:a/m.tz", `{"m.tz":"Europe/Vienna"}`)
	}, see: []string{"/client/v3/profile/@alice:a"}},
	{slug: "forgotten", do: func(h *household) {
		h.notes["room"] = field(h.ask("a", "POST", "/client/v3/createRoom", `{}`), "room_id")
		h.ask("a", "POST", "/client/v3/rooms/"+h.notes["room"]+"/leave", `{}`)
		h.ask("a", "POST", "/client/v3/rooms/"+h.notes["room"]+"/forget", `{}`)
	}, then: func(h *household) {
		if all := h.ask("a", "GET", `/client/v3/sync?filter={"room":{"include_leave":true}}`, ""); strings.Contains(all, h.notes["room"]) {
			h.t.Error("the forgotten room is back")
		}
	}},
	{slug: "position", do: func(h *household) {
		h.notes["since"] = field(h.ask("a", "GET", "/client/v3/sync", ""), "next_batch")
		h.ask("b", "POST", "/client/v3/keys/upload", `{"device_keys":{"user_id":"@bob:b","device_id":"PHONE","algorithms":[],"keys":{},"signatures":{}}}`)
		h.notes["said"] = h.say("later")
	}, see: []string{"/client/v3/rooms/{main}/messages?dir=b&limit=5"}, more: func(h *household) any {
		// b tells of its keys again when it does not know that a has got it. While that is taken in, the change is too new.
		var answer map[string]any
		eventually(h.t, "a knows of b's keys", func() bool {
			raw := h.ask("a", "GET", "/client/v3/sync?since="+h.notes["since"], "")
			h.must(json.Unmarshal([]byte(raw), &answer))
			return strings.Contains(raw, `"@bob:b"`)
		})
		return canonicalAnswer(string(h.encode(answer)))
	}},
}

// phone is the device that alice is logged in with.
func (h *household) phone() *homeserver.Device {
	device, ok := h.server("a").Authenticate(h.tokens["a"])
	if !ok {
		h.t.Fatal("nobody is logged in")
	}
	return device
}

// look is what all that a case sees looks like.
func (h *household) look(see []string, more func(*household) any) map[string]string {
	h.t.Helper()
	names := []string{"{main}", h.room}
	for name, value := range h.notes {
		names = append(names, "{"+name+"}", value)
	}
	seen := map[string]string{}
	for _, what := range see {
		path := strings.NewReplacer(names...).Replace(what)
		method, body := "GET", ""
		if rest, posts := strings.CutPrefix(path, "POST "); posts {
			method = "POST"
			path, body, _ = strings.Cut(rest, " ")
		}
		seen[what] = canonicalAnswer(h.ask("a", method, path, body))
	}
	if more != nil {
		seen["more"] = string(h.encode(more(h)))
	}
	return seen
}

func (h *household) encode(value any) []byte {
	h.t.Helper()
	raw, err := json.Marshal(value)
	h.must(err)
	return raw
}

// canonicalAnswer is an answer without what differs each time, its members in order.
func canonicalAnswer(answer string) string {
	var value any
	if json.Unmarshal([]byte(answer), &value) != nil {
		return answer // a file
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return passing.ReplaceAllString(string(raw), "")
}

// TestKept: whatever --data promises to keep is the same after a kill, through the eyes of clients.
func TestKept(t *testing.T) {
	for _, c := range keptCases {
		t.Run(c.slug, func(t *testing.T) {
			h := newHousehold(t)
			c.do(h)
			before := h.look(c.see, c.more)
			for what, seen := range before {
				if len(seen) < len(`{"a":1}`) {
					t.Errorf("there was nothing to keep: %s is %s", what, seen)
				}
			}
			h.kill("a", "b")
			if diff := cmp.Diff(before, h.look(c.see, c.more)); diff != "" {
				t.Errorf("after the kill (+) it is not what it was (-):\n%s", diff)
			}
			if c.then != nil {
				c.then(h)
			}
		})
	}
}
