package homeserver

import (
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// logPage is how many log entries are looked at in one go.
const logPage = 64

// RoomUpdate is what a client is told of one room.
type RoomUpdate struct {
	RoomID string
	Room   *Room // nil for a room that this server has never been in (an invite that was rejected)

	Timeline []Entry  // oldest first
	Limited  bool     // there are older events that the client does not know
	Start    Position // events before the timeline: from here backwards
	New      bool     // the room is new to the client
	Known    *State   // what the client knows already
	Before   *State   // at the start of the timeline
	After    *State   // at its end

	Ephemeral   Ephemeral
	AccountData []AccountData

	full bool // send all state
}

// Changed says whether there are events or state to tell.
func (u *RoomUpdate) Changed() bool {
	return len(u.Timeline) > 0 || u.Limited || u.full || u.After != u.Known
}

// State returns the state events that, applied before the timeline, give the client the state After. What
// changed within the timeline without an event there (because it is filtered out, or because state resolution
// preferred another event) is included.
func (u *RoomUpdate) State() []*event.PDU {
	inTimeline := map[event.Key]bool{}
	for _, entry := range u.Timeline {
		if entry.Event.IsState() {
			inTimeline[entry.Event.Key()] = true
		}
	}
	var state []*event.PDU
	for pdu := range u.Before.Changes(u.base()) {
		if inTimeline[pdu.Key()] || u.After.Get(pdu.Key().Type, pdu.Key().StateKey) == pdu {
			state = append(state, pdu)
		}
	}
	for pdu := range u.After.Changes(u.Before) {
		if !inTimeline[pdu.Key()] {
			state = append(state, pdu)
		}
	}
	return state
}

// StateAfter returns the state events that alone give the client the state After (client-server API, /sync,
// use_state_after).
func (u *RoomUpdate) StateAfter() []*event.PDU {
	return slices.Collect(u.After.Changes(u.base()))
}

// base is the state that need not be told.
func (u *RoomUpdate) base() *State {
	if u.full {
		return nil
	}
	return u.Known
}

// joinedUpdate returns what happened in a joined room, or a position before which the answer has to end.
func (s *Server) joinedUpdate(q SyncQuery, m Membership, upto Position) (update *RoomUpdate, cut Position) {
	update = &RoomUpdate{RoomID: m.RoomID, full: q.FullState}
	room, ok := s.Room(m.RoomID)
	if !ok {
		return update, 0
	}
	update.Room = room
	update.Start = upto
	if !q.FullState && m.Position <= q.Since && room.Newest() <= q.Since {
		return update, 0 // the common case, which costs no look at the state
	}
	if update.After = room.StateAt(upto); update.After.Membership(q.User) != matrix.Join {
		return &RoomUpdate{RoomID: m.RoomID, Room: room}, 0 // joined after upto: the next answer tells
	}
	update.Known = room.StateAt(q.Since)
	w := newWindow(q, update, viewer{user: q.User, member: true, until: upto})
	w.read(upto)
	if !q.StateAfter {
		if cut := w.settle(update.New, upto); cut != 0 {
			return nil, cut
		}
	}
	w.fill(update, upto)
	return update, 0
}

// leftUpdate returns what a user may still know of a room that they have left, or were thrown out of: what
// happened up to then. Somebody who was not in it (a rejected invite, a ban) sees the one event.
func (s *Server) leftUpdate(q SyncQuery, m Membership) RoomUpdate {
	last := Entry{Position: m.Position, Event: m.Event}
	update := RoomUpdate{RoomID: m.RoomID, Start: m.Position - 1, Timeline: []Entry{last}}
	room, ok := s.Room(m.RoomID)
	if !ok || room.StateAt(m.Position-1).Membership(q.User) != matrix.Join {
		return update
	}
	update.Room = room
	update.After = room.StateAt(m.Position)
	update.Known = room.StateAt(q.Since)
	w := newWindow(q, &update, viewer{user: q.User, member: true, until: m.Position})
	w.read(m.Position)
	w.settle(true, m.Position)
	w.fill(&update, m.Position)
	return update
}

// window is the end of a room's log as one user sees it.
type window struct {
	room  *Room
	view  viewer
	since Position // exclusive
	limit int
	keep  func(*event.PDU) bool

	entries     []Entry    // visible events, newest first
	corrections []Position // entries without an event, newest first
	limited     bool
	start       Position // the log before the entries ends here
}

// newWindow prepares for what happened since the query's position, or for the end of the whole log when the
// room is new to the client.
func newWindow(q SyncQuery, update *RoomUpdate, view viewer) window {
	w := window{room: update.Room, view: view, since: q.Since, limit: q.Limit, keep: q.Keep}
	if update.Known.Membership(q.User) != matrix.Join {
		update.New, update.Known, w.since = true, nil, 0
	}
	return w
}

// read collects entries from upto backwards until the limit, since, or a gap in the log is reached.
func (w *window) read(upto Position) {
	w.start = w.since
	var newer Entry
	for from := upto; ; {
		page := w.room.Backward(from, w.since, logPage)
		for _, entry := range page {
			if w.full(entry) || w.gap(entry, newer) {
				w.limited, w.start = true, entry.Position
				return
			}
			w.take(entry)
			newer = entry
			from = entry.Position - 1
		}
		if len(page) < logPage {
			return
		}
	}
}

// full says whether the entry is one too many.
func (w *window) full(entry Entry) bool {
	return entry.Event != nil && len(w.entries) >= w.limit && w.shown(entry)
}

// gap says whether the newer entry is the first after a time that the server was not in the room. Rooms
// begin without servers, which is no gap.
func (w *window) gap(entry, newer Entry) bool {
	if newer.Event == nil || newer.Event.Membership() != matrix.Join {
		return false
	}
	user, own := newer.Event.Key().StateKey, w.room.s.cfg.Name
	if serverOf(user) != own || entry.State.Membership(user) == matrix.Join {
		return false
	}
	return !entry.State.hasServer(own) && entry.State.Len() > 1
}

func (w *window) take(entry Entry) {
	if entry.Event == nil {
		w.corrections = append(w.corrections, entry.Position)
		return
	}
	if w.shown(entry) {
		w.entries = append(w.entries, entry)
	}
}

func (w *window) shown(entry Entry) bool {
	return (w.keep == nil || w.keep(entry.Event)) && w.view.sees(entry)
}

// conflict says whether a client that applies the entries ends with another state than upto's: an event whose
// place state resolution gave to another one would still be the last that the client sees.
func (w *window) conflict(upto Position) bool {
	if len(w.corrections) == 0 {
		return false
	}
	after := w.room.StateAt(upto)
	seen := map[event.Key]bool{}
	for _, entry := range w.entries {
		key := entry.Event.Key()
		if !entry.Event.IsState() || seen[key] {
			continue
		}
		seen[key] = true
		if now := after.Get(key.Type, key.StateKey); now != nil && now.ID() != entry.Event.ID() {
			return true
		}
	}
	return false
}

// settle resolves a conflict: a client that follows along gets an answer that ends before the latest
// correction (its position is returned); one that sees a part of the timeline only gets the part after it.
func (w *window) settle(fresh bool, upto Position) (cut Position) {
	if !w.conflict(upto) {
		return 0
	}
	latest := w.corrections[0]
	if !fresh && !w.limited && latest-1 > w.since {
		return latest - 1
	}
	keep := 0
	for keep < len(w.entries) && w.entries[keep].Position > latest {
		keep++
	}
	w.entries, w.limited, w.start = w.entries[:keep], true, latest
	return 0
}

// fill puts the window into an update.
func (w *window) fill(update *RoomUpdate, upto Position) {
	slices.Reverse(w.entries)
	update.Timeline = w.entries
	update.Limited = w.limited
	update.Start = w.start
	update.Before = w.room.StateAt(w.start)
	if len(w.entries) == 0 {
		update.Start = upto
	}
	if w.since == 0 {
		update.Limited = len(w.entries) == 0 || w.entries[0].Event.Type() != matrix.TypeCreate
	}
}
