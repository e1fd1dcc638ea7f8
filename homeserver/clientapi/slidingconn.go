package clientapi

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"strconv"
	"sync"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// maxSlides is how many connections of sliding syncs a user has; the one that was used least recently gives way. Clients
// use two or three a device.
const maxSlides = 64

// slides are the connections of a server. They live as long as the process: a client whose connection is gone begins anew.
type slides struct {
	mu  sync.Mutex
	all map[string]map[slideKey]*slide // by user
	use int64
}

type slideKey struct{ device, conn string }

// slide is one connection. A client has one request under way at a time; another one waits for its end.
type slide struct {
	id   string
	used int64 // slides.mu guards it

	mu     sync.Mutex
	number int
	states [2]*slideState // of the last pos that the client has shown, and of the one that was issued after it
}

// slideState is what the client knows once it has got an answer. It is not changed.
type slideState struct {
	pos   string // "" at the beginning
	at    homeserver.Position
	rooms map[string]sentRoom
}

// sentRoom is what the client knows of a room.
type sentRoom struct {
	at         homeserver.Position // 0 for nothing
	limit      int                 // of the timeline, the largest so far
	state      string              // what state it asked for
	membership matrix.Membership
}

// of returns a user's connection with a key. One without pos is new, in place of the one that there was.
func (s *slides) of(user string, key slideKey, pos string) (*slide, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[user][key]
	if pos != "" && found == nil {
		return nil, errUnknownPos
	}
	if pos == "" {
		found = &slide{id: rand.Text()[:8]}
		s.roomLocked(user)[key] = found
	}
	s.use++
	found.used = s.use
	return found, nil
}

// roomLocked are a user's connections, with room for one more.
func (s *slides) roomLocked(user string) map[slideKey]*slide {
	if s.all == nil {
		s.all = map[string]map[slideKey]*slide{}
	}
	mine := s.all[user]
	if mine == nil {
		mine = map[slideKey]*slide{}
		s.all[user] = mine
	}
	if len(mine) < maxSlides {
		return mine
	}
	var oldest slideKey
	for key, slide := range mine {
		if old := mine[oldest]; old == nil || slide.used < old.used {
			oldest = key
		}
	}
	delete(mine, oldest)
	return mine
}

// at returns what the client knows that shows a pos: the latest that was issued, or the one before it when the answer was
// lost. slide.mu is held, as for issue.
func (c *slide) at(pos string) (*slideState, error) {
	if pos == "" {
		return &slideState{}, nil
	}
	for i, state := range c.states {
		if state != nil && state.pos == pos {
			if i == 1 {
				c.states = [2]*slideState{state, nil}
			}
			return state, nil
		}
	}
	return nil, errUnknownPos
}

// issue keeps what the client will know once it has the answer, and names it.
func (c *slide) issue(next *slideState) (pos string) {
	c.number++
	next.pos = strconv.Itoa(c.number) + "." + c.id
	c.states[1] = next
	return next.pos
}

func (s *slideState) next(upto homeserver.Position) *slideState {
	rooms := maps.Clone(s.rooms)
	if rooms == nil {
		rooms = map[string]sentRoom{}
	}
	return &slideState{at: upto, rooms: rooms}
}

// after is what the client knows of a room once it has been told up to a position.
func (r sentRoom) after(w *wantedRoom, upto homeserver.Position) sentRoom {
	limit := w.config.Limit
	if r.membership == w.Membership.Membership {
		limit = max(limit, r.limit)
	}
	return sentRoom{at: upto, limit: limit, state: w.config.State.key(), membership: w.Membership.Membership}
}

// key is the same for the same wishes.
func (r requiredState) key() string {
	raw, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	return string(raw)
}
