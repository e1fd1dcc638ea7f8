package clientapi

import (
	"strconv"
	"strings"

	"meshsim/homeserver"
)

// maxFoundEvents bounds the results of a search over all of its pages.
const maxFoundEvents = 1000

// searchRequest is the body of a search; only events of rooms can be searched for.
type searchRequest struct {
	Categories struct {
		RoomEvents *struct {
			Term    string          `json:"search_term"`
			Keys    []string        `json:"keys"`
			Filter  roomEventFilter `json:"filter"`
			Order   string          `json:"order_by"`
			Context *struct {
				Before *int `json:"before_limit"`
				After  *int `json:"after_limit"`
			} `json:"event_context"`
		} `json:"room_events"`
	} `json:"search_categories"`
}

type searchResult struct {
	Rank    float64        `json:"rank"`
	Result  any            `json:"result"`
	Context *searchContext `json:"context,omitempty"`
}

type searchContext struct {
	Start  string `json:"start"`
	End    string `json:"end"`
	Before []any  `json:"events_before"`
	After  []any  `json:"events_after"`
}

// search looks through the messages, names and topics of the user's rooms, newest first whichever order is asked for:
// there is no rank but time. A token is the number of results that came before.
func search(c *call) (any, error) {
	var in searchRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	asked := in.Categories.RoomEvents
	if asked == nil {
		return map[string]any{"search_categories": empty{}}, nil
	}
	if asked.Order != "" && asked.Order != "recent" && asked.Order != "rank" {
		return nil, invalid("order_by %.40q: must be recent or rank", asked.Order)
	}
	found := c.server.Search(homeserver.SearchQuery{
		User: c.user(), Terms: strings.Fields(strings.ToLower(asked.Term)), Keys: asked.Keys,
		Rooms: asked.Filter.room, Keep: asked.Filter.keep(), Most: maxFoundEvents,
	})
	from := 0
	if text := c.query("next_batch"); text != "" {
		var err error
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			return nil, invalid("next_batch=%.40q: not a token of this server", text)
		}
	}
	from = min(from, len(found))
	upto := min(from+max(1, asked.Filter.limit()), len(found))
	results := []searchResult{}
	for i, one := range found[from:upto] {
		result := searchResult{Rank: float64(len(found) - from - i), Result: c.presenter(one.Room).entry(one.Entry)}
		if asked.Context != nil {
			result.Context = c.searchContext(one, orDefault(asked.Context.Before), orDefault(asked.Context.After))
		}
		results = append(results, result)
	}
	out := map[string]any{"results": results, "count": len(found), "highlights": strings.Fields(strings.ToLower(asked.Term))}
	if upto < len(found) {
		out["next_batch"] = strconv.Itoa(upto)
	}
	return map[string]any{"search_categories": map[string]any{"room_events": out}}, nil
}

// orDefault is how many events stand around a result, 5 unless given.
func orDefault(limit *int) int {
	const usual, most = 5, 100
	if limit == nil {
		return usual
	}
	return max(0, min(*limit, most))
}

// searchContext is what was sent around a result, nil where that is not known.
func (c *call) searchContext(found homeserver.SearchResult, before, after int) *searchContext {
	around, err := c.server.Around(c.user(), found.Room.ID(), string(found.Event.ID()), 2*max(before, after), nil)
	if err != nil {
		return nil
	}
	present := c.presenter(found.Room)
	return &searchContext{
		Start: token(around.Start), End: token(around.End),
		Before: present.entries(around.Before[:min(before, len(around.Before))]),
		After:  present.entries(around.After[:min(after, len(around.After))]),
	}
}
