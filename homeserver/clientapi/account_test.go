package clientapi_test

import (
	"net/http"
	"strings"
	"testing"

	"meshsim/homeserver"
)

func TestRegister(t *testing.T) {
	server, api := newServer(t, "hs0")
	anyone := &client{t: t, api: api, server: server}

	status, answer := anyone.do("POST", "/v3/register", object{"username": "alice", "password": "secret"})
	if status != http.StatusUnauthorized || dig(answer, "flows", "0", "stages", "0") != "m.login.dummy" {
		t.Fatalf("without auth: %d %v", status, answer)
	}
	session := answer["session"]
	answer = anyone.must("POST", "/r0/register", object{
		"username": "alice", "password": "secret", "device_id": "PHONE",
		"auth": object{"type": "m.login.dummy", "session": session},
	})
	if answer["user_id"] != "@alice:hs0" || answer["device_id"] != "PHONE" || answer["access_token"] == nil {
		t.Fatalf("registered: %v", answer)
	}
	alice := &client{t: t, api: api, token: answer["access_token"].(string)}
	if got := alice.must("GET", "/v3/account/whoami", nil)["user_id"]; got != "@alice:hs0" {
		t.Errorf("whoami: %v", got)
	}

	quiet := anyone.must("POST", "/v3/register", object{
		"password": "secret", "inhibit_login": true, "auth": object{"type": "m.login.dummy"},
	})
	if quiet["access_token"] != nil || !strings.HasPrefix(quiet["user_id"].(string), "@1") {
		t.Errorf("a made-up name without login: %v", quiet)
	}
	if got := anyone.must("GET", "/v3/register/available?username=bob", nil)["available"]; got != true {
		t.Errorf("available: %v", got)
	}
}

func TestRegistrationToken(t *testing.T) {
	server, api := serve(t, homeserver.Config{Name: "hs0", RegistrationToken: "sesame"})
	anyone := &client{t: t, api: api, server: server}
	register := func(auth object) (int, object) {
		body := object{"username": "alice", "password": "secret"}
		if auth != nil {
			body["auth"] = auth
		}
		return anyone.do("POST", "/v3/register", body)
	}
	for name, auth := range map[string]object{
		"no-auth":      nil,
		"dummy":        {"type": "m.login.dummy"},
		"no-token":     {"type": "m.login.registration_token"},
		"wrong-token":  {"type": "m.login.registration_token", "token": "sesam"},
		"own-password": {"type": "m.login.password", "user": "alice", "password": "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := register(auth)
			if status != http.StatusUnauthorized || dig(answer, "flows", "0", "stages", "0") != "m.login.registration_token" {
				t.Errorf("answered %d %v", status, answer)
			}
		})
	}
	if users := server.Users(); len(users) != 0 {
		t.Fatalf("registered without the token: %v", users)
	}
	if status, answer := register(object{"type": "m.login.registration_token", "token": "sesame"}); status != http.StatusOK {
		t.Fatalf("with the token: %d %v", status, answer)
	}

	const validity = "/v1/register/m.login.registration_token/validity"
	for token, want := range map[string]bool{"sesame": true, "sesam": false} {
		if got := anyone.must("GET", validity+"?token="+token, nil)["valid"]; got != want {
			t.Errorf("token %q is valid: %v, want %v", token, got, want)
		}
	}
	if status, answer := anyone.do("GET", validity, nil); status != http.StatusBadRequest || answer["errcode"] != "M_MISSING_PARAM" {
		t.Errorf("validity of no token: %d %v", status, answer)
	}
	_, open := newServer(t, "hs1")
	if got := (&client{t: t, api: open}).must("GET", validity+"?token=x", nil)["valid"]; got != false {
		t.Errorf("an open server calls a token valid: %v", got)
	}
}

func TestRegisterRefused(t *testing.T) {
	server, api := newServer(t, "hs0")
	newClient(t, server, api, "alice")
	anyone := &client{t: t, api: api, server: server}
	dummy := object{"type": "m.login.dummy"}
	for name, test := range map[string]struct {
		path   string
		body   any
		status int
		code   string
	}{
		"taken":          {"/v3/register", object{"username": "alice", "password": "x"}, 400, "M_USER_IN_USE"},
		"capital":        {"/v3/register", object{"username": "Alice", "password": "x"}, 400, "M_INVALID_USERNAME"},
		"colon":          {"/v3/register", object{"username": "a:b", "password": "x"}, 400, "M_INVALID_USERNAME"},
		"too-long":       {"/v3/register", object{"username": strings.Repeat("a", 255), "password": "x"}, 400, "M_INVALID_USERNAME"},
		"no-password":    {"/v3/register", object{"username": "bob", "auth": dummy}, 400, "M_MISSING_PARAM"},
		"long-password":  {"/v3/register", object{"username": "bob", "password": strings.Repeat("x", 600), "auth": dummy}, 400, "M_INVALID_PARAM"},
		"guest":          {"/v3/register?kind=guest", object{}, 403, "M_GUEST_ACCESS_FORBIDDEN"},
		"other-kind":     {"/v3/register?kind=robot", object{}, 400, "M_INVALID_PARAM"},
		"no-json":        {"/v3/register", "{", 400, "M_NOT_JSON"},
		"trailing":       {"/v3/register", "{}{}", 400, "M_NOT_JSON"},
		"no-object":      {"/v3/register", "[]", 400, "M_BAD_JSON"},
		"number":         {"/v3/register", `{"username":7}`, 400, "M_BAD_JSON"},
		"broken-utf8":    {"/v3/register", "{\"username\":\"\xff\"}", 400, "M_NOT_JSON"},
		"huge":           {"/v3/register", `{"username":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "M_TOO_LARGE"},
		"auth-no-object": {"/v3/register", object{"username": "bob", "password": "x", "auth": 1}, 400, "M_BAD_JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			anyone.t = t
			anyone.refused("POST", test.path, test.body, test.status, test.code)
		})
	}
	if server.HasUser("@bob:hs0") {
		t.Error("a refused registration made an account")
	}
}

func TestLogin(t *testing.T) {
	server, api := newServer(t, "hs0")
	hash, err := passwords().Hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.AddAccount(homeserver.Credential{Localpart: "matthew", PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	anyone := &client{t: t, api: api, server: server}
	if got := dig(anyone.must("GET", "/v3/login", nil), "flows", "0", "type"); got != "m.login.password" {
		t.Errorf("flows: %v", got)
	}
	for name, body := range map[string]object{
		"identifier":    {"type": "m.login.password", "password": "secret", "identifier": object{"type": "m.id.user", "user": "matthew"}},
		"full-id":       {"type": "m.login.password", "password": "secret", "identifier": object{"type": "m.id.user", "user": "@matthew:hs0"}},
		"user":          {"type": "m.login.password", "password": "secret", "user": "matthew"},
		"named-device":  {"type": "m.login.password", "password": "secret", "user": "matthew", "device_id": "TV"},
		"unknown-field": {"type": "m.login.password", "password": "secret", "user": "matthew", "org.example": 1},
	} {
		t.Run(name, func(t *testing.T) {
			anyone.t = t
			answer := anyone.must("POST", "/v3/login", body)
			if answer["user_id"] != "@matthew:hs0" || answer["access_token"] == nil || answer["device_id"] == nil {
				t.Fatalf("%v", answer)
			}
			if id := body["device_id"]; id != nil && answer["device_id"] != id {
				t.Errorf("device %v, want %v", answer["device_id"], id)
			}
		})
	}
	for name, test := range map[string]struct {
		body   any
		status int
		code   string
	}{
		"wrong-password":  {object{"type": "m.login.password", "password": "Secret", "user": "matthew"}, 403, "M_FORBIDDEN"},
		"no-such-user":    {object{"type": "m.login.password", "password": "secret", "user": "nobody"}, 403, "M_FORBIDDEN"},
		"other-server":    {object{"type": "m.login.password", "password": "secret", "user": "@matthew:hs1"}, 403, "M_FORBIDDEN"},
		"no-password":     {object{"type": "m.login.password", "user": "matthew"}, 400, "M_MISSING_PARAM"},
		"no-user":         {object{"type": "m.login.password", "password": "secret"}, 400, "M_MISSING_PARAM"},
		"no-type":         {object{"user": "matthew", "password": "secret"}, 400, "M_MISSING_PARAM"},
		"other-type":      {object{"type": "m.login.token", "token": "x"}, 400, "M_UNKNOWN"},
		"third-party":     {object{"type": "m.login.password", "password": "secret", "identifier": object{"type": "m.id.phone"}}, 400, "M_UNKNOWN"},
		"long-device":     {object{"type": "m.login.password", "password": "secret", "user": "matthew", "device_id": strings.Repeat("x", 300)}, 400, "M_INVALID_PARAM"},
		"password-number": {object{"type": "m.login.password", "password": 1, "user": "matthew"}, 400, "M_BAD_JSON"},
		"not-json":        {"type=m.login.password", 400, "M_NOT_JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			anyone.t = t
			anyone.refused("POST", "/v3/login", test.body, test.status, test.code)
		})
	}
}

func TestTokensEnd(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	login := func(device string) *client {
		answer := alice.must("POST", "/v3/login", object{
			"type": "m.login.password", "user": "alice", "password": "secret", "device_id": device,
		})
		return &client{t: t, api: api, server: server, user: alice.user, token: answer["access_token"].(string)}
	}
	tv, again := login("TV"), (*client)(nil)
	again = login("TV")
	tv.refused("GET", "/v3/account/whoami", nil, 401, "M_UNKNOWN_TOKEN") // replaced
	if got := len(list(alice.must("GET", "/v3/devices", nil), "devices")); got != 2 {
		t.Errorf("%d devices, want 2", got)
	}
	again.must("POST", "/v3/logout", nil)
	again.refused("GET", "/v3/account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	alice.must("GET", "/v3/account/whoami", nil)
	other := login("PC")
	alice.must("POST", "/v3/logout/all", object{})
	other.refused("GET", "/v3/account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	alice.refused("GET", "/v3/account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	nobody := &client{t: t, api: api}
	nobody.refused("GET", "/v3/account/whoami", nil, 401, "M_MISSING_TOKEN")
	nobody.must("GET", "/versions", nil)
}

func TestTokenInQuery(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	nobody := &client{t: t, api: api}
	nobody.must("GET", "/v3/account/whoami?access_token="+alice.token, nil)
	nobody.refused("GET", "/v3/account/whoami?access_token=x", nil, 401, "M_UNKNOWN_TOKEN")
}

func TestChangePassword(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	status, answer := alice.do("POST", "/v3/account/password", object{"new_password": "better"})
	if status != 401 || dig(answer, "flows", "0", "stages", "0") != "m.login.password" {
		t.Fatalf("without auth: %d %v", status, answer)
	}
	auth := object{"type": "m.login.password", "password": "wrong", "identifier": object{"type": "m.id.user", "user": "alice"}}
	alice.refused("POST", "/v3/account/password", object{"new_password": "better", "auth": auth}, 401, "M_FORBIDDEN")
	auth["password"] = "secret"
	alice.must("POST", "/v3/account/password", object{"new_password": "better", "auth": auth})
	for password, want := range map[string]bool{"secret": false, "better": true} {
		if right, err := server.CheckPassword(t.Context(), alice.user, password); err != nil || right != want {
			t.Errorf("that %q is the password is said to be %t: %v", password, right, err)
		}
	}
}

func TestDevices(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	path := "/v3/devices/" + alice.device
	alice.must("PUT", path, object{"display_name": "telephone"})
	if got := alice.must("GET", path, nil)["display_name"]; got != "telephone" {
		t.Errorf("renamed to %v", got)
	}
	alice.refused("GET", "/v3/devices/none", nil, 404, "M_NOT_FOUND")
	alice.refused("PUT", "/v3/devices/none", object{}, 404, "M_NOT_FOUND")
	alice.refused("PUT", path, object{"display_name": strings.Repeat("x", 300)}, 400, "M_INVALID_PARAM")
	if status, _ := alice.do("DELETE", path, object{}); status != 401 {
		t.Errorf("delete without password: %d", status)
	}
	auth := object{"type": "m.login.password", "password": "secret", "user": "alice"}
	alice.must("POST", "/v3/delete_devices", object{"devices": []string{}, "auth": auth})
	alice.must("DELETE", path, object{"auth": auth})
	alice.refused("GET", path, nil, 401, "M_UNKNOWN_TOKEN")
}

func TestDeactivate(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	room := alice.createRoom(object{"preset": "public_chat"})
	bob.must("POST", "/v3/rooms/"+esc(room)+"/join", nil)
	if status, answer := bob.do("POST", "/v3/account/deactivate", object{}); status != 401 || answer["flows"] == nil {
		t.Errorf("without the password: %d %v", status, answer)
	}
	auth := object{"type": "m.login.password", "password": "secret", "identifier": object{"type": "m.id.user", "user": "bob"}}
	bob.must("POST", "/v3/account/deactivate", object{"auth": auth})
	bob.refused("GET", "/v3/account/whoami", nil, 401, "M_UNKNOWN_TOKEN")
	bob.refused("POST", "/v3/login", object{"type": "m.login.password", "user": "bob", "password": "secret"}, 403, "M_FORBIDDEN")
	bob.refused("POST", "/v3/register", object{"username": "bob", "password": "x", "auth": object{"type": "m.login.dummy"}}, 400, "M_USER_IN_USE")
	if got := alice.must("GET", statePath(room, "m.room.member", bob.user), nil)["membership"]; got != "leave" {
		t.Errorf("the membership of a deactivated user: %v", got)
	}
}
