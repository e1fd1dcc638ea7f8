package clientapi

import (
	"encoding/json"
	"net/http"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// sendMessage sends a message event, once for each transaction id of the device.
func sendMessage(c *call) (any, error) {
	content, err := c.body()
	if err != nil {
		return nil, err
	}
	draft := homeserver.Draft{Type: c.vars["eventType"], Content: content}
	if draft.Type == matrix.TypeRedaction {
		draft.Redacts = redactsOf(content)
	}
	return c.sendOnce(draft)
}

// redactsOf reads the target of a redaction that a client sends like a message (room version 11).
func redactsOf(content json.RawMessage) string {
	var in struct {
		Redacts string `json:"redacts"`
	}
	_ = json.Unmarshal(content, &in) // no string: there is no target, which Send refuses
	return in.Redacts
}

// sendRedaction redacts an event, once for each transaction id of the device.
func sendRedaction(c *call) (any, error) {
	reason, err := c.reason()
	if err != nil {
		return nil, err
	}
	return c.sendOnce(homeserver.Draft{
		Type:    matrix.TypeRedaction,
		Redacts: c.vars["eventId"],
		Content: marshal(leaving(reason)),
	})
}

func (c *call) sendOnce(draft homeserver.Draft) (any, error) {
	if err := checkChosen("the transaction id", c.vars["txnId"]); err != nil {
		return nil, err
	}
	draft.RoomID, draft.Sender = c.vars["roomId"], c.user()
	// The path is that of the request without its version: r0 and v3 are the same endpoint.
	txn := homeserver.Transaction{
		Endpoint: draft.RoomID + " " + draft.Type + " " + c.vars["eventId"],
		ID:       c.vars["txnId"],
	}
	id, err := c.device.Once(c.r.Context(), txn, func(built func(string)) error {
		draft.Built = built
		draft.Alongside = func(event string) []homeserver.Change { return c.device.Made(txn, event) }
		_, err := c.server.Send(c.r.Context(), draft)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"event_id": id}, nil
}

// putState sends a state event.
func putState(c *call) (any, error) {
	content, err := c.body()
	if err != nil {
		return nil, err
	}
	kind, key := c.vars["eventType"], c.vars["stateKey"]
	if kind == matrix.TypeMember {
		return c.putMember(key, content)
	}
	if kind == matrix.TypeCanonicalAlias {
		if err := c.checkAliases(content); err != nil {
			return nil, err
		}
	}
	return c.sendState(kind, key, content)
}

func (c *call) sendState(kind, key string, content json.RawMessage) (any, error) {
	pdu, err := c.server.Send(c.r.Context(), homeserver.Draft{
		RoomID:   c.vars["roomId"],
		Sender:   c.user(),
		Type:     kind,
		StateKey: event.StateKey(key),
		Content:  content,
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"event_id": pdu.ID()}, nil
}

// putMember sends a member event. Those that may need another server (joins, invites, a user's own leaving)
// take the way that the endpoints for them take.
func (c *call) putMember(user string, content json.RawMessage) (any, error) {
	var in struct {
		Membership matrix.Membership `json:"membership"`
	}
	if err := decodeJSON(content, &in); err != nil {
		return nil, err
	}
	roomID, ctx := c.vars["roomId"], c.r.Context()
	before, _ := c.server.MembershipOf(c.user(), roomID)
	var err error
	switch {
	case in.Membership == matrix.Invite:
		err = c.server.Invite(ctx, c.user(), user, roomID, content)
	case in.Membership == matrix.Join && user == c.user() && before.Membership != matrix.Join:
		err = c.server.Join(ctx, user, roomID, c.routes(roomID, before, nil), content)
	case in.Membership == matrix.Leave && user == c.user():
		err = c.server.Leave(ctx, user, roomID, content)
	default:
		return c.sendState(matrix.TypeMember, user, content)
	}
	if err != nil {
		return nil, err
	}
	return c.memberEventID(user)
}

// memberEventID answers with the member event in force: the one that the request has just made.
func (c *call) memberEventID(user string) (any, error) {
	roomID := c.vars["roomId"]
	if room, ok := c.server.Room(roomID); ok {
		if pdu := room.State().Get(matrix.TypeMember, user); pdu != nil {
			return map[string]any{"event_id": pdu.ID()}, nil
		}
	}
	m, _ := c.server.MembershipOf(user, roomID)
	if m.Event == nil {
		return nil, notFound("%s has no membership in %s", user, roomID)
	}
	return map[string]any{"event_id": m.Event.ID()}, nil
}

// canonicalAlias is the content of m.room.canonical_alias.
type canonicalAlias struct {
	Alias string   `json:"alias"`
	Alt   []string `json:"alt_aliases"`
}

// checkAliases refuses a canonical alias that does not lead to the room (client-server API,
// m.room.canonical_alias).
func (c *call) checkAliases(content json.RawMessage) error {
	var in canonicalAlias
	if err := decodeJSON(content, &in); err != nil {
		return err
	}
	if in.Alias != "" {
		in.Alt = append(in.Alt, in.Alias)
	}
	known := c.knownAliases()
	for _, alias := range in.Alt {
		if known[alias] {
			continue
		}
		if _, err := matrix.ParseRoomAlias(alias); err != nil {
			return invalid("%v", err)
		}
		roomID, _, err := c.server.ResolveAlias(c.r.Context(), alias)
		if err != nil || roomID != c.vars["roomId"] {
			return errorf(http.StatusBadRequest, "M_BAD_ALIAS", "the alias %s does not lead to this room: set it first", alias)
		}
	}
	return nil
}

// knownAliases are those of the event in force, which need no second look.
func (c *call) knownAliases() map[string]bool {
	room, ok := c.server.Room(c.vars["roomId"])
	if !ok {
		return nil
	}
	pdu := room.State().Get(matrix.TypeCanonicalAlias, "")
	if pdu == nil {
		return nil
	}
	var in canonicalAlias
	if json.Unmarshal(pdu.Content(), &in) != nil {
		return nil
	}
	known := map[string]bool{in.Alias: true}
	for _, alias := range in.Alt {
		known[alias] = true
	}
	return known
}
