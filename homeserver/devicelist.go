package homeserver

import (
	"encoding/json"
	"slices"
	"sync"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// deviceLists say whose devices or cross-signing keys changed when, users of other servers included. The zero
// value is empty.
type deviceLists struct {
	mu      sync.Mutex
	changes map[string]Position // by user
	newest  Position
	remote  map[string]*remoteUser // keys of users of other servers, as far as they have been asked for
}

// DeviceListChanges says whose keys a client has to ask for, and whose it may forget (client-server API,
// tracking the device list for a user).
type DeviceListChanges struct {
	Changed, Left []string // sorted
}

// Empty says whether nothing changed.
func (d DeviceListChanges) Empty() bool { return len(d.Changed)+len(d.Left) == 0 }

// keysChanged notes that a user's keys are not what they were.
func (s *Server) keysChanged(user string) {
	d := &s.users.deviceLists
	s.stream.append(func(at Position) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.changes == nil {
			d.changes = map[string]Position{}
		}
		d.newest = at
		d.changes[user] = at
		s.Keep(kindKeysChanged, storedKeysChanged{user, at}, user)
		d.distrustLocked(user)
	})
	s.users.watchers.alert(anybody)
}

func (d *deviceLists) distrustLocked(user string) {
	if known := d.remote[user]; known != nil {
		known.stale = true
	}
}

// meet notes that a user has come into a room: what is known of the keys of those whom others meet there is from before,
// when nobody may have told of changes.
func (d *deviceLists) meet(user string, room *State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remote[user] != nil {
		d.distrustLocked(user)
		return
	}
	for other := range d.remote {
		if room.Membership(other) == matrix.Join {
			d.distrustLocked(other)
		}
	}
}

// deviceListContent is the content of an m.device_list_update EDU.
type deviceListContent struct {
	User     string          `json:"user_id"`
	Device   string          `json:"device_id"`
	Name     string          `json:"device_display_name,omitempty"`
	StreamID Position        `json:"stream_id"`
	Prev     []Position      `json:"prev_id"`
	Deleted  bool            `json:"deleted,omitempty"`
	Keys     json.RawMessage `json:"keys,omitempty"`
}

// deviceChanged tells clients and other servers that a device of a local user is new, different or gone.
func (s *Server) deviceChanged(user, id string) {
	before := s.deviceListAt(user)
	s.keysChanged(user)
	update := deviceListContent{User: user, Device: id, StreamID: s.deviceListAt(user), Prev: []Position{}}
	if before != 0 {
		update.Prev = append(update.Prev, before)
	}
	s.users.mu.RLock()
	if device, err := s.users.deviceLocked(user, id); err == nil {
		update.Name, update.Keys = device.name, device.publicKeysLocked()
	} else {
		update.Deleted = true
	}
	s.users.mu.RUnlock()
	s.sendEDU(EDU{Type: eduDeviceList}, update, s.serversWith(user))
}

// deviceListAt is the position of the latest change of a user's keys, 0 for none.
func (s *Server) deviceListAt(user string) Position {
	d := &s.users.deviceLists
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changes[user]
}

// receiveDeviceList takes that a user of another server has other keys than before. What they are is asked
// when somebody wants to know.
func (s *Server) receiveDeviceList(origin string, content json.RawMessage) error {
	var in struct {
		User string `json:"user_id"`
	}
	if err := json.Unmarshal(content, &in); err != nil {
		return err
	}
	if serverOf(in.User) != origin {
		return failf(Forbidden, "%s is not a user of %s", in.User, origin)
	}
	if s.knows(in.User) {
		s.keysChanged(in.User)
	}
	return nil
}

// changedKeys returns whose keys changed after since, up to and including upto, among those that a local user
// shares a room with.
func (s *Server) changedKeys(user string, since, upto Position) []string {
	d := &s.users.deviceLists
	d.mu.Lock()
	var changed []string
	if d.newest > since {
		for other, at := range d.changes {
			if since < at && at <= upto {
				changed = append(changed, other)
			}
		}
	}
	d.mu.Unlock()
	return slices.DeleteFunc(changed, func(other string) bool { return !s.share(user, other) })
}

// deviceListChanges adds to whose keys changed those who have come into an encrypted room with the user, and
// says with whom the user shares none any more.
func (s *Server) deviceListChanges(q SyncQuery, answer *SyncAnswer) DeviceListChanges {
	if q.First {
		return DeviceListChanges{} // the client knows no devices yet
	}
	changed, gone := map[string]bool{}, map[string]bool{}
	for _, user := range s.changedKeys(q.User, q.Since, answer.Next) {
		changed[user] = true
	}
	for i := range answer.Joined {
		answer.Joined[i].countMembers(changed, gone)
	}
	for i := range answer.Left {
		for pdu := range answer.Left[i].Known.Members() {
			gone[pdu.Key().StateKey] = true
		}
	}
	delete(gone, q.User)
	var out DeviceListChanges
	for user := range changed {
		out.Changed = append(out.Changed, user)
	}
	for user := range gone {
		if !changed[user] && !s.shareEncrypted(q.User, user) {
			out.Left = append(out.Left, user)
		}
	}
	slices.Sort(out.Changed)
	slices.Sort(out.Left)
	return out
}

// countMembers notes who came into an encrypted room, or was in it when it became encrypted or new to the
// client, and who went.
func (u *RoomUpdate) countMembers(came, gone map[string]bool) {
	if u.After == u.Known || !encrypted(u.After) {
		return
	}
	known := u.Known
	if !encrypted(known) {
		known = nil
	}
	for pdu := range u.After.Changes(known) {
		if pdu.Type() != matrix.TypeMember {
			continue
		}
		user, was := pdu.Key().StateKey, known.Membership(pdu.Key().StateKey) == matrix.Join
		switch is := pdu.Membership() == matrix.Join; {
		case is && !was:
			came[user] = true
		case was && !is:
			gone[user] = true
		}
	}
}

func encrypted(state *State) bool {
	return state.Event(event.Key{Type: matrix.TypeEncryption}) != nil
}

func (s *Server) shareEncrypted(local, other string) bool {
	for room := range s.joinedRooms(local) {
		state := room.State()
		if encrypted(state) && state.Membership(other) == matrix.Join {
			return true
		}
	}
	return false
}

// DeviceListsBetween answers keys/changes: whose keys changed between two positions. Who has come to share a
// room since counts as changed.
func (s *Server) DeviceListsBetween(user string, since, upto Position) DeviceListChanges {
	answer := &SyncAnswer{Next: upto}
	for _, m := range s.Memberships(user) {
		room, ok := s.Room(m.RoomID)
		if !ok {
			continue
		}
		update := RoomUpdate{RoomID: m.RoomID, Known: room.StateAt(since), After: room.StateAt(upto)}
		was, is := update.Known.Membership(user) == matrix.Join, update.After.Membership(user) == matrix.Join
		switch {
		case is && !was:
			update.Known = nil
			answer.Joined = append(answer.Joined, update)
		case is:
			answer.Joined = append(answer.Joined, update)
		case was:
			answer.Left = append(answer.Left, update)
		}
	}
	return s.deviceListChanges(SyncQuery{User: user, Since: since}, answer)
}
