package homeserver

// This file goes away piece by piece as the real files arrive.

import (
	"context"
	"encoding/json"

	"meshsim/matrix/event"
)

// New ...
func New(cfg Config) *Server { panic("soon") }

// Name is the server's Matrix server name.
func (s *Server) Name() string { panic("soon") }

// Close ends background work and waits for it. Idempotent.
func (s *Server) Close() { panic("soon") }

// NewRoom says which room to create.
type NewRoom struct {
	Creator     string          // user id of a local user
	Version     string          // "" for DefaultRoomVersion
	Content     json.RawMessage // further content of m.room.create (m.federate, type, additional_creators ...), may be nil
	Initial     []Draft         // sent in this order after create, the creator's join and power levels; Sender may be left out
	PowerLevels json.RawMessage // overrides single properties of the default power levels; may be nil
	JoinContent json.RawMessage // content of the creator's join beside membership (displayname ...)
}

// CreateRoom creates a room: m.room.create, the creator's join, m.room.power_levels and the initial events.
// (Presets, aliases, invites: the client API maps them to Initial, SetAlias, Invite.)
func (s *Server) CreateRoom(ctx context.Context, nr NewRoom) (roomID string, err error) {
	panic("soon")
}

// Draft is an event that a local user wants to send.
type Draft struct {
	RoomID   string
	Sender   string
	Type     string
	StateKey *string
	Content  json.RawMessage
	Redacts  string // m.room.redaction: put where the room version wants it
}

// Send builds, checks, signs and sends an event into a room that this server is in. It does not wait for
// other servers.
func (s *Server) Send(ctx context.Context, d Draft) (*event.PDU, error) { panic("soon") }

// Join joins userID, over federation through one of via when the server is not in the room yet. Content is
// the member event's content beside membership (displayname, reason ...), may be nil.
func (s *Server) Join(ctx context.Context, userID, roomID string, via []string, content json.RawMessage) error {
	panic("soon")
}

// Leave leaves a room or rejects an invite, over federation when this server is not in the room.
func (s *Server) Leave(ctx context.Context, userID, roomID string, content json.RawMessage) error {
	panic("soon")
}

// Invite invites target, asking target's server to sign when it is another.
func (s *Server) Invite(ctx context.Context, sender, target, roomID string, content json.RawMessage) error {
	panic("soon")
}

// Room returns a room that this server is or was in.
func (s *Server) Room(roomID string) (*Room, bool) { panic("soon") }

// ID, Version: of the room.
func (r *Room) ID() string      { panic("soon") }
func (r *Room) Version() string { panic("soon") }

// State is the current (resolved) state.
func (r *Room) State() *State { panic("soon") }

// StateBefore and StateAfter: the state before/after an event of the room, false where unknown.
func (r *Room) StateBefore(eventID string) (*State, bool) { panic("soon") }
func (r *Room) StateAfter(eventID string) (*State, bool)  { panic("soon") }

// Event returns an event as this server's clients may see it: redacted when redacted.
// Rejected and soft-failed events and outliers that are not state are not found.
func (r *Room) Event(eventID string) (*event.PDU, bool) { panic("soon") }

// RedactedBecause returns the redaction that was applied to an event, if any (for unsigned.redacted_because).
func (r *Room) RedactedBecause(eventID string) (*event.PDU, bool) { panic("soon") }

// Forward returns up to limit entries with from < position <= to, oldest first.
// Backward returns up to limit entries with to < position <= from, newest first. Both include backfilled ones
// (negative positions).
func (r *Room) Forward(from, to Position, limit int) []Entry  { panic("soon") }
func (r *Room) Backward(from, to Position, limit int) []Entry { panic("soon") }

// Newest is the position of the room's latest entry.
func (r *Room) Newest() Position { panic("soon") }

// Backfill asks other servers for up to limit older events than the room's oldest entry and returns how many
// entries were added; 0 when the room's beginning is reached or nobody answers.
func (r *Room) Backfill(ctx context.Context, limit int) (int, error) { panic("soon") }

// Joined reports whether this server has a joined user in the room.
func (r *Room) Joined() bool { panic("soon") }

// Membership is what a local user is to a room.
type Membership struct {
	RoomID     string
	Membership string            // join, invite, leave, ban, knock
	Event      *event.PDU        // the member event
	Position   Position          // when it became so
	Stripped   []json.RawMessage // invite (and knock) to a room this server is not in: stripped state
}

// Memberships returns all memberships of a local user, in no order; MembershipOf one of them.
func (s *Server) Memberships(userID string) []Membership                { panic("soon") }
func (s *Server) MembershipOf(userID, roomID string) (Membership, bool) { panic("soon") }

// Position is the newest position on this server. Wait returns once it is greater than since, or when ctx
// ends. Bump makes a new position for something that is not a room entry (account data, typing ...) and wakes
// who waits.
func (s *Server) Position() Position                                         { panic("soon") }
func (s *Server) Wait(ctx context.Context, since Position) (Position, error) { panic("soon") }
func (s *Server) Bump() Position                                             { panic("soon") }

// ResolveAlias asks this or the alias's server. SetAlias, DeleteAlias: local aliases only. Aliases: of a room.
func (s *Server) ResolveAlias(ctx context.Context, alias string) (roomID string, servers []string, err error) {
	panic("soon")
}
func (s *Server) SetAlias(alias, roomID, userID string) error { panic("soon") }
func (s *Server) DeleteAlias(alias, userID string) error      { panic("soon") }
func (s *Server) Aliases(roomID string) []string              { panic("soon") }

// RemoteProfile asks another server for a profile (field "" for all of it).
func (s *Server) RemoteProfile(ctx context.Context, userID, field string) (json.RawMessage, error) {
	panic("soon")
}

type (
	room        struct{}
	stream      struct{}
	aliases     struct{}
	memberships struct{}
)
