package clientapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// filter is what a client wants to see of a sync (client-server API, filtering).
type filter struct {
	EventFormat string      `json:"event_format"`
	AccountData eventFilter `json:"account_data"`
	Presence    eventFilter `json:"presence"`
	Room        roomFilter  `json:"room"`
}

type roomFilter struct {
	Rooms       *[]string       `json:"rooms"`
	NotRooms    []string        `json:"not_rooms"`
	IncludeLeft bool            `json:"include_leave"`
	State       roomEventFilter `json:"state"`
	Timeline    roomEventFilter `json:"timeline"`
	Ephemeral   roomEventFilter `json:"ephemeral"`
	AccountData roomEventFilter `json:"account_data"`
}

// eventFilter chooses events by type and sender. An absent list allows all, an empty one nothing.
type eventFilter struct {
	Limit      *int      `json:"limit"`
	Types      *[]string `json:"types"`
	NotTypes   []string  `json:"not_types"`
	Senders    *[]string `json:"senders"`
	NotSenders []string  `json:"not_senders"`
}

type roomEventFilter struct {
	eventFilter
	Rooms       *[]string `json:"rooms"`
	NotRooms    []string  `json:"not_rooms"`
	ContainsURL *bool     `json:"contains_url"`
	LazyMembers bool      `json:"lazy_load_members"`
}

// The number of timeline events that a client gets that asks for no number, and at most.
const (
	defaultTimeline = 10
	maxTimeline     = 1000
)

// maxFilter bounds a stored filter, in bytes.
const maxFilter = 16 << 10

func parseFilter(text []byte) (filter, error) {
	var f filter
	if err := decodeJSON(text, &f); err != nil {
		return f, err
	}
	switch f.EventFormat {
	case "", "client", "federation":
	default:
		return f, badJSON("event_format %q: must be client or federation", f.EventFormat)
	}
	limits := [...]*int{
		f.AccountData.Limit, f.Room.State.Limit, f.Room.Timeline.Limit, f.Room.Ephemeral.Limit, f.Room.AccountData.Limit,
	}
	for _, limit := range limits {
		if limit != nil && *limit < 0 {
			return f, badJSON("the limit %d in the filter must not be negative", *limit)
		}
	}
	return f, nil
}

func parseRoomEventFilter(text string) (roomEventFilter, error) {
	var f roomEventFilter
	if text == "" {
		return f, nil
	}
	if !json.Valid([]byte(text)) {
		return f, errorf(http.StatusBadRequest, "M_NOT_JSON", "the filter is not JSON")
	}
	return f, decodeJSON([]byte(text), &f)
}

// limit is the number of events asked for, within bounds.
func (f eventFilter) limit() int {
	if f.Limit == nil {
		return defaultTimeline
	}
	return min(*f.Limit, maxTimeline)
}

// allows says whether events of a type by a sender ("" for events without one) pass.
func (f eventFilter) allows(kind, sender string) bool {
	switch {
	case slices.ContainsFunc(f.NotTypes, func(pattern string) bool { return matches(pattern, kind) }):
		return false
	case f.Types != nil && !slices.ContainsFunc(*f.Types, func(pattern string) bool { return matches(pattern, kind) }):
		return false
	case slices.Contains(f.NotSenders, sender):
		return false
	}
	return f.Senders == nil || slices.Contains(*f.Senders, sender)
}

// matches compares with a pattern in which * stands for any text.
func matches(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], after
	}
}

// room says whether anything of a room passes.
func (f roomEventFilter) room(roomID string) bool {
	return !slices.Contains(f.NotRooms, roomID) && (f.Rooms == nil || slices.Contains(*f.Rooms, roomID))
}

func (f roomFilter) room(roomID string) bool {
	return !slices.Contains(f.NotRooms, roomID) && (f.Rooms == nil || slices.Contains(*f.Rooms, roomID))
}

// event says whether an event passes.
func (f roomEventFilter) event(pdu *event.PDU) bool {
	if !f.allows(pdu.Type(), string(pdu.Sender())) || !f.room(string(pdu.RoomID())) {
		return false
	}
	return f.ContainsURL == nil || *f.ContainsURL == hasURL(pdu.Content())
}

func hasURL(content json.RawMessage) bool {
	url := matrix.Lookup(content, "url")
	return len(url) > 0 && url[0] == '"'
}

// keep is nil when every event passes, which is the common case.
func (f roomEventFilter) keep() func(*event.PDU) bool {
	plain := f.Types == nil && len(f.NotTypes) == 0 && f.Senders == nil && len(f.NotSenders) == 0
	if plain && f.Rooms == nil && len(f.NotRooms) == 0 && f.ContainsURL == nil {
		return nil
	}
	return f.event
}

// filter reads the filter of a sync: the id of a stored one, or the filter itself.
func (c *call) filter() (filter, error) {
	text := c.query("filter")
	if text == "" {
		return filter{}, nil
	}
	if strings.HasPrefix(text, "{") {
		if !json.Valid([]byte(text)) {
			return filter{}, errorf(http.StatusBadRequest, "M_NOT_JSON", "the filter is not JSON")
		}
		return parseFilter([]byte(text))
	}
	stored, err := c.server.Filter(c.user(), text)
	if err != nil {
		return filter{}, invalid("filter=%.40q: no such filter: store it first", text)
	}
	return parseFilter([]byte(stored))
}

func createFilter(c *call) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	if len(text) > maxFilter {
		return nil, errorf(http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "the filter has %d bytes: at most %d are allowed", len(text), maxFilter)
	}
	if _, err := parseFilter(text); err != nil {
		return nil, err
	}
	id, err := c.server.AddFilter(c.user(), string(text))
	if err != nil {
		return nil, err
	}
	return map[string]string{"filter_id": id}, nil
}

func getFilter(c *call) (any, error) {
	if err := c.own("userId"); err != nil {
		return nil, err
	}
	stored, err := c.server.Filter(c.user(), c.vars["filterId"])
	if err != nil {
		return nil, err
	}
	return json.RawMessage(stored), nil
}

// own refuses a path that names another user than the one who asks.
func (c *call) own(name string) error {
	if c.vars[name] != c.user() {
		return forbidden("%s may not act for %s", c.user(), c.vars[name])
	}
	return nil
}
