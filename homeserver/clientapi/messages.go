package clientapi

import (
	"slices"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// messages pages through a room's history, fetching from other servers what lies before this one's.
func messages(c *call) (any, error) {
	h := homeserver.History{User: c.user(), RoomID: c.vars["roomId"]}
	switch dir := c.query("dir"); dir {
	case "b":
		h.Backward = true
	case "f":
	case "":
		return nil, missing("the request does not say in which direction: give dir=b or dir=f")
	default:
		return nil, invalid("dir=%s: must be b or f", dir)
	}
	var err error
	if h.From, err = c.optionalToken("from"); err != nil {
		return nil, err
	}
	if h.To, err = c.optionalToken("to"); err != nil {
		return nil, err
	}
	limit, err := c.number("limit", defaultTimeline)
	if err != nil {
		return nil, err
	}
	h.Limit = max(1, min(limit, maxTimeline))
	filter, err := parseRoomEventFilter(c.query("filter"))
	if err != nil {
		return nil, err
	}
	h.Keep = filter.keep()
	page, err := c.server.Messages(c.r.Context(), h)
	if err != nil {
		return nil, err
	}
	return c.page(page, filter), nil
}

type messagePage struct {
	Start string `json:"start"`
	End   string `json:"end,omitempty"`
	Chunk []any  `json:"chunk"`
	State []any  `json:"state,omitempty"`
}

func (c *call) page(page *homeserver.HistoryPage, filter roomEventFilter) messagePage {
	present := c.presenter(page.Room)
	out := messagePage{Start: token(page.Start), Chunk: present.entries(page.Entries)}
	if page.More {
		out.End = token(page.End)
	}
	if filter.LazyMembers {
		out.State = present.all(senders(page))
	}
	return out
}

// senders returns the member events of those who sent a page's events.
func senders(page *homeserver.HistoryPage) []*event.PDU {
	state := page.Room.State()
	seen := map[matrix.UserID]bool{}
	var found []*event.PDU
	for _, entry := range page.Entries {
		sender := entry.Event.Sender()
		if seen[sender] {
			continue
		}
		seen[sender] = true
		if pdu := state.Get(matrix.TypeMember, string(sender)); pdu != nil {
			found = append(found, pdu)
		}
	}
	return found
}

// getEvent returns one event.
func getEvent(c *call) (any, error) {
	room, pdu, err := c.server.EventFor(c.user(), c.vars["roomId"], c.vars["eventId"])
	if err != nil {
		return nil, err
	}
	return c.presenter(room).event(pdu), nil
}

type eventContext struct {
	Start  string `json:"start"`
	End    string `json:"end"`
	Event  any    `json:"event"`
	Before []any  `json:"events_before"`
	After  []any  `json:"events_after"`
	State  []any  `json:"state"`
}

// getContext returns an event with what was sent around it.
func getContext(c *call) (any, error) {
	limit, err := c.number("limit", defaultTimeline)
	if err != nil {
		return nil, err
	}
	filter, err := parseRoomEventFilter(c.query("filter"))
	if err != nil {
		return nil, err
	}
	around, err := c.server.Around(c.user(), c.vars["roomId"], c.vars["eventId"], min(limit, maxTimeline), filter.keep())
	if err != nil {
		return nil, err
	}
	present := c.presenter(around.Room)
	state := around.Room.StateAt(around.End)
	return eventContext{
		Start:  token(around.Start),
		End:    token(around.End),
		Event:  present.entry(around.Event),
		Before: present.entries(around.Before),
		After:  present.entries(around.After),
		State:  present.all(slices.Collect(state.All())),
	}, nil
}
