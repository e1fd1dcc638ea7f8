package event

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unique"

	"meshsim/matrix"
)

// Limits of the Matrix client-server specification, "Size limits", and of the PDU schema.
const (
	MaxBytes      = 65536 // canonical JSON with signatures, without unsigned
	MaxFieldBytes = 255   // sender, room_id, state_key, type
	MaxPrevEvents = 20
	MaxAuthEvents = 10
)

// FormatError is a violation of the PDU format: the event must be dropped.
type FormatError struct {
	Field  string // "" for the event as a whole
	Reason string
}

func (e *FormatError) Error() string {
	if e.Field == "" {
		return "event: " + e.Reason
	}
	return fmt.Sprintf("event property %s: %s", e.Field, e.Reason)
}

// SizeError is a violation of a size limit: the event must be dropped.
type SizeError struct {
	Field string // "" for the event as a whole
	Bytes int
	Limit int
}

func (e *SizeError) Error() string {
	what := "event"
	if e.Field != "" {
		what = "event property " + e.Field
	}
	return fmt.Sprintf("%s has %d bytes, at most %d are allowed", what, e.Bytes, e.Limit)
}

// Parse reads a PDU in the federation format and computes its id. The input is copied; "unsigned" is left
// out. Neither the content hash nor any signature is checked. Errors are *matrix.JSONError, *FormatError
// or *SizeError.
func Parse(raw []byte, v *matrix.RoomVersion) (*PDU, error) {
	object, err := matrix.CanonicalJSON(raw)
	if err != nil {
		return nil, err
	}
	if object[0] != '{' {
		return nil, &FormatError{"", "is not a JSON object"}
	}
	if matrix.Lookup(object, "unsigned") != nil {
		object = matrix.AppendFiltered(make([]byte, 0, len(object)), object, func(key []byte) bool {
			return string(key) != "unsigned"
		})
	}
	return parseCanonical(object, v)
}

// parseCanonical takes ownership of a canonical object without unsigned.
func parseCanonical(object []byte, v *matrix.RoomVersion) (*PDU, error) {
	if len(object) > MaxBytes {
		return nil, &SizeError{"", len(object), MaxBytes}
	}
	p := &PDU{version: v, json: shrink(object)}
	f := fields{pdu: p}
	for m := range matrix.Members(p.json) {
		f.set(m.Key, m.Value)
	}
	if err := f.finish(); err != nil {
		return nil, err
	}
	p.id = referenceID(p)
	if f.isHashedCreate() && !p.hasRoomID {
		p.roomID = matrix.RoomID(intern("!" + string(p.id[1:])))
	}
	return p, nil
}

// shrink gives up the spare capacity of a slice that will live long.
func shrink(b []byte) []byte {
	if cap(b)-len(b) < len(b)/16 {
		return b
	}
	return append(make([]byte, 0, len(b)), b...)
}

// intern shares one copy of strings that recur in many events: users, types, auth events.
func intern(s string) string { return unique.Make(s).Value() }

// fields collects the properties of one event and the first error among them.
type fields struct {
	pdu  *PDU
	err  error
	seen fieldSet
}

// fieldSet is a bit set of the required properties.
type fieldSet uint16

const (
	sawType fieldSet = 1 << iota
	sawSender
	sawContent
	sawPrev
	sawAuth
	sawDepth
	sawTimestamp
	sawHashes
	sawSignatures
)

var requiredFields = [...]string{
	"type", "sender", "content", "prev_events", "auth_events", "depth", "origin_server_ts", "hashes", "signatures",
}

func (f *fields) fail(field, reason string) {
	if f.err == nil {
		f.err = &FormatError{field, reason}
	}
}

func (f *fields) set(key []byte, value json.RawMessage) {
	p := f.pdu
	switch string(key) {
	case "type":
		f.seen |= sawType
		p.kind = f.text("type", value)
	case "sender":
		f.seen |= sawSender
		p.sender = matrix.UserID(f.text("sender", value))
	case "room_id":
		p.hasRoomID = true
		p.roomID = matrix.RoomID(f.text("room_id", value))
	case "state_key":
		p.isState = true
		p.stateKey = f.text("state_key", value)
	case "content":
		f.seen |= sawContent
		p.content = f.object("content", value)
	case "prev_events":
		f.seen |= sawPrev
		p.prev = f.eventIDs("prev_events", value, MaxPrevEvents)
	case "auth_events":
		f.seen |= sawAuth
		p.auth = f.eventIDs("auth_events", value, MaxAuthEvents)
	case "depth":
		f.seen |= sawDepth
		p.depth = f.integer("depth", value)
	case "origin_server_ts":
		f.seen |= sawTimestamp
		p.ts = f.integer("origin_server_ts", value)
	case "hashes":
		f.seen |= sawHashes
		f.object("hashes", value)
	case "signatures":
		f.seen |= sawSignatures
		f.object("signatures", value)
	}
}

func (f *fields) text(field string, value json.RawMessage) string {
	s, ok := unquote(value)
	if !ok {
		f.fail(field, "is not a string")
		return ""
	}
	if len(s) > MaxFieldBytes && f.err == nil {
		f.err = &SizeError{field, len(s), MaxFieldBytes}
	}
	return intern(s)
}

func (f *fields) object(field string, value json.RawMessage) json.RawMessage {
	if value[0] != '{' {
		f.fail(field, "is not an object")
	}
	return value
}

func (f *fields) integer(field string, value json.RawMessage) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		f.fail(field, "is not an integer")
	}
	return n
}

func (f *fields) eventIDs(field string, value json.RawMessage, limit int) []matrix.EventID {
	if value[0] != '[' {
		f.fail(field, "is not an array of event IDs")
		return nil
	}
	count := 0
	for range matrix.Elements(value) {
		count++
	}
	if count > limit {
		f.fail(field, fmt.Sprintf("has %d entries, at most %d are allowed", count, limit))
		return nil
	}
	ids := make([]matrix.EventID, 0, count)
	for element := range matrix.Elements(value) {
		id, _ := unquote(element)
		if !matrix.EventID(id).Valid() {
			f.fail(field, fmt.Sprintf("%s is not an event ID", element))
			return nil
		}
		ids = append(ids, matrix.EventID(intern(id)))
	}
	return ids
}

// finish checks what needs more than one property.
func (f *fields) finish() error {
	for i, name := range requiredFields {
		if f.seen&(1<<i) == 0 {
			f.fail(name, "is missing")
		}
	}
	p := f.pdu
	if !p.sender.Valid() {
		f.fail("sender", fmt.Sprintf("%q is not a user ID", p.sender))
	}
	f.checkRoomID()
	if p.depth < 0 {
		f.fail("depth", "is negative")
	}
	if p.kind == matrix.TypeMember {
		membership, _ := unquote(matrix.Lookup(p.content, "membership"))
		p.membership = matrix.Membership(intern(membership))
	}
	return f.err
}

func (f *fields) isHashedCreate() bool {
	return f.pdu.version.RoomIDIsCreateHash && f.pdu.Is(matrix.TypeCreate, "")
}

func (f *fields) checkRoomID() {
	p := f.pdu
	switch {
	case !p.hasRoomID:
		if !f.isHashedCreate() {
			f.fail("room_id", "is missing")
		}
	case !p.roomID.Valid():
		f.fail("room_id", fmt.Sprintf("%q is not a room ID", p.roomID))
	case p.version.RoomIDIsCreateHash != (p.roomID.CreateEventID() != ""):
		f.fail("room_id", fmt.Sprintf("%q has not the form of room version %s", p.roomID, p.version.ID))
	}
}

// unquote decodes a canonical JSON string.
func unquote(value json.RawMessage) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	for _, c := range value {
		if c == '\\' {
			var s string
			err := json.Unmarshal(value, &s)
			return s, err == nil
		}
	}
	return string(value[1 : len(value)-1]), true
}
