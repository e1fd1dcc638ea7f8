package homeserver

import (
	"context"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// maxBackfills bounds how often one request for messages asks other servers; the answer then has what was
// found, and a position to go on from.
const maxBackfills = 5

// The ends of every log: no entry's position is as low, or as high.
const (
	beginning Position = -1 << 60
	end       Position = 1 << 60
)

// History asks for a part of a room's log.
type History struct {
	User     string
	RoomID   string
	Backward bool                  // newest first, backfilling when the log ends; otherwise oldest first
	From     *Position             // nil for the end that the direction starts at
	To       *Position             // nil for the other end
	Limit    int                   // at least 1
	Keep     func(*event.PDU) bool // nil for all
}

// HistoryPage is a part of a room's log.
type HistoryPage struct {
	Room    *Room
	Entries []Entry // in the direction asked for
	Start   Position
	End     Position // where the next page starts
	More    bool     // there may be a next page
}

// Messages returns a page of a room's history as far as the user may see it: Forbidden for a room that they
// are not and were not in.
func (s *Server) Messages(ctx context.Context, h History) (*HistoryPage, error) {
	room, view, err := s.view(h.User, h.RoomID)
	if err != nil {
		return nil, err
	}
	if h.Backward {
		return room.backwards(ctx, h, view), nil
	}
	return room.forwards(h, view), nil
}

// backwards pages to the old end of the log, asking other servers for more until the page is full.
func (r *Room) backwards(ctx context.Context, h History, view viewer) *HistoryPage {
	page := r.logged(h, view)
	for backfills := 0; page.More && len(page.Entries) < h.Limit && backfills < maxBackfills; backfills++ {
		if n, err := r.Backfill(ctx, max(h.Limit, logPage)); err != nil || n == 0 {
			page.More = false
			break
		}
		rest := h
		rest.From, rest.Limit = &page.End, h.Limit-len(page.Entries)
		more := r.logged(rest, view)
		page.Entries, page.End, page.More = append(page.Entries, more.Entries...), more.End, more.More
	}
	return page
}

// logged pages backwards through what is in the log. More is true where the page is full, and at the log's
// end: other servers may know more.
func (r *Room) logged(h History, view viewer) *HistoryPage {
	from, to := orElse(h.From, view.until), orElse(h.To, beginning)
	page := &HistoryPage{Room: r, Start: from, End: from}
	for {
		entries := r.Backward(page.End, to, logPage)
		for _, entry := range entries {
			page.add(entry, h, view)
			page.End = entry.Position - 1
			if len(page.Entries) == h.Limit {
				page.More = true
				return page
			}
		}
		if len(entries) < logPage {
			page.More = to == beginning
			return page
		}
	}
}

func (r *Room) forwards(h History, view viewer) *HistoryPage {
	from, to := orElse(h.From, beginning), min(orElse(h.To, view.until), view.until)
	page := &HistoryPage{Room: r, Start: from, End: from}
	for {
		entries := r.Forward(page.End, to, logPage)
		for _, entry := range entries {
			page.add(entry, h, view)
			page.End = entry.Position
			if len(page.Entries) == h.Limit {
				page.More = true
				return page
			}
		}
		if len(entries) < logPage {
			return page
		}
	}
}

func (p *HistoryPage) add(entry Entry, h History, view viewer) {
	if entry.Event != nil && (h.Keep == nil || h.Keep(entry.Event)) && view.sees(entry) {
		p.Entries = append(p.Entries, entry)
	}
}

func orElse(p *Position, otherwise Position) Position {
	if p == nil {
		return otherwise
	}
	return *p
}

// Surroundings are an event with what was said around it.
type Surroundings struct {
	Room          *Room
	Event         Entry
	Before, After []Entry // away from the event
	Start, End    Position
}

// Around returns an event with up to limit others around it that the user may see and keep allows, or
// NotFound. It goes through the log from its end, and asks no other server.
func (s *Server) Around(user, roomID, eventID string, limit int, keep func(*event.PDU) bool) (*Surroundings, error) {
	room, _, err := s.EventFor(user, roomID, eventID)
	if err != nil {
		return nil, err
	}
	at, ok := room.find(eventID)
	if !ok {
		return nil, failf(NotFound, "the event %s is part of the room's state only: what was sent around it is not known", eventID)
	}
	_, view, err := s.view(user, roomID)
	if err != nil {
		return nil, err
	}
	around := &Surroundings{Room: room, Event: at, Start: at.Position - 1, End: at.Position}
	h := History{Limit: (limit + 1) / 2, Keep: keep, From: &around.Start}
	if h.Limit > 0 {
		before := room.logged(h, view)
		around.Before, around.Start = before.Entries, before.End
	}
	h = History{Limit: limit - len(around.Before), Keep: keep, From: &around.End}
	if h.Limit > 0 {
		after := room.forwards(h, view)
		around.After, around.End = after.Entries, after.End
	}
	return around, nil
}

// find returns the log's entry of an event, newer ones first.
func (r *Room) find(eventID string) (Entry, bool) {
	for from := end; ; {
		page := r.Backward(from, beginning, logPage)
		for _, entry := range page {
			if entry.Event != nil && string(entry.Event.ID()) == eventID {
				return entry, true
			}
			from = entry.Position - 1
		}
		if len(page) < logPage {
			return Entry{}, false
		}
	}
}

// viewer is what a user may see of a room's history (client-server API, room history visibility).
type viewer struct {
	user   string
	member bool     // is in the room, or was until they left
	until  Position // when they left; end while they are in it
}

// view returns a room and what a user may see of it, or Forbidden.
func (s *Server) view(user, roomID string) (*Room, viewer, error) {
	room, ok := s.Room(roomID)
	if !ok {
		return nil, viewer{}, failf(Forbidden, "%s is not in the room %s: join it first", user, roomID)
	}
	view := viewer{user: user, until: end}
	m, known := s.MembershipOf(user, roomID)
	if known && m.Membership == matrix.Join {
		view.member = true
		return room, view, nil
	}
	if known && !s.forgotten(user, m) && room.StateAt(m.Position-1).Membership(user) == matrix.Join {
		view.member, view.until = true, m.Position
		return room, view, nil
	}
	if visibility(room.State()) != worldReadable {
		return nil, viewer{}, failf(Forbidden, "%s is not in the room %s: join it first", user, roomID)
	}
	return room, view, nil
}

// sees says whether the user may see an entry. Where a backfilled entry's state is not known, it is seen by
// those whom "shared" lets see it.
func (v viewer) sees(entry Entry) bool {
	if key, ok := entry.Event.StateKey(); ok && key == v.user && entry.Event.Type() == matrix.TypeMember {
		return true
	}
	shown := visibility(entry.State)
	if shown == worldReadable {
		return true
	}
	if !v.member || entry.Position > v.until {
		return false
	}
	switch entry.State.Membership(v.user) {
	case matrix.Join:
		return true
	case matrix.Invite:
		return shown == shared || shown == invited
	}
	return shown == shared
}

// The values of history_visibility; "joined" is every other one.
const (
	worldReadable = "world_readable"
	shared        = "shared"
	invited       = "invited"
)

// visibility returns a state's history visibility, which is shared unless set.
func visibility(state *State) string {
	pdu := state.Get(matrix.TypeHistoryVisibility, "")
	if pdu == nil {
		return shared
	}
	value := matrix.Lookup(pdu.Content(), "history_visibility")
	if len(value) < 2 || value[0] != '"' {
		return shared
	}
	return string(value[1 : len(value)-1]) // none of the values needs unescaping
}

// EventFor returns an event of a room as far as the user may see it, or NotFound.
func (s *Server) EventFor(user, roomID, eventID string) (*Room, *event.PDU, error) {
	unseen := failf(NotFound, "there is no event %s in the room %s, or %s may not see it", eventID, roomID, user)
	room, view, err := s.view(user, roomID)
	if err != nil {
		return nil, nil, unseen
	}
	pdu, ok := room.Event(eventID)
	if !ok {
		return nil, nil, unseen
	}
	state, _ := room.StateAfter(eventID)
	if view.until != end && state.Membership(user) != matrix.Join && visibility(state) != worldReadable {
		return nil, nil, unseen // it may have been sent after the user left
	}
	if !view.sees(Entry{Event: pdu, State: state}) {
		return nil, nil, unseen
	}
	return room, pdu, nil
}

// StateFor returns the room's state as the user may know it: the current one for members, that of their
// leaving for those who left.
func (s *Server) StateFor(user, roomID string) (*Room, *State, error) {
	room, view, err := s.view(user, roomID)
	if err != nil {
		return nil, nil, err
	}
	if view.until != end {
		return room, room.StateAt(view.until), nil
	}
	return room, room.State(), nil
}

// Forget makes a local user's past in a room they left invisible to them, until they are in it again.
// It fails with Forbidden for a room that they are in.
func (s *Server) Forget(user, roomID string) error {
	m, ok := s.MembershipOf(user, roomID)
	if !ok {
		return failf(NotFound, "%s has nothing to do with the room %s", user, roomID)
	}
	if now := m.Membership; now != matrix.Leave && now != matrix.Ban {
		return failf(BadRequest, "%s is still in the room %s (%s): leave it first", user, roomID, now)
	}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return err
	}
	if a.forgotten == nil {
		a.forgotten = map[string]Position{}
	}
	a.forgotten[roomID] = m.Position
	s.keepAccountLocked(a)
	return nil
}

// forgotten says whether a user has forgotten a room since the membership m was made.
func (s *Server) forgotten(user string, m Membership) bool {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	a := s.users.accounts[user]
	if a == nil {
		return false
	}
	at, ok := a.forgotten[m.RoomID]
	return ok && at >= m.Position
}
