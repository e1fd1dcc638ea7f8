package homeserver

import "slices"

// Publish puts a room into this server's published room directory, or takes it out.
func (s *Server) Publish(roomID string, published bool) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	if !published {
		delete(s.users.published, roomID)
		s.Drop(kindPublished, roomID)
		return
	}
	s.users.publish(roomID)
	s.Keep(kindPublished, roomID, roomID)
}

// publish needs users.mu.
func (u *users) publish(roomID string) {
	if u.published == nil {
		u.published = map[string]bool{}
	}
	u.published[roomID] = true
}

// Published says whether a room is in this server's room directory.
func (s *Server) Published(roomID string) bool {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	return s.users.published[roomID]
}

// PublishedRooms returns the rooms of this server's room directory, sorted by id.
func (s *Server) PublishedRooms() []*Room {
	s.users.mu.RLock()
	ids := make([]string, 0, len(s.users.published))
	for id := range s.users.published {
		ids = append(ids, id)
	}
	s.users.mu.RUnlock()
	slices.Sort(ids)
	rooms := make([]*Room, 0, len(ids))
	for _, id := range ids {
		if room, ok := s.Room(id); ok {
			rooms = append(rooms, room)
		}
	}
	return rooms
}
