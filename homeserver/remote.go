package homeserver

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"time"

	"meshsim/matrix/event"
)

// Remote is what a server asks other servers. Every method blocks for one request; the errors of the other
// server are [*Error] with the kind that its errcode stands for.
type Remote interface {
	MakeJoin(ctx context.Context, server, roomID, userID string, versions []string) (Template, error)
	SendJoin(ctx context.Context, server, roomID, eventID string, pdu json.RawMessage) (JoinAnswer, error)
	MakeLeave(ctx context.Context, server, roomID, userID string) (Template, error)
	SendLeave(ctx context.Context, server, roomID, eventID string, pdu json.RawMessage) error
	Invite(ctx context.Context, server, roomID, eventID string, invite InviteRequest) (json.RawMessage, error)
	ExchangeThirdPartyInvite(ctx context.Context, server, roomID string, invite ThirdPartyInvite) error
	Event(ctx context.Context, server, eventID string) (json.RawMessage, error)
	EventAuth(ctx context.Context, server, roomID, eventID string) ([]json.RawMessage, error)
	StateIDs(ctx context.Context, server, roomID, eventID string) (StateIDs, error)
	State(ctx context.Context, server, roomID, eventID string) (StateAnswer, error)
	MissingEvents(ctx context.Context, server, roomID string, query MissingQuery) ([]json.RawMessage, error)
	Backfill(ctx context.Context, server, roomID string, from []string, limit int) ([]json.RawMessage, error)
	Directory(ctx context.Context, server, alias string) (DirectoryAnswer, error)
	Profile(ctx context.Context, server, userID, field string) (json.RawMessage, error)
	QueryKeys(ctx context.Context, server string, query KeyQuery) (KeyAnswer, error)
	ClaimKeys(ctx context.Context, server string, claim KeyClaim) (ClaimAnswer, error)
	Media(ctx context.Context, server, mediaID string) (Media, error)
	MakeKnock(ctx context.Context, server, roomID, userID string, versions []string) (Template, error)
	SendKnock(ctx context.Context, server, roomID, eventID string, pdu json.RawMessage) (KnockAnswer, error)
	PublicRooms(ctx context.Context, server string, query RoomsQuery) (RoomsPage, error)
	Hierarchy(ctx context.Context, server, roomID string, suggestedOnly bool) (HierarchyAnswer, error)
	TimestampToEvent(ctx context.Context, server, roomID string, at int64, backward bool) (Moment, error)
}

// Outbox takes events and EDUs for other servers. Both methods return at once; delivery is retried until it
// succeeds, apart from EDUs that are [EDU.Fleeting].
type Outbox interface {
	// Enqueue records that the event waits, where the server has a store, in one with what the server records of it.
	Enqueue(pdu *event.PDU, destinations []string, alongside ...Change)
	EnqueueEDU(edu EDU, destinations []string)
}

// Keys returns verify keys of servers, fetching those it does not have. The key must have been valid at a
// time (zero for any).
type Keys interface {
	VerifyKey(ctx context.Context, server, keyID string, at time.Time) (ed25519.PublicKey, error)
}

// Template is the answer of make_join and make_leave: an event to complete, sign and send back.
type Template struct {
	RoomVersion string          `json:"room_version"`
	Event       json.RawMessage `json:"event"`
}

// JoinAnswer is the answer of send_join.
type JoinAnswer struct {
	State          []json.RawMessage `json:"state"`
	AuthChain      []json.RawMessage `json:"auth_chain"`
	Event          json.RawMessage   `json:"event,omitempty"`
	Origin         string            `json:"origin,omitempty"`
	MembersOmitted bool              `json:"members_omitted"`
	ServersInRoom  []string          `json:"servers_in_room,omitempty"`
}

// InviteRequest is the body of invite v2.
type InviteRequest struct {
	RoomVersion     string            `json:"room_version"`
	Event           json.RawMessage   `json:"event"`
	InviteRoomState []json.RawMessage `json:"invite_room_state,omitempty"`
}

// StateIDs is the answer of state_ids: the state before an event, and its auth chain.
type StateIDs struct {
	PDUs      []string `json:"pdu_ids"`
	AuthChain []string `json:"auth_chain_ids"`
}

// StateAnswer is the answer of state.
type StateAnswer struct {
	PDUs      []json.RawMessage `json:"pdus"`
	AuthChain []json.RawMessage `json:"auth_chain"`
}

// MissingQuery is the body of get_missing_events.
type MissingQuery struct {
	Earliest []string `json:"earliest_events"`
	Latest   []string `json:"latest_events"`
	Limit    int      `json:"limit"`
	MinDepth int64    `json:"min_depth"`
}

// DirectoryAnswer is the answer of query/directory.
type DirectoryAnswer struct {
	RoomID  string   `json:"room_id"`
	Servers []string `json:"servers"`
}
