package homeserver

import (
	"slices"

	"meshsim/matrix"
)

// maxNotificationLook is how many entries of one room are looked at for one page of notifications.
const maxNotificationLook = 2000

// Notified is an event that a user is to be told of.
type Notified struct {
	Room  *Room
	Entry Entry
	Read  bool
}

// NotificationsBefore returns what a user is to be told of, the newest first, of what happened before a position. wanted
// says which events those are. Of rooms in which much has happened since, the latest part is looked at.
func (s *Server) NotificationsBefore(user string, before Position, limit int, wanted func(Entry) bool) []Notified {
	var found []Notified
	for _, m := range s.Memberships(user) {
		room, ok := s.Room(m.RoomID)
		if !ok || m.Membership != matrix.Join {
			continue
		}
		found = append(found, s.notificationsIn(room, user, m.Position, before, limit, wanted)...)
	}
	slices.SortFunc(found, func(a, b Notified) int { return int(b.Entry.Position - a.Entry.Position) })
	return found[:min(limit, len(found))]
}

func (s *Server) notificationsIn(room *Room, user string, joined, before Position, limit int, wanted func(Entry) bool) (found []Notified) {
	var receipts [2]string
	for i, kind := range [...]string{publicReceipt, "m.read.private"} {
		if receipt, ok := s.ReceiptOf(room.ID(), user, kind, ""); ok {
			receipts[i] = receipt.Event
		}
	}
	read := room.readUpTo(receipts, joined)
	for from, looked := before-1, 0; looked < maxNotificationLook; looked += logPage {
		page := room.Backward(from, joined, logPage)
		for _, entry := range page {
			from = entry.Position - 1
			if entry.Event == nil || string(entry.Event.Sender()) == user || !wanted(entry) {
				continue
			}
			if found = append(found, Notified{room, entry, entry.Position <= read}); len(found) == limit {
				return found
			}
		}
		if len(page) < logPage {
			return found
		}
	}
	return found
}
