package homeserver

import (
	"encoding/json"
	"slices"
	"time"

	"meshsim/matrix"
)

// EDU is something for another server that is no part of a room's history (server-server specification, EDUs).
type EDU struct {
	Type    string
	Content json.RawMessage // canonical
	// Key names what the EDU is about. One that still waits to be sent gives way to a newer one with its type
	// and key. "" is about nothing: all are sent.
	Key string
	// Fleeting EDUs are worthless when they come late: they are not kept for a server that cannot be reached.
	Fleeting bool
	// Lasts is how long a fleeting EDU may wait before it is worthless; 0 is until a newer one takes its place.
	Lasts time.Duration
}

// The types of EDUs that this server knows; others are ignored.
const (
	eduTyping     = "m.typing"
	eduReceipt    = "m.receipt"
	eduPresence   = "m.presence"
	eduToDevice   = "m.direct_to_device"
	eduDeviceList = "m.device_list_update"
	eduSigningKey = "m.signing_key_update"
)

// sendEDU queues an EDU for other servers. This server may be among the destinations: it is passed over.
func (s *Server) sendEDU(edu EDU, content any, destinations []string) {
	destinations = slices.DeleteFunc(destinations, func(name string) bool { return name == s.cfg.Name })
	if s.cfg.Outbox == nil || len(destinations) == 0 {
		return
	}
	raw, err := json.Marshal(content)
	if err == nil {
		edu.Content, err = matrix.CanonicalJSONLenient(raw)
	}
	if err != nil {
		s.log.Warn("an EDU cannot be encoded", "type", edu.Type, "error", err)
		return
	}
	s.cfg.Outbox.EnqueueEDU(edu, destinations)
}

// ReceiveEDUs takes the EDUs of a transaction. What makes no sense, or is not the origin's to say, is dropped
// and logged: nobody waits for an answer.
func (s *Server) ReceiveEDUs(origin string, edus []json.RawMessage) {
	for _, raw := range edus {
		var edu struct {
			Type    string          `json:"edu_type"`
			Content json.RawMessage `json:"content"`
		}
		err := json.Unmarshal(raw, &edu)
		if err == nil {
			err = s.receiveEDU(origin, edu.Type, edu.Content)
		}
		if err != nil {
			s.log.Debug("dropped an EDU", "origin", origin, "type", edu.Type, "error", err)
			s.garbage.note(origin, func(g *Garbage) { g.EDUs++ })
		}
	}
}

func (s *Server) receiveEDU(origin, kind string, content json.RawMessage) error {
	switch kind {
	case eduTyping:
		return s.receiveTyping(origin, content)
	case eduReceipt:
		return s.receiveReceipts(origin, content)
	case eduPresence:
		return s.receivePresence(origin, content)
	case eduToDevice:
		return s.receiveToDevice(origin, content)
	case eduDeviceList, eduSigningKey:
		return s.receiveDeviceList(origin, content)
	}
	return nil
}

// checkVisitor returns an error unless a user of another server may be heard of in a room: both are in it, and
// its access control list lets the server in.
func (s *Server) checkVisitor(origin, roomID, user string) error {
	if serverOf(user) != origin {
		return failf(Forbidden, "%s is not a user of %s", user, origin)
	}
	r, err := s.residentRoom(roomID)
	if err != nil {
		return err
	}
	if err := s.checkACL(r, origin); err != nil {
		return err
	}
	room := Room{s, r}
	if room.State().Membership(user) != matrix.Join {
		return failf(Forbidden, "%s is not in room %s", user, roomID)
	}
	return nil
}

// roomServers lists the other servers in a room.
func (s *Server) roomServers(roomID string) []string {
	r := s.room(matrix.RoomID(roomID))
	if r == nil || !r.isJoined() {
		return nil
	}
	return r.otherServers(s.cfg.Name)
}

// serversWith lists the other servers that share a room with a local user.
func (s *Server) serversWith(user string) []string {
	var servers []string
	for room := range s.joinedRooms(user) {
		servers = append(servers, s.roomServers(room.ID())...)
	}
	slices.Sort(servers)
	return slices.Compact(servers)
}

// joinedRooms yields the rooms that a local user is in.
func (s *Server) joinedRooms(user string) func(yield func(*Room) bool) {
	return func(yield func(*Room) bool) {
		for _, m := range s.Memberships(user) {
			if m.Membership != matrix.Join {
				continue
			}
			if room, ok := s.Room(m.RoomID); ok && !yield(room) {
				return
			}
		}
	}
}

// share says whether a local user is in a room with another user, or is that user.
func (s *Server) share(local, other string) bool {
	if local == other {
		return true
	}
	for room := range s.joinedRooms(local) {
		if room.State().Membership(other) == matrix.Join {
			return true
		}
	}
	return false
}

// known says whether any local user shares a room with a user of another server.
func (s *Server) knows(other string) bool {
	return slices.ContainsFunc(s.Users(), func(local string) bool { return s.share(local, other) })
}
