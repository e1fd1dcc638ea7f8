package event

import (
	"encoding/json"

	"meshsim/matrix"
)

// Redact returns the event without what a redaction removes under the rules of its room version. The id,
// hashes and signatures stay. A redacted event is returned as it is.
func (p *PDU) Redact() *PDU {
	if p.redacted {
		return p
	}
	object := redact(p.json, p.kind, p.version.Redaction, true)
	q := &PDU{
		version: p.version, id: p.id, roomID: p.roomID, kind: p.kind, stateKey: p.stateKey, sender: p.sender,
		json: shrink(object), prev: p.prev, auth: p.auth, depth: p.depth, ts: p.ts,
		membership: p.membership, hasRoomID: p.hasRoomID, isState: p.isState, redacted: true,
	}
	q.content = matrix.Lookup(q.json, "content")
	return q
}

// redact filters a canonical event object; the result is canonical.
func redact(object []byte, kind string, rules matrix.RedactionRules, signatures bool) []byte {
	out := append(make([]byte, 0, len(object)), '{')
	for m := range matrix.Members(object) {
		key := string(m.Key)
		if !keptProperty(key, rules) || key == "signatures" && !signatures {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if key != "content" {
			out = append(out, m.Raw...)
			continue
		}
		out = append(out, `"content":`...)
		out = appendRedactedContent(out, m.Value, kind, rules)
	}
	return append(out, '}')
}

func keptProperty(key string, rules matrix.RedactionRules) bool {
	switch key {
	case "event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth",
		"prev_events", "auth_events", "origin_server_ts":
		return true
	case "origin", "membership", "prev_state":
		return rules < matrix.RedactionV11
	}
	return false
}

func appendRedactedContent(out []byte, content json.RawMessage, kind string, rules matrix.RedactionRules) []byte {
	if kind == matrix.TypeCreate && rules >= matrix.RedactionV11 {
		return append(out, content...)
	}
	out = append(out, '{')
	first := true
	for m := range matrix.Members(content) {
		key := string(m.Key)
		value, kept := redactedValue(kind, key, m.Value, rules)
		if !kept {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(out, '"'), m.Key...), `":`...)
		out = append(out, value...)
	}
	return append(out, '}')
}

// redactedValue returns what a redaction leaves of one content property.
func redactedValue(kind, key string, value json.RawMessage, rules matrix.RedactionRules) (json.RawMessage, bool) {
	v11 := rules >= matrix.RedactionV11
	switch kind {
	case matrix.TypeMember:
		if key == "third_party_invite" && v11 && len(value) > 0 && value[0] == '{' {
			return matrix.AppendFiltered(nil, value, func(k []byte) bool { return string(k) == "signed" }), true
		}
		return value, key == "membership" || key == "join_authorised_via_users_server"
	case matrix.TypeCreate:
		return value, key == "creator"
	case matrix.TypeJoinRules:
		return value, key == "join_rule" || key == "allow"
	case matrix.TypePowerLevels:
		return value, keptPowerLevel(key, v11)
	case matrix.TypeHistoryVisibility:
		return value, key == "history_visibility"
	case matrix.TypeRedaction:
		return value, key == "redacts" && v11
	}
	return nil, false
}

func keptPowerLevel(key string, v11 bool) bool {
	switch key {
	case "ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default":
		return true
	case "invite":
		return v11
	}
	return false
}
