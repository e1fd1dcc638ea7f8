package talk

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// Message is an event of a room as one server has it.
type Message struct {
	EventID string
	Type    string
	Sender  string
	Body    string // of a message; of other events what they say, in a few words
	TS      int64  // origin_server_ts, ms since 1970
}

// Send sends a text message to a room as the account of a server, and returns its event id.
func (t *Talk) Send(ctx context.Context, roomID string, server int, body string) (string, error) {
	if _, err := t.Room(roomID); err != nil {
		return "", err
	}
	var answer struct {
		EventID string `json:"event_id"`
	}
	err := t.accounts.ask(ctx, call{
		server: server,
		what:   "to send a message",
		method: http.MethodPut,
		path:   roomPath(roomID) + "/send/m.room.message/" + rand.Text(),
		body:   map[string]string{"msgtype": "m.text", "body": body},
	}, &answer)
	return answer.EventID, err
}

// Messages returns the last events of a room as a server has them, the newest last. The limit is at least 1.
func (t *Talk) Messages(ctx context.Context, roomID string, server, limit int) ([]Message, error) {
	if _, err := t.Room(roomID); err != nil {
		return nil, err
	}
	var answer struct {
		Chunk []event `json:"chunk"`
	}
	query := url.Values{"dir": {"b"}, "limit": {strconv.Itoa(limit)}}
	err := t.accounts.ask(ctx, call{
		server: server,
		what:   "to show the room",
		method: http.MethodGet,
		path:   roomPath(roomID) + "/messages?" + query.Encode(),
	}, &answer)
	if err != nil {
		return nil, err
	}
	messages := make([]Message, len(answer.Chunk))
	for i, e := range answer.Chunk {
		messages[i] = e.message()
	}
	slices.Reverse(messages)
	return messages, nil
}

func roomPath(roomID string) string {
	return "/_matrix/client/v3/rooms/" + url.PathEscape(roomID)
}

// event is an event in the client's format (client-server specification, "Room event format").
type event struct {
	ID      string          `json:"event_id"`
	Type    string          `json:"type"`
	Sender  string          `json:"sender"`
	TS      json.Number     `json:"origin_server_ts"`
	Content json.RawMessage `json:"content"`
}

func (e event) message() Message {
	ts, _ := e.TS.Int64() // 0 where the sender wrote something else
	return Message{EventID: e.ID, Type: e.Type, Sender: e.Sender, Body: e.summary(), TS: ts}
}

// summary is what the event says. Contents are anybody's, so each field is read by itself and a field of a
// wrong type reads as empty.
func (e event) summary() string {
	var content map[string]json.RawMessage
	_ = json.Unmarshal(e.Content, &content) // no object: every field is empty
	switch e.Type {
	case "m.room.message":
		return text(content, "body")
	case "m.room.member":
		return text(content, "membership")
	case "m.room.name":
		return text(content, "name")
	case "m.room.topic":
		return text(content, "topic")
	case "m.room.create":
		return fmt.Sprintf("room version %s", text(content, "room_version"))
	}
	return ""
}

func text(content map[string]json.RawMessage, field string) string {
	var s string
	_ = json.Unmarshal(content[field], &s) // absent or of another type: empty
	return s
}
