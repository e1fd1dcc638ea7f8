package clientapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"meshsim/homeserver"
	"meshsim/matrix/event"
)

func TestTable(t *testing.T) {
	var tab table
	serve := func(name string) route {
		return route{serve: func(*call) (any, error) { return name, nil }}
	}
	tab.add("GET", "/a/{x}", serve("variable"))
	tab.add("GET", "/a/b", serve("literal"))
	tab.add("GET", "/a/b/{y}/c", serve("deep"))
	tab.add("PUT", "/a/{x}/{y}", serve("two"))
	for _, test := range []struct {
		method, path, name, x, y string
	}{
		{"GET", "/a/b", "literal", "", ""},
		{"GET", "/a/c", "variable", "c", ""},
		{"GET", "/a/", "variable", "", ""},
		{"GET", "/a/%23c%2Fd%20e", "variable", "#c/d e", ""},
		{"GET", "/a/b/1/c", "deep", "", "1"},
		{"PUT", "/a/b/1", "two", "b", "1"}, // the literal branch ends, the variable one does not
		{"PUT", "/a/c/", "two", "c", ""},
		{"DELETE", "/a/b", "405", "", ""},
		{"GET", "/a", "404", "", ""},
		{"GET", "/", "404", "", ""},
		{"GET", "/a/b/1/d", "404", "", ""},
		{"GET", "/a/%zz", "404", "", ""},
	} {
		found, values, err := tab.find(test.method, test.path)
		name := ""
		if err != nil {
			name = map[int]string{404: "404", 405: "405"}[asAPIError(err).status]
		} else {
			got, _ := found.serve(nil)
			name = got.(string)
		}
		if name != test.name {
			t.Errorf("%s %s: %s, want %s", test.method, test.path, name, test.name)
			continue
		}
		if err == nil && (values["x"] != test.x || values["y"] != test.y) {
			t.Errorf("%s %s: %v", test.method, test.path, values)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"m.room.message", "m.room.message", true},
		{"m.room.message", "m.room.messages", false},
		{"m.*", "m.room.name", true},
		{"*", "", true},
		{"*.name", "m.room.name", true},
		{"m.*.na*e", "m.room.name", true},
		{"m.*.na*e", "m.room.names", false},
		{"a*a", "a", false},
		{"**", "x", true},
	} {
		if got := matches(test.pattern, test.text); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.text, got)
		}
	}
}

func FuzzToken(f *testing.F) {
	for _, seed := range []string{"s0", "s1", "s-1", "s", "", "t1", "s+1", "s01", "s9223372036854775808", "s9007199254740993"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseToken("since", text)
		if err != nil {
			if asAPIError(err).code != "M_INVALID_PARAM" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if token(at) != text {
			t.Errorf("%q means %d, which is %q", text, at, token(at))
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"room":{"timeline":{"limit":1,"types":["m.*"],"not_types":["*.x"]}}}`, `{"room":{"rooms":[]}}`,
		`{"room":{"state":{"lazy_load_members":true}}}`, `{"event_fields":["a.b"]}`, `{"room":null}`, `{"presence":{"limit":-1}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		parsed, err := parseFilter([]byte(text))
		if err != nil {
			if asAPIError(err).code != "M_BAD_JSON" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if limit := parsed.Room.Timeline.limit(); limit < 0 || limit > maxTimeline {
			t.Errorf("%q: a limit of %d", text, limit)
		}
		parsed.Room.room("!a:b")
		parsed.Room.Timeline.allows("m.room.message", "@a:b")
	})
}

func FuzzRoute(f *testing.F) {
	tab := newTable()
	for _, seed := range []string{
		"/_matrix/client/v3/rooms/%21a/state/m.room.name/", "/_matrix/client/v3/sync", "//", "/%", "/_matrix/client/v3/join/%23a%3Ab",
		"/_matrix/client/r0/rooms/a/send/b/c/d", strings.Repeat("/a", 1000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		found, values, err := tab.find("GET", path)
		if err != nil {
			return
		}
		if found.serve == nil {
			t.Errorf("%q leads nowhere", path)
		}
		for name, value := range values {
			if !strings.Contains(path, value) && !strings.Contains(path, "%") {
				t.Errorf("%q: %s=%q, unescaped %v", path, name, value, url.PathEscape(value))
			}
		}
	})
}

// FuzzAccessToken: nothing but the token itself opens the server.
func FuzzAccessToken(f *testing.F) {
	server := homeserver.New(homeserver.Config{Name: "hs0", Passwords: homeserver.NewPasswords()})
	f.Cleanup(server.Close)
	user, err := server.AddAccount(homeserver.Credential{Localpart: "alice"})
	if err != nil {
		f.Fatal(err)
	}
	_, right, err := server.Login(user, "", "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add(right[:len(right)-1])
	f.Add(right + " ")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := server.Authenticate(text); ok && text != right {
			t.Errorf("%q opens the server", text)
		}
	})
}

// Whatever a client asks of a sliding sync is refused or understood, and asking it again is the same wish.
func FuzzSlidingRequest(f *testing.F) {
	f.Add(`{"lists":{"a":{"ranges":[[0,9]],"timeline_limit":1,"required_state":[["*","*"],["m.room.member","$LAZY"]]}}}`)
	f.Add(`{"room_subscriptions":{"!a:b":{"required_state":{"include":[{}],"exclude":[{"type":"x"}],"lazy_members":true}}}}`)
	f.Add(`{"lists":{"a":{"range":[-1,-2],"filters":{"room_types":[null]}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var in slidingRequest
		if json.Unmarshal([]byte(text), &in) != nil {
			return
		}
		for _, list := range in.Lists {
			list.has(0)
			var config roomConfig
			config.add(list.roomConfig)
			matchesElement(list.State.Include, event.Key{Type: "m.room.member", StateKey: "@a:b"}, "@a:b", list.State.Lazy)
			if config.Limit > maxSlidingTimeline || len(config.State.more) != 1 {
				t.Errorf("%s becomes %+v", text, config)
			}
		}
	})
}

// TestSlidesAreOfUsers: who makes many connections loses their own oldest ones, and nobody else's.
func TestSlidesAreOfUsers(t *testing.T) {
	var all slides
	open := func(user, conn, pos string) error {
		_, err := all.of(user, slideKey{"PHONE", conn}, pos)
		return err
	}
	if err := open("@bob:a", "his", ""); err != nil {
		t.Fatal(err)
	}
	for i := range maxSlides + 1 {
		if err := open("@alice:a", fmt.Sprint(i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if open("@bob:a", "his", "1") != nil {
		t.Error("alice's connections took bob's place")
	}
	if open("@alice:a", "0", "1") == nil || open("@alice:a", "1", "1") != nil {
		t.Error("not alice's oldest connection gave way")
	}
}

// TestRequiredStateKey: wishes that differ in what further lists want are different wishes.
func TestRequiredStateKey(t *testing.T) {
	var one, other roomConfig
	one.add(roomConfig{State: requiredState{Lazy: true}})
	other.add(roomConfig{State: requiredState{Include: []stateElement{{}}}})
	if one.State.key() == other.State.key() || one.State.key() == (requiredState{}).key() {
		t.Errorf("the same wish: %s and %s", one.State.key(), other.State.key())
	}
}
