package clientapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"meshsim/homeserver"
)

// abused is a server with an account, a room, and a way to send it anything.
type abused struct {
	api   http.Handler
	token string
	room  string
}

func newAbused(t testing.TB) *abused {
	t.Helper()
	server := homeserver.New(homeserver.Config{Name: "hs0", KeyID: "ed25519:1", Key: make([]byte, 64), Passwords: homeserver.NewPasswords()})
	t.Cleanup(server.Close)
	user, err := server.AddAccount(homeserver.Credential{Localpart: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := server.Login(user, "", "")
	if err != nil {
		t.Fatal(err)
	}
	room, err := server.CreateRoom(t.Context(), homeserver.NewRoom{Creator: user})
	if err != nil {
		t.Fatal(err)
	}
	return &abused{api: Handler(server), token: token, room: room}
}

// send makes a request and judges the answer: JSON, an error only with an errcode, and never one of the
// server's own.
func (a *abused) send(t *testing.T, method, target, body string) {
	t.Helper()
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return // no client can send it
	}
	request := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
	request.Method, request.URL, request.RequestURI = method, parsed, target
	request.Header.Set("Authorization", "Bearer "+a.token)
	recorder := httptest.NewRecorder()
	a.api.ServeHTTP(recorder, request)
	status, text := recorder.Code, recorder.Body.Bytes()
	if status >= 500 && status != http.StatusBadGateway {
		t.Errorf("%s %s %q: %d %s", method, target, body, status, text)
	}
	if status == http.StatusNoContent {
		return
	}
	if !json.Valid(text) {
		t.Errorf("%s %s: the answer is not JSON: %q", method, target, text)
	}
	var failure struct{ Errcode, Session string }
	if status >= 400 && (json.Unmarshal(text, &failure) != nil || failure.Errcode == "" && failure.Session == "") {
		t.Errorf("%s %s: %d without errcode: %s", method, target, status, text)
	}
}

// visit calls back with each endpoint, its variables filled in.
func visit(s *segment, path string, fill func(name string) string, each func(method, path string)) {
	for method := range s.methods {
		each(method, path)
	}
	for step, next := range s.literal {
		visit(next, path+"/"+step, fill, each)
	}
	if s.variable != nil {
		visit(s.variable, path+"/"+url.PathEscape(fill(s.variable.name)), fill, each)
	}
}

// TestNonsense sends nonsense to every endpoint.
func TestNonsense(t *testing.T) {
	bodies := []string{
		"", "{}", "[]", "null", "0", `"x"`, "{", "\xff", strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000), `{"a":1e999}`,
		`{"auth":{},"type":{},"identifier":1,"user_id":{},"room_id":[],"displayname":1,"timeout":"x","limit":{},"invite":1}`,
		`{"type":null,"user_id":null,"room_id":null,"preset":null,"invite":null,"initial_state":null,"search_term":null,"typing":null}`,
		`{"initial_state":[null,{}],"creation_content":{"room_version":[]},"power_level_content_override":{"users":1}}`,
		`{"power_level_content_override":{"users":{"x":"y"},"events":[]},"room_version":"11"}`,
		`{"creation_content":{"additional_creators":[1,{}]}}`, `{"limit":-9223372036854775808,"since":"x"}`,
		`{"membership":"join","content":{"content":{}}}`, `{"timeout":9223372036854775807,"typing":true}`,
	}
	fills := map[string]func(a *abused, name string) string{
		"right": func(a *abused, name string) string {
			switch name {
			case "roomId", "roomIdOrAlias":
				return a.room
			case "userId", "stateKey":
				return "@alice:hs0"
			case "roomAlias":
				return "#x:hs0"
			}
			return "x"
		},
		"empty":   func(*abused, string) string { return "" },
		"strange": func(*abused, string) string { return "../%00?#\x00\xff/" },
		"member": func(a *abused, name string) string {
			if name == "eventType" {
				return "m.room.member"
			}
			return a.room
		},
		"long": func(*abused, string) string { return strings.Repeat("é", 500) },
	}
	for name, fill := range fills {
		t.Run(name, func(t *testing.T) {
			a := newAbused(t)
			visit(&sharedTable().root, "", func(name string) string { return fill(a, name) }, func(method, path string) {
				if strings.Contains(path, "/logout") {
					return
				}
				for _, body := range bodies {
					a.send(t, method, path, body)
					a.send(t, method, path+"?limit=x&since=s&from=%00&dir=b&filter=%7B&timeout=0", body)
				}
			})
		})
	}
}

func FuzzRequest(f *testing.F) {
	a := newAbused(f)
	visit(&sharedTable().root, "", func(string) string { return "x" }, func(method, path string) {
		f.Add(method, path, `{"type":"x"}`)
	})
	base := "/_matrix/client/v3/rooms/" + url.PathEscape(a.room)
	f.Add("PUT", base+"/state/m.room.power_levels/", `{"users":{"@alice:hs0":100},"events":{"m.room.name":-1}}`)
	f.Add("PUT", base+"/send/m.room.message/1", `{"body":"x"}`)
	f.Add("GET", base+"/messages?dir=b&from=s1&to=s0&limit=3", "")
	f.Add("GET", "/_matrix/client/v3/sync?since=s3&full_state=true", "")
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if strings.Contains(target, "timeout") || strings.Contains(target, "logout") || strings.Contains(target, "device") {
			return // these wait, or end the session
		}
		a.send(t, method, target, body)
	})
}
