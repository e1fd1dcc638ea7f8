package homeserver

import (
	"context"

	"meshsim/matrix/event"
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
	if found, ok := room.closest(at, backward, view.sees); ok {
		return found, nil
	}
	servers := s.roomServers(roomID)
	for _, server := range servers[:min(len(servers), maxAskedForMoment)] {
		if found, err := s.cfg.Remote.TimestampToEvent(ctx, server, roomID, at, backward); err == nil && found.Event != "" {
			return found, nil
		}
	}
	return Moment{}, failf(NotFound, "no event of room %s was sent on that side of the time", roomID)
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
	found, ok := room.closest(at, backward, func(Entry) bool { return true })
	if !ok {
		return Moment{}, failf(NotFound, "no event of room %s was sent on that side of the time", roomID)
	}
	return found, nil
}

// closest goes through the log, whose order need not be that of the servers' clocks.
func (r *Room) closest(at int64, backward bool, shown func(Entry) bool) (Moment, bool) {
	var best *event.PDU
	for from := end; ; {
		page := r.Backward(from, beginning, logPage)
		for _, entry := range page {
			from = entry.Position - 1
			if entry.Event != nil && closer(entry.Event, best, at, backward) && shown(entry) {
				best = entry.Event
			}
		}
		if len(page) < logPage {
			break
		}
	}
	if best == nil {
		return Moment{}, false
	}
	return Moment{string(best.ID()), best.OriginServerTS()}, true
}

// closer says whether an event is on the right side of a time and closer to it than another, which may be nil.
func closer(pdu, than *event.PDU, at int64, backward bool) bool {
	sent := pdu.OriginServerTS()
	if backward {
		return sent <= at && (than == nil || sent > than.OriginServerTS())
	}
	return sent >= at && (than == nil || sent <= than.OriginServerTS())
}
