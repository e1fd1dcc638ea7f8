package event

import (
	"crypto/ed25519"
	"encoding/json"
	"time"

	"meshsim/matrix"
)

// Builder is an event that is not signed yet. Its JSON form is the template of make_join, make_leave and
// make_knock.
type Builder struct {
	RoomID     matrix.RoomID    `json:"room_id,omitempty"` // empty in a create event of room version 12
	Type       string           `json:"type"`
	StateKey   *string          `json:"state_key,omitempty"`
	Sender     matrix.UserID    `json:"sender"`
	Content    json.RawMessage  `json:"content"` // a JSON object
	PrevEvents []matrix.EventID `json:"prev_events"`
	AuthEvents []matrix.EventID `json:"auth_events"`
	Depth      int64            `json:"depth"`
	// Redacts is the target of an m.room.redaction; Build puts it where the room version wants it.
	Redacts matrix.EventID `json:"redacts,omitempty"`
}

// StateKey is a helper for Builder literals.
func StateKey(s string) *string { return &s }

// Build hashes and signs the event as the server, stamped with now. Errors are those of Parse.
func (b Builder) Build(
	v *matrix.RoomVersion, server matrix.ServerName, key matrix.KeyID, priv ed25519.PrivateKey, now time.Time,
) (*PDU, error) {
	object, err := b.object(v, now)
	if err != nil {
		return nil, err
	}
	signed, err := hashAndSign(object, b.Type, v.Redaction, server, key, priv)
	if err != nil {
		return nil, err
	}
	return parseCanonical(signed, v)
}

// object is the canonical event without hashes and signatures.
func (b Builder) object(v *matrix.RoomVersion, now time.Time) ([]byte, error) {
	if b.PrevEvents == nil {
		b.PrevEvents = []matrix.EventID{}
	}
	if b.AuthEvents == nil {
		b.AuthEvents = []matrix.EventID{}
	}
	if b.Content == nil {
		b.Content = json.RawMessage("{}")
	}
	if b.Redacts != "" && v.RedactsInContent {
		if err := b.moveRedacts(); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(struct {
		Builder
		OriginServerTS int64 `json:"origin_server_ts"`
	}{b, now.UnixMilli()})
	if err != nil {
		return nil, &FormatError{"content", err.Error()}
	}
	return matrix.CanonicalJSON(raw)
}

func (b *Builder) moveRedacts() error {
	content, err := matrix.CanonicalJSON(b.Content)
	if err != nil {
		return err
	}
	target, err := json.Marshal(b.Redacts)
	if err != nil {
		return err
	}
	b.Content, err = matrix.SetMember(content, "redacts", target)
	b.Redacts = ""
	return err
}

// hashAndSign adds hashes and one signature to a canonical event (Matrix server-server specification,
// "Adding hashes and signatures to outgoing events").
func hashAndSign(
	object []byte, kind string, rules matrix.RedactionRules,
	server matrix.ServerName, key matrix.KeyID, priv ed25519.PrivateKey,
) ([]byte, error) {
	sum := contentHash(object)
	hashed, err := matrix.SetMember(object, "hashes", []byte(`{"sha256":"`+matrix.EncodeBase64(sum[:])+`"}`))
	if err != nil {
		return nil, err
	}
	return matrix.AddSignature(hashed, server, key, ed25519.Sign(priv, signedPart(hashed, kind, rules)))
}
