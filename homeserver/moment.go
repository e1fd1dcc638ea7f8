package homeserver

import (
	"context"

	"meshsim/matrix"
)

// Moment is an event and when its server says it was sent.
type Moment struct {
	Event string `json:"event_id"`
	At    int64  `json:"origin_server_ts"` // ms since the epoch
}

// maxAskedForMoment is how many other servers are asked for the event at a time.
const maxAskedForMoment = 3

// MomentFor returns the event of a room closest to a time, at or before it when looking backward, otherwise at or
// after it, as far as the user may see it. Other servers of the room are asked when this one has none.
func (s *Server) MomentFor(ctx context.Context, user, roomID string, at int64, backward bool) (Moment, error) {
	room, view, err := s.view(user, roomID)
	if err != nil {
		return Moment{}, err
	}
	best, whole := room.closest(at, backward, view.sees)
	if whole && best.Event != "" {
		return best, nil
	}
	servers := s.roomServers(roomID)
	for _, server := range servers[:min(len(servers), maxAskedForMoment)] {
		found, err := s.cfg.Remote.TimestampToEvent(ctx, server, roomID, at, backward)
		if err == nil && found.Event != "" {
			best = best.orCloser(found, at, backward)
			break
		}
	}
	if best.Event == "" {
		return best, failf(NotFound, "no event of room %s was sent on that side of the time", roomID)
	}
	return best, nil
}

// orCloser returns the other moment where that is closer to the time and on the right side of it.
func (m Moment) orCloser(other Moment, at int64, backward bool) Moment {
	if closer(other.At, m, at, backward) {
		return other
	}
	return m
}

// ServeMoment answers another server's timestamp_to_event.
func (s *Server) ServeMoment(origin, roomID string, at int64, backward bool) (Moment, error) {
	r, err := s.residentRoom(roomID)
	if err != nil {
		return Moment{}, err
	}
	r.mu.Lock()
	err = r.visitorLocked(origin)
	r.mu.Unlock()
	if err != nil {
		return Moment{}, err
	}
	room := &Room{s, r}
	found, _ := room.closest(at, backward, func(Entry) bool { return true })
	if found.Event == "" {
		return Moment{}, failf(NotFound, "no event of room %s was sent on that side of the time", roomID)
	}
	return found, nil
}

// closest goes through the log, whose order need not be that of the servers' clocks. It returns no event where none is on
// the right side of the time. whole says that the log goes back to the room's beginning: there can be none closer.
func (r *Room) closest(at int64, backward bool, shown func(Entry) bool) (best Moment, whole bool) {
	for from := end; ; {
		page := r.Backward(from, beginning, logPage)
		for _, entry := range page {
			from = entry.Position - 1
			if entry.Event == nil {
				continue
			}
			whole = entry.Event.Type() == matrix.TypeCreate
			if sent := entry.Event.OriginServerTS(); closer(sent, best, at, backward) && shown(entry) {
				best = Moment{string(entry.Event.ID()), sent}
			}
		}
		if len(page) < logPage {
			return best, whole
		}
	}
}

// closer says whether what was sent at a time is on the right side of another and closer to it than an event, which may
// be none.
func closer(sent int64, than Moment, at int64, backward bool) bool {
	if backward {
		return sent <= at && (than.Event == "" || sent > than.At)
	}
	return sent >= at && (than.Event == "" || sent <= than.At)
}
