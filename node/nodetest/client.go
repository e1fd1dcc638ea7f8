package nodetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Client is a user of one server, through any handler of its client-server API.
type Client struct {
	API   http.Handler
	User  string // after Login or Register
	token string
	txn   int
}

// Do makes a request and decodes its answer into out, which may be nil. It returns the status. The path stands below
// /_matrix/client/v3, unless it begins with /_matrix.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) (status int, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	target := path
	if !strings.HasPrefix(path, "/_matrix/") {
		target = "/_matrix/client/v3" + path
	}
	req := httptest.NewRequestWithContext(ctx, method, "http://client"+target, bytes.NewReader(body))
	if in == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	rec := httptest.NewRecorder()
	c.API.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		return rec.Code, fmt.Errorf("%s %s: %d %s", method, path, rec.Code, bytes.TrimSpace(rec.Body.Bytes()))
	}
	if out == nil {
		return rec.Code, nil
	}
	return rec.Code, json.Unmarshal(rec.Body.Bytes(), out)
}

// must is Do for what has to work.
func (c *Client) must(t testing.TB, method, path string, in, out any) {
	t.Helper()
	if _, err := c.Do(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

type object = map[string]any

// Login logs in with a password.
func (c *Client) Login(ctx context.Context, user, password string) error {
	var answer struct {
		UserID      string `json:"user_id"`
		AccessToken string `json:"access_token"`
	}
	_, err := c.Do(ctx, http.MethodPost, "/login", object{
		"type": "m.login.password", "identifier": object{"type": "m.id.user", "user": user}, "password": password,
	}, &answer)
	c.User, c.token = answer.UserID, answer.AccessToken
	return err
}

// Register makes an account and logs in.
func (c *Client) Register(ctx context.Context, user, password string) error {
	var answer struct {
		UserID      string `json:"user_id"`
		AccessToken string `json:"access_token"`
	}
	_, err := c.Do(ctx, http.MethodPost, "/register", object{
		"username": user, "password": password, "auth": object{"type": "m.login.dummy"},
	}, &answer)
	c.User, c.token = answer.UserID, answer.AccessToken
	return err
}

// CreateRoom creates a public room and returns its id.
func (c *Client) CreateRoom(t testing.TB) string {
	t.Helper()
	var answer struct {
		RoomID string `json:"room_id"`
	}
	c.must(t, http.MethodPost, "/createRoom", object{"preset": "public_chat"}, &answer)
	return answer.RoomID
}

// Join joins a room through a server.
func (c *Client) Join(t testing.TB, roomID, via string) {
	t.Helper()
	c.must(t, http.MethodPost, "/join/"+url.PathEscape(roomID)+"?via="+via+"&server_name="+via, object{}, nil)
}

// Send sends a text and returns the event's id.
func (c *Client) Send(t testing.TB, roomID, text string) string {
	t.Helper()
	c.txn++
	var answer struct {
		EventID string `json:"event_id"`
	}
	path := fmt.Sprintf("/rooms/%s/send/m.room.message/t%d", url.PathEscape(roomID), c.txn)
	c.must(t, http.MethodPut, path, object{"msgtype": "m.text", "body": text}, &answer)
	return answer.EventID
}

// Texts returns the texts of a room's latest messages, newest first.
func (c *Client) Texts(t testing.TB, roomID string) []string {
	t.Helper()
	var answer struct {
		Chunk []struct {
			Type    string `json:"type"`
			Content struct {
				Body string `json:"body"`
			} `json:"content"`
		} `json:"chunk"`
	}
	c.must(t, http.MethodGet, "/rooms/"+url.PathEscape(roomID)+"/messages?dir=b&limit=100", nil, &answer)
	var texts []string
	for _, e := range answer.Chunk {
		if e.Type == "m.room.message" {
			texts = append(texts, e.Content.Body)
		}
	}
	return texts
}

// Members returns how many users have joined a room.
func (c *Client) Members(t testing.TB, roomID string) int {
	t.Helper()
	var answer struct {
		Joined object `json:"joined"`
	}
	c.must(t, http.MethodGet, "/rooms/"+url.PathEscape(roomID)+"/joined_members", nil, &answer)
	return len(answer.Joined)
}

// SetTopic sets a room's topic.
func (c *Client) SetTopic(t testing.TB, roomID, topic string) {
	t.Helper()
	c.must(t, http.MethodPut, "/rooms/"+url.PathEscape(roomID)+"/state/m.room.topic/", object{"topic": topic}, nil)
}

// State returns a room's current state: event ids by type and state key.
func (c *Client) State(t testing.TB, roomID string) map[[2]string]string {
	t.Helper()
	var events []struct {
		ID       string `json:"event_id"`
		Type     string `json:"type"`
		StateKey string `json:"state_key"`
	}
	c.must(t, http.MethodGet, "/rooms/"+url.PathEscape(roomID)+"/state", nil, &events)
	state := make(map[[2]string]string, len(events))
	for _, e := range events {
		state[[2]string{e.Type, e.StateKey}] = e.ID
	}
	return state
}
