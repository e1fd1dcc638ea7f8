//go:build linux && docker

package docker_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"meshsim/matrix"
	"meshsim/node/nodetest"
)

var userCases = []interop{
	{"profile", profile},
	{"public-rooms", publicRooms},
	{"hierarchy", hierarchy},
	{"media", media},
	{"typing", typing},
	{"receipts", receipts},
	{"presence", presence},
	{"to-device", toDevice},
	{"device-keys", deviceKeys},
	{"cross-signing", crossSigning},
	{"device-gone", deviceGone},
}

// profile: asked for, and told to the rooms when it changes.
func profile(t *testing.T, s *sides) {
	room := s.shared(t, nil)
	do(t, s.host, http.MethodPut, "/profile/"+url.PathEscape(s.host.User)+"/displayname", object{"displayname": "the host"}, nil)
	var answer struct {
		DisplayName string `json:"displayname"`
	}
	do(t, s.guest, http.MethodGet, "/profile/"+url.PathEscape(s.host.User), nil, &answer)
	if answer.DisplayName != "the host" {
		t.Errorf("the host is called %q", answer.DisplayName)
	}
	refused(t, s.guest, http.MethodGet, "/profile/"+url.PathEscape("@nobody:"+s.hostName), nil, http.StatusNotFound)
	eventually(t, "the room knows the new name", func() bool {
		var member object
		do(t, s.guest, http.MethodGet, in(room, "/state/m.room.member/%s", s.host.User), nil, &member)
		return member["displayname"] == "the host"
	})
}

// publicRooms: with and without a search.
func publicRooms(t *testing.T, s *sides) {
	name := "listed by " + s.hostName
	room := s.room(t, object{"visibility": "public", "name": name})
	for method, body := range map[string]any{http.MethodGet: nil, http.MethodPost: object{"filter": object{"generic_search_term": name}}} {
		eventually(t, "the directory has the room, asked with "+method, func() bool {
			var answer object
			do(t, s.guest, method, "/publicRooms?server="+s.hostName, body, &answer)
			return slices.ContainsFunc(list(answer, "chunk"), func(r object) bool { return r["room_id"] == room && r["name"] == name })
		})
	}
	// A search for something else does not find it.
	var none object
	do(t, s.guest, http.MethodPost, "/publicRooms?server="+s.hostName, object{"filter": object{"generic_search_term": "unheard of"}}, &none)
	if found := list(none, "chunk"); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

// hierarchy: a space with a room that the guest's server is not in.
func hierarchy(t *testing.T, s *sides) {
	child := s.room(t, object{"name": "child"})
	secret := s.room(t, object{"preset": "private_chat", "name": "secret"})
	space := s.shared(t, object{"name": "space", "creation_content": object{"type": "m.space"}})
	for _, room := range []string{child, secret} {
		do(t, s.host, http.MethodPut, in(space, "/state/m.space.child/%s", room), object{"via": []string{s.hostName}}, nil)
	}
	eventually(t, "the guest sees the space with its child, and no secret", func() bool {
		var answer object
		do(t, s.guest, http.MethodGet, "/_matrix/client/v1"+in(space, "/hierarchy"), nil, &answer)
		var names []string
		for _, room := range list(answer, "rooms") {
			names = append(names, fmt.Sprint(room["name"]))
		}
		slices.Sort(names)
		return slices.Equal(names, []string{"child", "space"})
	})
}

// media: JSON, because that is what the client of these tests takes.
func media(t *testing.T, s *sides) {
	want := object{"from": s.hostName}
	var uploaded struct {
		URI string `json:"content_uri"`
	}
	do(t, s.host, http.MethodPost, "/_matrix/media/v3/upload?filename=a.json", want, &uploaded)
	uri, err := url.Parse(uploaded.URI)
	if err != nil {
		t.Fatal(err)
	}
	var got object
	do(t, s.guest, http.MethodGet, "/_matrix/client/v1/media/download/"+uri.Host+uri.Path, nil, &got)
	if got["from"] != s.hostName {
		t.Errorf("downloaded %v", got)
	}
	refused(t, s.guest, http.MethodGet, "/_matrix/client/v1/media/download/"+uri.Host+"/unknown", nil, http.StatusNotFound)
}

func typing(t *testing.T, s *sides) {
	room := s.shared(t, nil)
	f := follow(t, s.guest)
	for _, is := range []bool{true, false} {
		do(t, s.host, http.MethodPut, in(room, "/typing/%s", s.host.User), object{"typing": is, "timeout": 30000}, nil)
		f.until(t, fmt.Sprintf("typing: %v", is), func(sync object) bool {
			for _, e := range list(sync, "rooms", "join", room, "ephemeral", "events") {
				if e["type"] == "m.typing" {
					users, _ := dig(e, "content", "user_ids").([]any)
					return slices.Contains(users, any(s.host.User)) == is
				}
			}
			return false
		})
	}
}

func receipts(t *testing.T, s *sides) {
	room := s.shared(t, nil)
	event := s.guest.Send(t, room, "read this")
	shows(t, s.host, room, "read this")
	f := follow(t, s.guest)
	do(t, s.host, http.MethodPost, in(room, "/receipt/m.read/%s", event), object{}, nil)
	f.until(t, "the receipt", func(sync object) bool {
		for _, e := range list(sync, "rooms", "join", room, "ephemeral", "events") {
			if e["type"] == "m.receipt" {
				return dig(e, "content", event, "m.read", s.host.User) != nil
			}
		}
		return false
	})
}

func presence(t *testing.T, s *sides) {
	s.shared(t, nil)
	f := follow(t, s.guest)
	// Who syncs is online, whatever they said before: so the host only says something, and at once something else.
	for _, message := range []string{"at " + s.hostName, "still at " + s.hostName} {
		do(t, s.host, http.MethodPut, "/presence/"+url.PathEscape(s.host.User)+"/status",
			object{"presence": "online", "status_msg": message}, nil)
		f.until(t, "the presence "+message, func(sync object) bool {
			return slices.ContainsFunc(list(sync, "presence", "events"), func(e object) bool {
				return e["sender"] == s.host.User && dig(e, "content", "status_msg") == message
			})
		})
	}
}

func device(t *testing.T, c *nodetest.Client) string {
	t.Helper()
	var who struct {
		DeviceID string `json:"device_id"`
	}
	do(t, c, http.MethodGet, "/account/whoami", nil, &who)
	return who.DeviceID
}

func toDevice(t *testing.T, s *sides) {
	f := follow(t, s.guest)
	for i, to := range []string{device(t, s.guest), "*"} {
		messages := object{s.guest.User: object{to: object{"n": i}}}
		do(t, s.host, http.MethodPut, fmt.Sprintf("/sendToDevice/org.example.test/%s-%d", s.hostName, i), object{"messages": messages}, nil)
		f.until(t, "the message to "+to, func(sync object) bool {
			for _, e := range list(sync, "to_device", "events") {
				if e["type"] == "org.example.test" && e["sender"] == s.host.User && dig(e, "content", "n") == float64(i) {
					return true
				}
			}
			return false
		})
	}
}

// signed is an object with a signature of its own user.
func signed(t *testing.T, o object, user, keyID string, key ed25519.PrivateKey) object {
	t.Helper()
	raw, err := json.Marshal(o)
	if err == nil {
		raw, err = matrix.SignJSON(raw, matrix.ServerName(user), matrix.KeyID(keyID), key)
	}
	var out object
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newKey(t *testing.T) (public string, key ed25519.PrivateKey) {
	t.Helper()
	p, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return matrix.EncodeBase64(p), key
}

// uploadDevice uploads keys of a client's device, and one one-time key.
func uploadDevice(t *testing.T, c *nodetest.Client) (deviceID, public string) {
	t.Helper()
	deviceID = device(t, c)
	public, key := newKey(t)
	keyID := "ed25519:" + deviceID
	do(t, c, http.MethodPost, "/keys/upload", object{
		"device_keys": signed(t, object{
			"user_id": c.User, "device_id": deviceID, "algorithms": []string{"m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"},
			"keys": object{keyID: public, "curve25519:" + deviceID: public},
		}, c.User, keyID, key),
		"one_time_keys": object{"signed_curve25519:AAAAAQ": signed(t, object{"key": public}, c.User, keyID, key)},
	}, nil)
	return deviceID, public
}

// changed says whether a sync tells that a user's devices have changed.
func changed(user string) func(sync object) bool {
	return func(sync object) bool {
		users, _ := dig(sync, "device_lists", "changed").([]any)
		return slices.Contains(users, any(user))
	}
}

// member is a new user on the host's server who shares a room with the guest.
func (s *sides) member(t *testing.T, name string) *nodetest.Client {
	t.Helper()
	c := &nodetest.Client{API: s.host.API}
	if err := c.Register(t.Context(), name+"-"+s.hostName, "secret"); err != nil {
		t.Fatal(err)
	}
	room := s.shared(t, nil)
	c.Join(t, room, s.hostName)
	becomes(t, s.guest, room, c.User, "join")
	return c
}

// deviceKeys: the guest is told that there are keys, asks for them, and claims the one one-time key.
func deviceKeys(t *testing.T, s *sides) {
	owner := s.member(t, "keys")
	f := follow(t, s.guest)
	deviceID, public := uploadDevice(t, owner)
	f.until(t, "new devices", changed(owner.User))
	eventually(t, "the guest has the keys", func() bool {
		var answer object
		do(t, s.guest, http.MethodPost, "/keys/query", object{"device_keys": object{owner.User: []string{}}}, &answer)
		return dig(answer, "device_keys", owner.User, deviceID, "keys", "ed25519:"+deviceID) == public
	})
	claim := object{"one_time_keys": object{owner.User: object{deviceID: "signed_curve25519"}}}
	for _, want := range []bool{true, false} {
		var answer object
		do(t, s.guest, http.MethodPost, "/keys/claim", claim, &answer)
		if got := dig(answer, "one_time_keys", owner.User, deviceID, "signed_curve25519:AAAAAQ") != nil; got != want {
			t.Errorf("claimed %v, want a key: %v", answer, want)
		}
	}
}

// crossSigning: the guest is told of the keys that sign devices.
func crossSigning(t *testing.T, s *sides) {
	owner := s.member(t, "cross")
	f := follow(t, s.guest)
	master, masterKey := newKey(t)
	self, _ := newKey(t)
	do(t, owner, http.MethodPost, "/keys/device_signing/upload", object{
		"master_key": object{"user_id": owner.User, "usage": []string{"master"}, "keys": object{"ed25519:" + master: master}},
		"self_signing_key": signed(t, object{
			"user_id": owner.User, "usage": []string{"self_signing"}, "keys": object{"ed25519:" + self: self},
		}, owner.User, "ed25519:"+master, masterKey),
	}, nil)
	f.until(t, "new keys", changed(owner.User))
	eventually(t, "the guest has the keys", func() bool {
		var answer object
		do(t, s.guest, http.MethodPost, "/keys/query", object{"device_keys": object{owner.User: []string{}}}, &answer)
		return dig(answer, "master_keys", owner.User, "keys", "ed25519:"+master) == master &&
			dig(answer, "self_signing_keys", owner.User, "keys", "ed25519:"+self) == self
	})
}

// deviceGone: a device that logs out is gone on the other server too.
func deviceGone(t *testing.T, s *sides) {
	owner := s.member(t, "gone")
	deviceID, _ := uploadDevice(t, owner)
	known := func() bool {
		var answer object
		do(t, s.guest, http.MethodPost, "/keys/query", object{"device_keys": object{owner.User: []string{}}}, &answer)
		return dig(answer, "device_keys", owner.User, deviceID) != nil
	}
	eventually(t, "the guest knows the device", known)
	f := follow(t, s.guest)
	do(t, owner, http.MethodPost, "/logout", object{}, nil)
	f.until(t, "the change", changed(owner.User))
	eventually(t, "the guest has forgotten the device", func() bool { return !known() })
}
