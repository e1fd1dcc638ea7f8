package clientapi

import (
	"encoding/json"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// clientEvent is an event as clients see it (client-server API, room event format).
type clientEvent struct {
	Type     string          `json:"type"`
	ID       matrix.EventID  `json:"event_id"`
	Sender   matrix.UserID   `json:"sender"`
	At       int64           `json:"origin_server_ts"` // ms since the epoch
	StateKey *string         `json:"state_key,omitempty"`
	RoomID   matrix.RoomID   `json:"room_id,omitempty"` // left out in /sync
	Redacts  matrix.EventID  `json:"redacts,omitempty"`
	Content  json.RawMessage `json:"content"`
	Unsigned unsigned        `json:"unsigned"`
}

// unsigned is what this server adds for one client.
type unsigned struct {
	Age             int64             `json:"age"` // ms
	Transaction     string            `json:"transaction_id,omitempty"`
	PrevContent     json.RawMessage   `json:"prev_content,omitempty"`
	ReplacesState   matrix.EventID    `json:"replaces_state,omitempty"`
	RedactedBecause *clientEvent      `json:"redacted_because,omitempty"`
	Membership      matrix.Membership `json:"membership,omitempty"`
	Relations       *bundle           `json:"m.relations,omitempty"`
}

// presenter turns events into what one device sees.
type presenter struct {
	server  *homeserver.Server // knows what relates to events; nil to leave that out
	room    *homeserver.Room
	device  *homeserver.Device
	now     time.Time
	inSync  bool // events of /sync do not repeat the room id
	federal bool // the filter's event_format "federation"
}

func (c *call) presenter(room *homeserver.Room) presenter {
	return presenter{server: c.server, room: room, device: c.device, now: time.Now()}
}

// entry presents a line of the room's log.
func (p presenter) entry(e homeserver.Entry) any {
	if p.federal {
		return p.visible(e.Event)
	}
	shown := p.event(e.Event)
	shown.Unsigned.Membership = e.State.Membership(p.device.User)
	return shown
}

// state presents an event of the room's state.
func (p presenter) state(pdu *event.PDU) any {
	if p.federal {
		return p.visible(pdu)
	}
	return p.event(pdu)
}

// visible is the event in the form that may be shown: redacted when it was.
func (p presenter) visible(pdu *event.PDU) *event.PDU {
	if p.room == nil {
		return pdu
	}
	return p.room.Shown(pdu)
}

// event presents an event with what relates to it.
func (p presenter) event(pdu *event.PDU) *clientEvent {
	shown := p.plain(pdu)
	if p.room != nil {
		shown.Unsigned.Relations = p.bundled(p.visible(pdu))
	}
	return shown
}

// plain presents an event without what relates to it.
func (p presenter) plain(pdu *event.PDU) *clientEvent {
	pdu = p.visible(pdu)
	shown := p.bare(pdu)
	id := string(pdu.ID())
	if string(pdu.Sender()) == p.device.User {
		shown.Unsigned.Transaction, _ = p.device.TransactionOf(id)
	}
	if p.room == nil {
		return shown
	}
	if pdu.IsState() {
		p.addReplaced(pdu, shown)
	}
	if because, ok := p.room.RedactedBecause(id); ok {
		shown.Unsigned.RedactedBecause = p.bare(because)
	}
	return shown
}

// addReplaced says which state event this one took the place of.
func (p presenter) addReplaced(pdu *event.PDU, shown *clientEvent) {
	before, ok := p.room.StateBefore(string(pdu.ID()))
	if !ok {
		return
	}
	replaced := before.Get(pdu.Key().Type, pdu.Key().StateKey)
	if replaced == nil {
		return
	}
	shown.Unsigned.PrevContent = replaced.Content()
	shown.Unsigned.ReplacesState = replaced.ID()
}

// bare presents what the event itself says. Clients find the target of a redaction at the top level and in
// content, whatever the room version (room version 11, redactions).
func (p presenter) bare(pdu *event.PDU) *clientEvent {
	shown := &clientEvent{
		Type:    pdu.Type(),
		ID:      pdu.ID(),
		Sender:  pdu.Sender(),
		At:      pdu.OriginServerTS(),
		Content: pdu.Content(),
		Redacts: pdu.Redacts(),
	}
	shown.Unsigned.Age = max(0, p.now.Sub(pdu.Time()).Milliseconds())
	if key, ok := pdu.StateKey(); ok {
		shown.StateKey = &key
	}
	if !p.inSync {
		shown.RoomID = pdu.RoomID()
	}
	if shown.Redacts != "" {
		shown.Content = withRedacts(shown.Content, shown.Redacts)
	}
	return shown
}

func withRedacts(content json.RawMessage, target matrix.EventID) json.RawMessage {
	if matrix.Lookup(content, "redacts") != nil {
		return content
	}
	quoted, err := json.Marshal(target)
	if err != nil {
		return content
	}
	with, err := matrix.SetMember(content, "redacts", quoted)
	if err != nil {
		return content
	}
	return with
}

// all presents a list, never as null.
func (p presenter) all(pdus []*event.PDU) []any {
	shown := make([]any, 0, len(pdus))
	for _, pdu := range pdus {
		shown = append(shown, p.state(pdu))
	}
	return shown
}

func (p presenter) entries(entries []homeserver.Entry) []any {
	shown := make([]any, 0, len(entries))
	for _, entry := range entries {
		shown = append(shown, p.entry(entry))
	}
	return shown
}
