package homeserver

import (
	"context"
	"time"

	"meshsim/matrix"
)

// What simplified sliding sync (MSC4186) asks of a server: the same as an ordinary sync, room by room.

// Await runs look, and again whenever something happens that may concern the user, until it has found something or the
// wait is over. When ctx ends first, it returns ctx's error. presence is the user's while they wait, "" for none.
func (s *Server) Await(ctx context.Context, user, presence string, wait time.Duration, look func(upto Position) (found bool)) error {
	deadline := time.Now().Add(wait)
	watcher := s.users.watchers.watch(user)
	defer s.users.watchers.unwatch(watcher)
	defer s.syncs(user, presence)()
	for {
		if look(s.Position()) {
			return nil
		}
		if again, err := s.wait(ctx, watcher, deadline); err != nil || !again {
			return err
		}
	}
}

// RoomQuery asks for what is new in one room.
type RoomQuery struct {
	User   string
	RoomID string
	Known  Position // the state at this position is known; 0 for none
	From   Position // the timeline begins after it
	Limit  int      // of the timeline; 0 for none
	Upto   Position
}

// RoomSince returns what is new in a room that the user is in, and false where they were not in it at the query's end.
// The state to tell is [RoomUpdate.StateAfter].
func (s *Server) RoomSince(q RoomQuery) (update RoomUpdate, joined bool) {
	room, ok := s.Room(q.RoomID)
	if !ok {
		return update, false
	}
	update = RoomUpdate{RoomID: q.RoomID, Room: room, After: room.StateAt(q.Upto), Known: room.StateAt(q.Known)}
	if update.After.Membership(q.User) != matrix.Join {
		return update, false
	}
	w := newWindow(SyncQuery{Since: q.From, Limit: q.Limit, User: q.User}, &update, viewer{user: q.User, member: true, until: q.Upto})
	w.read(q.Upto)
	w.fill(&update, q.Upto)
	return update, true
}

// LeftSince returns what a user who is no longer in a room may know of it, as they have left it or were thrown out. was
// says whether they were in it at all.
func (s *Server) LeftSince(q RoomQuery, m Membership) (update RoomUpdate, was bool) {
	update = s.leftUpdate(SyncQuery{User: q.User, Since: q.From, Limit: q.Limit}, m)
	return update, update.Room != nil
}

// DeviceListsSince returns whose devices changed for a user between two positions, as a sync would tell.
func (s *Server) DeviceListsSince(user string, since, upto Position) DeviceListChanges {
	q := SyncQuery{User: user, Since: since, Limit: 1, StateAfter: true}
	answer, _ := s.collect(q, upto)
	return s.deviceListChanges(q, answer)
}

// TakeToDevice forgets the messages for a device up to a position, which it has got, and returns those that came after,
// up to limit. next is the position after them.
func (s *Server) TakeToDevice(device *Device, got, upto Position, limit int) (messages []ToDevice, next Position) {
	s.received(device, got)
	messages = s.toDeviceBetween(device, got, upto)
	if len(messages) <= limit {
		return messages, upto
	}
	return messages[:limit], messages[limit-1].position
}

// KeyCountsOf returns how many keys a device has left.
func (s *Server) KeyCountsOf(device *Device) KeyCounts { return s.keyCounts(device) }
