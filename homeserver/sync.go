package homeserver

import (
	"context"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// SyncQuery asks what happened since a position, as one user sees it.
type SyncQuery struct {
	User     string
	Device   *Device       // takes messages to devices; nil for none
	Presence string        // of the user while the sync waits; "" for none
	First    bool          // the client knows nothing yet
	Since    Position      // of the answer that the client had last; 0 on the first sync
	Wait     time.Duration // how long to wait for something to happen; ignored with First and FullState

	FullState   bool // all state of joined rooms, not what changed; timelines still begin at Since
	StateAfter  bool // the client takes state from RoomUpdate.StateAfter and none from timelines
	IncludeLeft bool // on the first sync, rooms that the user has left, too

	Limit int                      // of each room's timeline, at least 1
	Keep  func(*event.PDU) bool    // which events timelines have; nil for all
	Rooms func(roomID string) bool // which rooms the answer has; nil for all
}

// SyncAnswer is what happened. Rooms stand in no order.
type SyncAnswer struct {
	Next        Position // for the next query's Since
	Joined      []RoomUpdate
	Left        []RoomUpdate
	Invited     []Membership
	Knocked     []Membership
	AccountData []AccountData // global
	Presence    []Presence
	ToDevice    []ToDevice // in the order in which they came
	DeviceLists DeviceListChanges
	Keys        KeyCounts // of the device, as they are now
}

// Empty says whether nothing happened.
func (a *SyncAnswer) Empty() bool {
	return len(a.Joined)+len(a.Left)+len(a.Invited)+len(a.Knocked)+len(a.AccountData)+len(a.Presence)+len(a.ToDevice) == 0 &&
		a.DeviceLists.Empty()
}

// Sync answers a query, waiting until something happens that concerns the user. When ctx ends first, it
// returns ctx's error. Only what a client would not know after applying the answers that it got before is
// returned, and after applying this one it has the room's state as of Next.
func (s *Server) Sync(ctx context.Context, q SyncQuery) (*SyncAnswer, error) {
	deadline := time.Now().Add(q.Wait)
	watcher := s.users.watchers.watch(q.User)
	defer s.users.watchers.unwatch(watcher)
	defer s.syncs(q.User, q.Presence)()
	if q.Device != nil && !q.First {
		s.received(q.Device, q.Since)
	}
	for {
		upto := s.Position()
		answer := s.syncUpTo(q, upto)
		if !answer.Empty() || q.First || q.FullState {
			return answer, nil
		}
		// Nothing up to here is for this client: the next look need not go over it again.
		q.Since = answer.Next
		if answer.Next < upto {
			continue
		}
		if again, err := s.wait(ctx, watcher, deadline); err != nil || !again {
			return answer, err
		}
	}
}

// syncUpTo answers for a position that has been reached. Where a room's timeline would leave the client with
// wrong state (see [window.conflict]), the answer ends earlier, and the next one begins with the correction.
func (s *Server) syncUpTo(q SyncQuery, upto Position) *SyncAnswer {
	for {
		answer, cut := s.collect(q, upto)
		if cut == 0 {
			s.addUnroomed(q, answer)
			return answer
		}
		upto = cut
	}
}

// addUnroomed adds what belongs to no room.
func (s *Server) addUnroomed(q SyncQuery, answer *SyncAnswer) {
	answer.Presence = s.presenceBetween(q.User, q.Since, answer.Next)
	answer.DeviceLists = s.deviceListChanges(q, answer)
	if q.Device != nil {
		answer.ToDevice = s.toDeviceBetween(q.Device, q.Since, answer.Next)
		answer.Keys = s.keyCounts(q.Device)
	}
}

// collect returns the answer for a position, or an earlier position to try instead.
func (s *Server) collect(q SyncQuery, upto Position) (answer *SyncAnswer, cut Position) {
	answer = &SyncAnswer{Next: upto}
	data := s.accountDataByRoom(q, upto, answer)
	for _, m := range s.Memberships(q.User) {
		if q.Rooms != nil && !q.Rooms(m.RoomID) {
			continue
		}
		switch m.Membership {
		case matrix.Join:
			update, cut := s.joinedUpdate(q, m, upto)
			if cut != 0 {
				return nil, cut
			}
			s.addJoined(answer, q, update, data[m.RoomID], upto)
		case matrix.Invite:
			if q.Since < m.Position && m.Position <= upto {
				answer.Invited = append(answer.Invited, m)
			}
		case matrix.Knock:
			if q.Since < m.Position && m.Position <= upto {
				answer.Knocked = append(answer.Knocked, m)
			}
		case matrix.Leave, matrix.Ban:
			if s.leftShown(q, m, upto) {
				answer.Left = append(answer.Left, s.leftUpdate(q, m))
			}
		}
	}
	return answer, 0
}

// accountDataByRoom puts global account data into the answer and returns that of rooms.
func (s *Server) accountDataByRoom(q SyncQuery, upto Position, answer *SyncAnswer) map[string][]AccountData {
	var rooms map[string][]AccountData
	for _, data := range s.AccountDataBetween(q.User, q.Since, upto) {
		if data.RoomID == "" {
			answer.AccountData = append(answer.AccountData, data)
			continue
		}
		if rooms == nil {
			rooms = map[string][]AccountData{}
		}
		rooms[data.RoomID] = append(rooms[data.RoomID], data)
	}
	return rooms
}

// addJoined completes a joined room's update with what is not in the room's log, and adds it when there is
// anything to tell.
func (s *Server) addJoined(answer *SyncAnswer, q SyncQuery, update *RoomUpdate, data []AccountData, upto Position) {
	since := q.Since
	if update.New {
		since = 0
	}
	update.Ephemeral = s.EphemeralBetween(update.RoomID, q.User, since, upto)
	update.AccountData = data
	if update.Changed() || !update.Ephemeral.Empty() || len(data) > 0 {
		answer.Joined = append(answer.Joined, *update)
	}
}

// leftShown says whether a room that the user has left belongs into the answer.
func (s *Server) leftShown(q SyncQuery, m Membership, upto Position) bool {
	if m.Position > upto || s.forgotten(q.User, m) {
		return false
	}
	if q.First {
		return q.IncludeLeft
	}
	return q.Since < m.Position
}
