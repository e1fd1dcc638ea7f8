package clientapi

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// Simplified sliding sync (MSC4186), in the form that clients use today and in that of the accepted proposal: parameters
// in the query or in the body, required state as pairs or as objects, ranges or a range.

// Bounds on a request.
const (
	maxSlidingLists    = 100
	maxSlidingRooms    = 100 // subscriptions
	maxSlidingTimeline = 100 // events a room
	maxConnID          = 64  // bytes
)

type slidingRequest struct {
	ConnID        string                 `json:"conn_id"`
	Pos           string                 `json:"pos"`
	Timeout       int                    `json:"timeout"` // ms
	Presence      string                 `json:"set_presence"`
	Lists         map[string]slidingList `json:"lists"`
	Subscriptions map[string]roomConfig  `json:"room_subscriptions"`
	Extensions    slidingExtensions      `json:"extensions"`
}

type slidingList struct {
	roomConfig
	Ranges  [][2]int      `json:"ranges"`
	Range   *[2]int       `json:"range"`
	Filters slidingFilter `json:"filters"`
}

// roomConfig says what a client wants to know of a room.
type roomConfig struct {
	Limit int           `json:"timeline_limit"`
	State requiredState `json:"required_state"`
}

type slidingAnswer struct {
	Pos        string                 `json:"pos"`
	Lists      map[string]listCount   `json:"lists"`
	Rooms      map[string]*slidRoom   `json:"rooms"`
	Extensions slidingExtensionAnswer `json:"extensions"`
}

type listCount struct {
	Count int `json:"count"`
}

// sliding is one request on its way through.
type sliding struct {
	*call
	in     slidingRequest
	direct map[string]bool // rooms that are direct chats
	known  *slideState     // what the client has: of the request's pos
}

func slidingSync(c *call) (any, error) {
	s := &sliding{call: c}
	if err := s.read(); err != nil {
		return nil, err
	}
	connection, err := c.slides.of(c.user(), slideKey{c.device.ID, s.in.ConnID}, s.in.Pos)
	if err != nil {
		return nil, err
	}
	connection.mu.Lock()
	defer connection.mu.Unlock()
	if s.known, err = connection.at(s.in.Pos); err != nil {
		return nil, err
	}
	return s.serve(connection)
}

// read takes the request from the body, and from the query what older clients put there.
func (s *sliding) read() error {
	if err := s.decode(&s.in); err != nil {
		return err
	}
	s.in.Pos = cmp.Or(s.query("pos"), s.in.Pos)
	s.in.Presence = cmp.Or(s.query("set_presence"), s.in.Presence, homeserver.Online)
	timeout, err := s.number("timeout", s.in.Timeout)
	if err != nil {
		return err
	}
	s.in.Timeout = timeout
	switch {
	case len(s.in.ConnID) > maxConnID:
		return invalid("conn_id has more than %d bytes", maxConnID)
	case len(s.in.Lists) > maxSlidingLists || len(s.in.Subscriptions) > maxSlidingRooms:
		return invalid("the request has %d lists and %d subscriptions: at most %d and %d are allowed",
			len(s.in.Lists), len(s.in.Subscriptions), maxSlidingLists, maxSlidingRooms)
	case !homeserver.ValidPresence(s.in.Presence):
		return invalid("set_presence=%.40s: must be online, offline or unavailable", s.in.Presence)
	case s.in.Timeout < 0:
		return invalid("timeout is %d: must be a number of milliseconds from 0", s.in.Timeout)
	}
	return nil
}

// serve answers at once where the connection begins, and otherwise when there is something to tell.
func (s *sliding) serve(connection *slide) (any, error) {
	wait := min(time.Duration(min(s.in.Timeout, int(maxPoll/time.Millisecond)))*time.Millisecond, maxPoll)
	if s.in.Pos == "" {
		wait = 0
	}
	var answer *slidingAnswer
	var next *slideState
	err := s.server.Await(s.r.Context(), s.user(), s.in.Presence, wait, func(upto homeserver.Position) bool {
		var news bool
		answer, next, news = s.look(upto)
		return news || s.in.Pos == ""
	})
	if err != nil {
		return nil, err
	}
	answer.Pos = connection.issue(next)
	return answer, nil
}

// look puts an answer together for a position. news says whether it tells anything.
func (s *sliding) look(upto homeserver.Position) (answer *slidingAnswer, next *slideState, news bool) {
	s.direct = s.directRooms()
	answer = &slidingAnswer{Lists: map[string]listCount{}, Rooms: map[string]*slidRoom{}}
	next = s.known.next(upto)
	wanted := s.wanted(upto, answer)
	for id, w := range wanted {
		sent := s.known.rooms[id]
		if room := s.room(w, sent, upto); room != nil {
			room.Lists = w.lists
			answer.Rooms[id] = room
		}
		next.rooms[id] = sent.after(w, upto)
	}
	answer.Extensions, news = s.extensions(wanted, upto)
	return answer, next, news || len(answer.Rooms) > 0
}

// wantedRoom is a room that a list or a subscription matches, with what the client wants of it.
type wantedRoom struct {
	homeserver.Membership
	room   *homeserver.Room // nil for one that this server does not have
	active homeserver.Position
	config roomConfig
	lists  []string
}

// wanted are the rooms that the request matches, by id.
func (s *sliding) wanted(upto homeserver.Position, answer *slidingAnswer) map[string]*wantedRoom {
	all := s.visible(upto)
	wanted := map[string]*wantedRoom{}
	for _, name := range slices.Sorted(maps.Keys(s.in.Lists)) {
		list := s.in.Lists[name]
		keep := s.filtering(list.Filters)
		var matched []*wantedRoom
		for _, w := range all {
			if keep(w) {
				matched = append(matched, w)
			}
		}
		answer.Lists[name] = listCount{len(matched)}
		for i, w := range matched {
			if list.has(i) {
				w.config.add(list.roomConfig)
				w.lists = append(w.lists, name)
				wanted[w.RoomID] = w
			}
		}
	}
	for id, config := range s.in.Subscriptions {
		if i := slices.IndexFunc(all, func(w *wantedRoom) bool { return w.RoomID == id }); i >= 0 {
			all[i].config.add(config)
			wanted[id] = all[i]
		}
	}
	return wanted
}

// has says whether the place in a list is in one of its ranges, both ends included; without any, all are.
func (l slidingList) has(i int) bool {
	ranges := l.Ranges
	if l.Range != nil {
		ranges = append(slices.Clone(ranges), *l.Range)
	}
	if len(ranges) == 0 {
		return true
	}
	return slices.ContainsFunc(ranges, func(r [2]int) bool { return r[0] <= i && i <= r[1] })
}

// visible are the rooms that the user may know of, those with the latest activity first. Rooms that they have left by
// themselves are told of once, to a connection that knew them.
func (s *sliding) visible(upto homeserver.Position) []*wantedRoom {
	var all []*wantedRoom
	for _, m := range s.server.Memberships(s.user()) {
		if m.Position > upto || m.Event == nil {
			continue
		}
		w := &wantedRoom{Membership: m, active: m.Position}
		if room, ok := s.server.Room(m.RoomID); ok {
			w.room = room
		}
		sent := s.known.rooms[m.RoomID]
		switch m.Membership {
		case matrix.Join:
			if w.room != nil {
				w.active = w.room.Newest()
			}
		case matrix.Leave:
			if string(m.Event.Sender()) == s.user() && (sent.at == 0 || sent.membership != matrix.Join && sent.at >= m.Position) {
				continue
			}
		}
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *wantedRoom) int {
		return cmp.Or(cmp.Compare(b.active, a.active), cmp.Compare(a.RoomID, b.RoomID))
	})
	return all
}

// directRooms are the rooms in the user's account data m.direct.
func (s *sliding) directRooms() map[string]bool {
	raw, err := s.server.AccountDataOf(s.user(), "", "m.direct")
	var byUser map[string][]string
	if err != nil || json.Unmarshal(raw, &byUser) != nil {
		return nil
	}
	direct := map[string]bool{}
	for _, rooms := range byUser {
		for _, id := range rooms {
			direct[id] = true
		}
	}
	return direct
}

// errUnknownPos sends the client back to the beginning.
var errUnknownPos = errorf(http.StatusBadRequest, "M_UNKNOWN_POS", "this server has no such connection any more: begin anew, without pos")
