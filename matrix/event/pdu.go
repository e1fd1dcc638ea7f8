package event

import (
	"encoding/json"
	"sync/atomic"
	"time"

	"meshsim/matrix"
)

// PDU is one event of a room. Slices that it returns alias it and must not be changed.
type PDU struct {
	version  *matrix.RoomVersion
	id       matrix.EventID
	roomID   matrix.RoomID
	kind     string
	stateKey string
	sender   matrix.UserID

	json    []byte          // canonical, without unsigned
	content json.RawMessage // a part of json
	prev    []matrix.EventID
	auth    []matrix.EventID
	depth   int64
	ts      int64

	membership matrix.Membership
	hasRoomID  bool
	isState    bool
	redacted   bool

	decoded atomic.Pointer[decoded]
}

// Version is the room version that the event was parsed with.
func (p *PDU) Version() *matrix.RoomVersion { return p.version }

// ID is "$" and the reference hash. An event and its redacted form have the same.
func (p *PDU) ID() matrix.EventID { return p.id }

// RoomID is the event's room; for a create event of room version 12 it is derived from the event id.
func (p *PDU) RoomID() matrix.RoomID { return p.roomID }

// HasRoomID tells whether room_id was spelled out, which create events of room version 12 may not do.
func (p *PDU) HasRoomID() bool { return p.hasRoomID }

// Type is the event type, such as "m.room.message".
func (p *PDU) Type() string { return p.kind }

// StateKey returns the state key, and whether there is one, that is, whether this is a state event.
func (p *PDU) StateKey() (string, bool) {
	return p.stateKey, p.isState
}

// IsState tells whether the event has a state key.
func (p *PDU) IsState() bool { return p.isState }

// Is tells whether this is the state event of that type and state key.
func (p *PDU) Is(kind, stateKey string) bool {
	return p.isState && p.kind == kind && p.stateKey == stateKey
}

// Key is the place of a state event in the room state; the zero Key for other events.
func (p *PDU) Key() Key {
	if !p.isState {
		return Key{}
	}
	return Key{Type: p.kind, StateKey: p.stateKey}
}

// Sender is the user who sent the event.
func (p *PDU) Sender() matrix.UserID { return p.sender }

// Content is the canonical JSON of the content object.
func (p *PDU) Content() json.RawMessage { return p.content }

// PrevEvents are the forward extremities the sender knew.
func (p *PDU) PrevEvents() []matrix.EventID { return p.prev }

// AuthEvents are the state events that authorise this one.
func (p *PDU) AuthEvents() []matrix.EventID { return p.auth }

// Depth is the sender's claim of the event's depth in the graph, from 0 to 2^53-1.
func (p *PDU) Depth() int64 { return p.depth }

// OriginServerTS is the sender's wall clock in milliseconds since the Unix epoch.
func (p *PDU) OriginServerTS() int64 { return p.ts }

// Time is OriginServerTS as a time.
func (p *PDU) Time() time.Time { return time.UnixMilli(p.ts) }

// Redacts is the event that an m.room.redaction wants redacted, "" for other events. Where it stands depends
// on the room version.
func (p *PDU) Redacts() matrix.EventID {
	if p.kind != matrix.TypeRedaction {
		return ""
	}
	place := json.RawMessage(p.json)
	if p.version.RedactsInContent {
		place = p.content
	}
	target, _ := unquote(matrix.Lookup(place, "redacts"))
	return matrix.EventID(target)
}

// Membership is content.membership of an m.room.member event, "" for others or when it is no string.
func (p *PDU) Membership() matrix.Membership { return p.membership }

// JSON is the event as servers send it to each other: canonical, with hashes and signatures, without unsigned.
func (p *PDU) JSON() json.RawMessage { return p.json }

// MarshalJSON returns JSON, so that a *PDU can stand in a response body.
func (p *PDU) MarshalJSON() ([]byte, error) { return p.json, nil }

// Redacted tells whether this is the redacted form.
func (p *PDU) Redacted() bool { return p.redacted }

// Stripped is the stripped state form that invites and knocks carry to clients: type, state_key, sender and
// content (Matrix client-server specification, "Stripped state").
func (p *PDU) Stripped() json.RawMessage {
	return matrix.AppendFiltered(nil, p.json, func(key []byte) bool {
		switch string(key) {
		case "content", "sender", "state_key", "type":
			return true
		}
		return false
	})
}

// Key is a place in the room state.
type Key struct {
	Type     string
	StateKey string
}

// Compare orders keys by type, then by state key.
func (k Key) Compare(other Key) int {
	if k.Type != other.Type {
		return compareStrings(k.Type, other.Type)
	}
	return compareStrings(k.StateKey, other.StateKey)
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
