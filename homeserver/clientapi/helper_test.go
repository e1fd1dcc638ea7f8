package clientapi_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
)

// passwords is shared, as in a mesh: the tests hash few different ones.
var passwords = sync.OnceValue(homeserver.NewPasswords)

// newServer returns a server without federation and its client API.
func newServer(t testing.TB, name string) (*homeserver.Server, http.Handler) {
	t.Helper()
	return serve(t, homeserver.Config{Name: name})
}

func serve(t testing.TB, config homeserver.Config) (*homeserver.Server, http.Handler) {
	t.Helper()
	config.Key = testKey(config.Name)
	config.KeyID = "ed25519:1"
	config.Passwords = passwords()
	server := homeserver.New(config)
	t.Cleanup(server.Close)
	return server, clientapi.Handler(server)
}

func testKey(name string) ed25519.PrivateKey {
	seed := bytes.Repeat([]byte(name+"."), ed25519.SeedSize)[:ed25519.SeedSize]
	return ed25519.NewKeyFromSeed(seed)
}

// object is a JSON object as a client decodes it.
type object = map[string]any

// client is a user of a server.
type client struct {
	t      testing.TB
	api    http.Handler
	server *homeserver.Server
	user   string
	token  string
	device string
	txn    int
}

// newClient registers a user and logs in.
func newClient(t testing.TB, server *homeserver.Server, api http.Handler, name string) *client {
	t.Helper()
	c := &client{t: t, api: api, server: server}
	answer := c.must("POST", "/v3/register", object{
		"username": name, "password": "secret", "auth": object{"type": "m.login.dummy"},
	})
	c.user, c.token, c.device = answer["user_id"].(string), answer["access_token"].(string), answer["device_id"].(string)
	return c
}

// do makes a request below /_matrix/client and returns its status and body.
func (c *client) do(method, path string, body any) (int, object) {
	c.t.Helper()
	status, text := c.raw(context.Background(), method, "/_matrix/client"+path, encode(c.t, body))
	var answer object
	if err := json.Unmarshal(text, &answer); err != nil {
		var list []any
		if json.Unmarshal(text, &list) != nil {
			c.t.Fatalf("%s %s: the answer is not JSON: %q", method, path, text)
		}
		answer = object{"list": list}
	}
	return status, answer
}

func encode(t testing.TB, body any) string {
	t.Helper()
	switch body := body.(type) {
	case nil:
		return ""
	case string:
		return body
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (c *client) raw(ctx context.Context, method, target, body string) (int, []byte) {
	c.t.Helper()
	request := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	recorder := httptest.NewRecorder()
	c.api.ServeHTTP(recorder, request)
	text, err := io.ReadAll(recorder.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if recorder.Header().Get("Access-Control-Allow-Origin") != "*" {
		c.t.Errorf("%s %s: no CORS header", method, target)
	}
	conforms(c.t, method, target, recorder.Code, text)
	return recorder.Code, text
}

// must makes a request that has to succeed.
func (c *client) must(method, path string, body any) object {
	c.t.Helper()
	status, answer := c.do(method, path, body)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

// refused makes a request that has to fail in a certain way.
func (c *client) refused(method, path string, body any, status int, code string) {
	c.t.Helper()
	got, answer := c.do(method, path, body)
	if got != status || answer["errcode"] != code {
		c.t.Errorf("%s %s %v: got %d %v, want %d %s", method, path, body, got, answer, status, code)
	}
}

func (c *client) createRoom(body object) string {
	c.t.Helper()
	return c.must("POST", "/v3/createRoom", body)["room_id"].(string)
}

func (c *client) say(room, text string) string {
	c.t.Helper()
	c.txn++
	path := fmt.Sprintf("/v3/rooms/%s/send/m.room.message/%d", url.PathEscape(room), c.txn)
	return c.must("PUT", path, object{"msgtype": "m.text", "body": text})["event_id"].(string)
}

func (c *client) setState(room, kind, key string, content object) string {
	c.t.Helper()
	return c.must("PUT", statePath(room, kind, key), content)["event_id"].(string)
}

func statePath(room, kind, key string) string {
	return "/v3/rooms/" + url.PathEscape(room) + "/state/" + url.PathEscape(kind) + "/" + url.PathEscape(key)
}

// sync makes a sync; query is "since=...&..." without the leading question mark.
func (c *client) sync(query string) object {
	c.t.Helper()
	return c.must("GET", "/v3/sync?"+query, nil)
}

// dig walks into nested objects; a number is an index of a list. It returns nil where there is nothing.
func dig(v any, path ...string) any {
	for _, step := range path {
		switch at := v.(type) {
		case object:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// list is dig for a list of objects.
func list(v any, path ...string) []object {
	items, _ := dig(v, path...).([]any)
	var objects []object
	for _, item := range items {
		objects = append(objects, item.(object))
	}
	return objects
}

// bodies returns the message texts among events.
func bodies(events []object) []string {
	var texts []string
	for _, event := range events {
		if text, ok := dig(event, "content", "body").(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

func esc(s string) string { return url.PathEscape(s) }

func raws(texts ...string) []json.RawMessage {
	var list []json.RawMessage
	for _, text := range texts {
		list = append(list, json.RawMessage(text))
	}
	return list
}
