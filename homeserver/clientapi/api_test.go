package clientapi_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestUnknownEndpoints(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	for name, test := range map[string]struct {
		method, path string
		status       int
	}{
		"root":              {"GET", "/", 404},
		"unknown":           {"GET", "/v3/nothing", 404},
		"version":           {"GET", "/v9/sync", 404},
		"shorter":           {"GET", "/v3/rooms", 404},
		"longer":            {"GET", "/v3/sync/now", 404},
		"wrong-method":      {"DELETE", "/v3/sync", 405},
		"wrong-post":        {"GET", "/v3/createRoom", 405},
		"literal-not-taken": {"DELETE", "/v3/devices", 405},
	} {
		t.Run(name, func(t *testing.T) {
			alice.t = t
			alice.refused(test.method, test.path, nil, test.status, "M_UNRECOGNIZED")
		})
	}
	nobody := &client{t: t, api: api}
	nobody.refused("GET", "/v3/nothing", nil, 404, "M_UNRECOGNIZED") // the endpoint is judged before the token
}

func TestPreflight(t *testing.T) {
	_, api := newServer(t, "hs0")
	for _, path := range []string{"/_matrix/client/v3/sync", "/_matrix/client/v3/login", "/nowhere"} {
		recorder := httptest.NewRecorder()
		api.ServeHTTP(recorder, httptest.NewRequest(http.MethodOptions, path, nil))
		header := recorder.Header()
		if recorder.Code != http.StatusNoContent || header.Get("Access-Control-Allow-Origin") != "*" ||
			!strings.Contains(header.Get("Access-Control-Allow-Methods"), "PUT") ||
			!strings.Contains(header.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("OPTIONS %s: %d %v", path, recorder.Code, header)
		}
	}
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/_matrix/client/v3/sync", nil))
	if recorder.Code != 401 || recorder.Header().Get("Access-Control-Allow-Origin") != "*" || recorder.Header().Get("Content-Type") != "application/json" {
		t.Errorf("an error: %d %v", recorder.Code, recorder.Header())
	}
}

// TestFirstRequests are those that clients make when they start: all are answered.
func TestFirstRequests(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	for _, path := range []string{
		"/versions", "/v3/capabilities", "/v3/pushrules/", "/v3/pushrules", "/v3/pushrules/global/", "/v3/voip/turnServer",
		"/v3/thirdparty/protocols", "/v3/account/3pid", "/v3/pushers", "/v3/notifications", "/v3/publicRooms",
		"/v3/joined_rooms", "/v3/devices", "/v3/keys/changes?from=s0&to=s0", "/r0/sync", "/unstable/account/whoami",
		"/v3/presence/" + esc(alice.user) + "/status", "/v1/media/config",
	} {
		alice.must("GET", path, nil)
	}
	for _, path := range []string{"/v3/keys/upload", "/v3/keys/query", "/v3/keys/claim"} {
		alice.must("POST", path, object{})
	}
	alice.must("PUT", "/v3/presence/"+esc(alice.user)+"/status", object{"presence": "online"})
	alice.refused("GET", "/v3/room_keys/version", nil, 404, "M_NOT_FOUND")
	alice.refused("PUT", "/v3/presence/"+esc(alice.user)+"/status", object{"presence": "x"}, 400, "M_INVALID_PARAM")
	alice.refused("GET", "/v3/presence/"+esc("@none:hs0")+"/status", nil, 404, "M_NOT_FOUND")
	if versions := alice.must("GET", "/versions", nil)["versions"].([]any); !slices.Contains(versions, any("v1.1")) {
		t.Errorf("versions: %v", versions)
	}
	if got := dig(alice.must("GET", "/v3/capabilities", nil), "capabilities", "m.room_versions", "default"); got != "12" {
		t.Errorf("default room version: %v", got)
	}
	status, text := alice.raw(t.Context(), "GET", "http://hs0.localhost:3000/.well-known/matrix/client", "")
	if status != 200 || !strings.Contains(string(text), `"base_url":"http://hs0.localhost:3000"`) {
		t.Errorf("well-known: %d %s", status, text)
	}
}

func TestPushRules(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice := newClient(t, server, api, "alice")
	all := alice.must("GET", "/v3/pushrules/", nil)
	if got := len(list(all, "global", "override")); got != 10 {
		t.Errorf("%d override rules", got)
	}
	base := "/v3/pushrules/global/"
	if got := alice.must("GET", base+"override/.m.rule.master", nil); got["enabled"] != false || got["default"] != true {
		t.Errorf("master: %v", got)
	}
	if got := alice.must("GET", base+"underride/.m.rule.message/enabled", nil)["enabled"]; got != true {
		t.Errorf("enabled: %v", got)
	}
	if got := dig(alice.must("GET", base+"underride/.m.rule.message/actions", nil), "actions", "0"); got != "notify" {
		t.Errorf("actions: %v", got)
	}
	invite := alice.must("GET", base+"override/.m.rule.invite_for_me", nil)
	if got := list(invite, "conditions"); len(got) != 3 || got[2]["pattern"] != alice.user {
		t.Errorf("invite_for_me: %v", invite)
	}
	alice.refused("GET", base+"override/none", nil, 404, "M_NOT_FOUND")
	alice.refused("GET", base+"sideride/none", nil, 404, "M_NOT_FOUND")
	alice.refused("GET", base+"override/.m.rule.master/colour", nil, 404, "M_NOT_FOUND")
	alice.refused("PUT", base+"room/mine", object{}, 400, "M_MISSING_PARAM")
}

func TestPublicRooms(t *testing.T) {
	server, api := newServer(t, "hs0")
	alice, bob := newClient(t, server, api, "alice"), newClient(t, server, api, "bob")
	var rooms []string
	for _, name := range []string{"a", "b", "c"} {
		rooms = append(rooms, alice.createRoom(object{"name": name, "visibility": "public"}))
	}
	bob.must("POST", "/v3/join/"+esc(rooms[1]), nil)
	first := alice.must("GET", "/v3/publicRooms?limit=2", nil)
	if got := list(first, "chunk"); len(got) != 2 || got[0]["room_id"] != rooms[1] || first["total_room_count_estimate"] != 3.0 {
		t.Errorf("first page: %v", first)
	}
	second := alice.must("GET", "/v3/publicRooms?limit=2&since="+first["next_batch"].(string), nil)
	if got := list(second, "chunk"); len(got) != 1 || second["next_batch"] != nil || second["prev_batch"] == nil {
		t.Errorf("second page: %v", second)
	}
	path := "/v3/directory/list/room/" + esc(rooms[0])
	if got := bob.must("GET", path, nil)["visibility"]; got != "public" {
		t.Errorf("visibility: %v", got)
	}
	bob.refused("PUT", path, object{"visibility": "private"}, 403, "M_FORBIDDEN")
	alice.refused("PUT", path, object{"visibility": "half"}, 400, "M_INVALID_PARAM")
	alice.must("PUT", path, object{"visibility": "private"})
	if got := len(list(alice.must("GET", "/v3/publicRooms", nil), "chunk")); got != 2 {
		t.Errorf("%d rooms are listed, want 2", got)
	}
	alice.must("GET", "/v3/publicRooms?since=1&limit=9223372036854775807", nil) // whatever is added to it
	alice.refused("GET", "/v3/publicRooms?since=x", nil, 400, "M_INVALID_PARAM")
	alice.refused("GET", "/v3/publicRooms?server=hs1", nil, 502, "M_UNKNOWN")
	alice.refused("GET", "/v3/directory/list/room/!none:hs0", nil, 404, "M_NOT_FOUND")
	alice.refused("POST", "/v3/publicRooms", object{"limit": -1}, 400, "M_INVALID_PARAM")
}
