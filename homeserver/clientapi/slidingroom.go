package clientapi

import (
	"encoding/json"
	"slices"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// slidRoom is what a client is told of a room: only what has changed, unless it is initial.
type slidRoom struct {
	Bump       homeserver.Position `json:"bump_stamp,omitempty"`
	Membership matrix.Membership   `json:"membership,omitempty"`
	Lists      []string            `json:"lists,omitempty"`

	Name      any    `json:"name,omitempty"` // text, or null for one that was taken away
	Avatar    any    `json:"avatar,omitempty"`
	Heroes    []hero `json:"heroes,omitempty"`
	DM        bool   `json:"is_dm,omitempty"`
	Initial   bool   `json:"initial,omitempty"`
	State     []any  `json:"required_state,omitempty"`
	Timeline  []any  `json:"timeline,omitempty"`
	PrevBatch string `json:"prev_batch,omitempty"`
	Limited   bool   `json:"limited,omitempty"`
	Live      *int   `json:"num_live,omitempty"`
	Joined    *int   `json:"joined_count,omitempty"`
	Invited   *int   `json:"invited_count,omitempty"`
	Notify    *int   `json:"notification_count,omitempty"`
	Highlight *int   `json:"highlight_count,omitempty"`

	// Older and newer names of the same.
	Expanded    bool              `json:"expanded_timeline,omitempty"`
	ExpandedOld bool              `json:"unstable_expanded_timeline,omitempty"`
	Stripped    []json.RawMessage `json:"stripped_state,omitempty"`
	StrippedOld []json.RawMessage `json:"invite_state,omitempty"`
}

type hero struct {
	User   string `json:"user_id"`
	Name   string `json:"displayname,omitempty"`
	Avatar string `json:"avatar_url,omitempty"`
}

// room is what there is to tell of a room, nil for nothing.
func (s *sliding) room(w *wantedRoom, sent sentRoom, upto homeserver.Position) *slidRoom {
	switch w.Membership.Membership {
	case matrix.Join:
		return s.joined(w, sent, upto)
	case matrix.Invite, matrix.Knock:
		return s.outside(w, sent)
	}
	return s.left(w, sent)
}

// outside is a room that the user is invited to, or knocks at.
func (s *sliding) outside(w *wantedRoom, sent sentRoom) *slidRoom {
	if sent.at >= w.Position && sent.membership == w.Membership.Membership {
		return nil
	}
	stripped := (&syncing{call: s.call}).stripped(w.Membership)
	return &slidRoom{
		Bump: w.Position, Membership: w.Membership.Membership, Initial: sent.membership == "", DM: s.direct[w.RoomID],
		Stripped: stripped, StrippedOld: stripped,
	}
}

// left is a room that the user is no longer in: told of once.
func (s *sliding) left(w *wantedRoom, sent sentRoom) *slidRoom {
	if sent.at >= w.Position && sent.membership == w.Membership.Membership {
		return nil
	}
	q := homeserver.RoomQuery{User: s.user(), RoomID: w.RoomID, From: sent.at, Limit: w.config.Limit}
	update, was := s.server.LeftSince(q, w.Membership)
	out := &slidRoom{Bump: w.Position, Membership: w.Membership.Membership, Initial: sent.at == 0}
	if !was {
		out.Stripped = []json.RawMessage{w.Event.Stripped()}
		out.StrippedOld = out.Stripped
		return out
	}
	s.fill(out, w, &update, sent, false)
	return out
}

// joined is a room that the user is in.
func (s *sliding) joined(w *wantedRoom, sent sentRoom, upto homeserver.Position) *slidRoom {
	fresh := sent.at == 0 || sent.membership != matrix.Join
	more := !fresh && w.config.Limit > sent.limit
	other := !fresh && w.config.State.key() != sent.state
	if !fresh && !more && !other && w.room != nil && w.room.Newest() <= sent.at {
		return nil
	}
	q := homeserver.RoomQuery{User: s.user(), RoomID: w.RoomID, Limit: w.config.Limit, Upto: upto}
	if !fresh {
		q.Known, q.From = sent.at, sent.at
	}
	if more {
		q.From = 0
	}
	update, ok := s.server.RoomSince(q)
	if !ok || !fresh && !more && !other && !update.Changed() {
		return nil
	}
	out := &slidRoom{Membership: matrix.Join, Initial: fresh, Expanded: more, ExpandedOld: more}
	out.Bump = bumpStamp(&update, w.Position)
	s.fill(out, w, &update, sent, other)
	return out
}

// fill adds the timeline and the state. anew sends all state that is wanted, as the client's wishes have changed.
func (s *sliding) fill(out *slidRoom, w *wantedRoom, u *homeserver.RoomUpdate, sent sentRoom, anew bool) {
	if out.Initial || anew {
		u.Known = nil
	}
	present := s.presenter(u.Room)
	present.inSync = true
	out.Timeline = present.entries(u.Timeline)
	out.Limited, out.PrevBatch = u.Limited, token(u.Start)
	live := 0
	for _, entry := range u.Timeline {
		if sent.at > 0 && entry.Position > sent.at {
			live++
		}
	}
	out.Live = &live
	out.State = present.all(s.state(w, u))
	s.describe(out, u)
	if count := s.counting(w)(u.Room); count != nil {
		out.Notify, out.Highlight = &count.Notify, &count.Highlight
	}
}

// counting counts what is unread up to the newest position.
func (s *sliding) counting(w *wantedRoom) func(*homeserver.Room) *unread {
	if w.Membership.Membership != matrix.Join {
		return func(*homeserver.Room) *unread { return nil }
	}
	return (&syncing{call: s.call}).counting(s.server.Position())
}

// state is what has changed of the state that the client wants. With lazily loaded members it has those whom the
// timeline needs, and all changes of members that came without a gap.
func (s *sliding) state(w *wantedRoom, u *homeserver.RoomUpdate) []*event.PDU {
	members := map[string]bool{}
	lazy := w.config.State.lazy()
	if lazy {
		for _, entry := range u.Timeline {
			members[string(entry.Event.Sender())] = true
			if entry.Event.Type() == matrix.TypeMember && entry.Event.IsState() {
				members[entry.Event.Key().StateKey] = true
			}
		}
	}
	state := slices.DeleteFunc(u.StateAfter(), func(pdu *event.PDU) bool {
		follows := lazy && u.Known != nil && !u.Limited && pdu.Type() == matrix.TypeMember
		return !follows && !w.config.State.wants(pdu, s.user(), members)
	})
	if u.Known == nil {
		return state
	}
	for user := range members { // who speaks may have come long ago
		if pdu := u.After.Get(matrix.TypeMember, user); pdu != nil && !slices.Contains(state, pdu) {
			state = append(state, pdu)
		}
	}
	return state
}

// describe tells the name, the picture and the members where they have changed.
func (s *sliding) describe(out *slidRoom, u *homeserver.RoomUpdate) {
	out.Name = changedText(u, matrix.TypeName, "name")
	out.Avatar = changedText(u, matrix.TypeAvatar, "url")
	out.DM = s.direct[u.RoomID]
	summary := (&syncing{call: s.call}).summary(u)
	if summary == nil {
		return
	}
	out.Joined, out.Invited = &summary.Joined, &summary.Invited
	if u.After.Text(matrix.TypeName, "name") != "" {
		return
	}
	for _, user := range summary.Heroes {
		profile := memberProfile(u.After.Get(matrix.TypeMember, user))
		out.Heroes = append(out.Heroes, hero{user, profile["display_name"], profile["avatar_url"]})
	}
}

// changedText is a text in the state, nil where it is what it was and null where it is gone.
func changedText(u *homeserver.RoomUpdate, kind, field string) any {
	now := u.After.Text(kind, field)
	switch {
	case now == u.Known.Text(kind, field):
		return nil
	case now == "":
		return json.RawMessage("null")
	}
	return now
}

// bumps are the types of events that count as activity.
var bumps = []string{
	matrix.TypeCreate, matrix.TypeMessage, "m.room.encrypted", "m.sticker", "m.call.invite", "m.poll.start", "m.beacon_info",
}

// bumpStamp is the position of the latest activity; in a room with none for long, that of the user's coming.
func bumpStamp(u *homeserver.RoomUpdate, joined homeserver.Position) homeserver.Position {
	const look = 64
	for _, entry := range u.Room.Backward(u.Room.Newest(), 0, look) {
		if entry.Event != nil && slices.Contains(bumps, entry.Event.Type()) {
			return entry.Position
		}
	}
	return joined
}
