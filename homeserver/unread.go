package homeserver

import (
	"encoding/json"

	"meshsim/matrix"
)

// Unread says how much of a room a user has not read.
type Unread struct{ Notify, Highlight int }

// Judge says whether an event is to be brought to a user's attention, with the room's state at that time.
type Judge func(Entry) (notify, highlight bool)

// unreadKey names the count of one user in one room.
type unreadKey struct{ user, roomID string }

// unread is a count that goes on with the room's log, so that each event is judged once. users.unreadMu guards it.
type unread struct {
	read  [2]string // the events of the user's receipts
	rules Position  // when the user's push rules were last changed
	from  Position  // events after it may be unread
	upto  Position  // counted so far
	count Unread
}

// UnreadIn counts what a user who is in a room has not read of it, up to a position. rules is when what judge goes by
// was last changed. What the user wrote themselves, they have read, and what came before.
func (s *Server) UnreadIn(room *Room, user string, upto, rules Position, judge Judge) Unread {
	m, _ := s.MembershipOf(user, room.ID())
	now := unread{rules: rules}
	for i, kind := range [...]string{publicReceipt, "m.read.private"} {
		if receipt, ok := s.ReceiptOf(room.ID(), user, kind, ""); ok {
			now.read[i] = receipt.Event
		}
	}
	s.users.unreadMu.Lock()
	defer s.users.unreadMu.Unlock()
	key := unreadKey{user, room.ID()}
	known := s.users.unread[key]
	if known == nil || known.read != now.read || known.rules != rules || known.from < m.Position || known.upto > upto {
		now.from = room.readUpTo(now.read, m.Position)
		now.upto = now.from
		known = &now
	}
	known.add(room, user, upto, judge)
	if s.users.unread == nil {
		s.users.unread = map[unreadKey]*unread{}
	}
	s.users.unread[key] = known
	return known.count
}

// readUpTo is the position of the latest of some events, at least that of the user's coming into the room.
func (r *Room) readUpTo(events [2]string, joined Position) Position {
	upto := joined
	for _, id := range events {
		if id == "" {
			continue
		}
		if entry, ok := r.find(id); ok {
			upto = max(upto, entry.Position)
		}
	}
	return upto
}

func (u *unread) add(room *Room, user string, upto Position, judge Judge) {
	for {
		entries := room.Forward(u.upto, upto, logPage)
		for _, entry := range entries {
			u.upto = entry.Position
			switch {
			case entry.Event == nil:
			case string(entry.Event.Sender()) == user:
				u.count = Unread{}
			default:
				u.count.addOne(judge(entry))
			}
		}
		if len(entries) < logPage {
			return
		}
	}
}

func (u *Unread) addOne(notify, highlight bool) {
	if notify {
		u.Notify++
	}
	if highlight {
		u.Highlight++
	}
}

// AccountDataAt is the position at which a piece of a local user's global account data was set, 0 for never.
func (s *Server) AccountDataAt(user, kind string) Position {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	if a := s.users.accounts[user]; a != nil {
		return a.data[dataKey{"", kind}].at
	}
	return 0
}

// MayNotify says whether a user's power suffices to notify the whole room in some way, e.g. with "room" (client-server
// API, m.room.power_levels, notifications).
func (s *State) MayNotify(user, kind string) bool {
	const usual = 50
	needed := int64(usual)
	if pdu := s.Get(matrix.TypePowerLevels, ""); pdu != nil {
		var content struct {
			Notifications map[string]int64 `json:"notifications"`
		}
		if json.Unmarshal(pdu.Content(), &content) == nil {
			if level, ok := content.Notifications[kind]; ok {
				needed = level
			}
		}
	}
	return userPower(s, matrix.UserID(user)) >= needed
}
