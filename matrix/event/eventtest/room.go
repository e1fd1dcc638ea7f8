// Package eventtest builds rooms for tests: signed events with a clock that steps by one second, auth events
// selected by hand or by rule. Failures end the test.
package eventtest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// KeyID is the id of every server's key.
const KeyID matrix.KeyID = "ed25519:1"

// Key is the signing key of a server, derived from its name.
func Key(server matrix.ServerName) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(server))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Keys is an event.KeyLookup for the keys that Key makes.
func Keys(server matrix.ServerName, _ matrix.KeyID, _ int64) (ed25519.PublicKey, error) {
	return Key(server).Public().(ed25519.PublicKey), nil
}

// Room makes events of one room.
type Room struct {
	t       testing.TB
	Version *matrix.RoomVersion
	Create  *event.PDU
	now     time.Time
}

// New creates a room; content is merged into the create event's content.
func New(t testing.TB, version string, creator matrix.UserID, content map[string]any) *Room {
	t.Helper()
	v, err := matrix.LookupRoomVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	r := &Room{t: t, Version: v, now: time.UnixMilli(1_000_000)}
	full := map[string]any{"room_version": version}
	b := event.Builder{Type: matrix.TypeCreate, StateKey: event.StateKey(""), Sender: creator}
	if !v.RoomIDIsCreateHash {
		b.RoomID = matrix.RoomID("!room:" + string(creator.Server()))
	}
	if v.CreatorInContent {
		full["creator"] = creator
	}
	for key, value := range content {
		full[key] = value
	}
	b.Content = r.marshal(full)
	r.Create = r.build(b)
	return r
}

// Option changes an event before it is built.
type Option func(*event.Builder)

// Prev sets the previous events.
func Prev(pdus ...*event.PDU) Option {
	return func(b *event.Builder) { b.PrevEvents = ids(pdus) }
}

// Auth sets the auth events.
func Auth(pdus ...*event.PDU) Option {
	return func(b *event.Builder) { b.AuthEvents = ids(pdus) }
}

// State makes a state event of it.
func State(stateKey string) Option {
	return func(b *event.Builder) { b.StateKey = &stateKey }
}

// Event builds an event signed by the sender's server.
func (r *Room) Event(kind string, sender matrix.UserID, content any, options ...Option) *event.PDU {
	r.t.Helper()
	b := event.Builder{
		RoomID: r.Create.RoomID(), Type: kind, Sender: sender, Content: r.marshal(content), Depth: 1,
		PrevEvents: []matrix.EventID{r.Create.ID()},
	}
	for _, option := range options {
		option(&b)
	}
	return r.build(b)
}

// Member builds a membership event of sender for target.
func (r *Room) Member(sender, target matrix.UserID, membership matrix.Membership, options ...Option) *event.PDU {
	r.t.Helper()
	content := map[string]any{"membership": membership}
	return r.Event(matrix.TypeMember, sender, content, append([]Option{State(string(target))}, options...)...)
}

// Advance moves the room's clock, which stamps the events to come.
func (r *Room) Advance(d time.Duration) { r.now = r.now.Add(d) }

func (r *Room) build(b event.Builder) *event.PDU {
	r.t.Helper()
	r.Advance(time.Second)
	server := b.Sender.Server()
	p, err := b.Build(r.Version, server, KeyID, Key(server), r.now)
	if err != nil {
		r.t.Fatalf("building %s: %v", b.Type, err)
	}
	return p
}

func (r *Room) marshal(content any) json.RawMessage {
	r.t.Helper()
	raw, err := json.Marshal(content)
	if err != nil {
		r.t.Fatal(err)
	}
	return raw
}

func ids(pdus []*event.PDU) []matrix.EventID {
	list := make([]matrix.EventID, len(pdus))
	for i, p := range pdus {
		list[i] = p.ID()
	}
	return list
}
