package homeserver

import (
	"encoding/json"
	"slices"
	"strings"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// maxSearched bounds the log entries of each room that one search goes through, newest first.
const maxSearched = 100_000

// SearchQuery asks for events that have all of some words.
type SearchQuery struct {
	User  string
	Terms []string             // in lower case; none finds nothing
	Keys  []string             // content.body, content.name, content.topic; none for all
	Rooms func(id string) bool // nil for all that the user is in
	Keep  func(*event.PDU) bool
	Most  int // results to find
}

// SearchResult is an event that was found.
type SearchResult struct {
	Room *Room
	Entry
}

// searchable are the texts that are looked through, by the type of events that have them.
var searchable = map[string]struct{ key, field string }{
	matrix.TypeMessage: {"content.body", "body"},
	matrix.TypeName:    {"content.name", "name"},
	matrix.TypeTopic:   {"content.topic", "topic"},
}

// Search looks through the rooms that a user is in, newest events first.
func (s *Server) Search(q SearchQuery) []SearchResult {
	var found []SearchResult
	if len(q.Terms) == 0 {
		return nil
	}
	for room := range s.joinedRooms(q.User) {
		if q.Rooms == nil || q.Rooms(room.ID()) {
			found = append(found, s.searchRoom(room, q)...)
		}
	}
	slices.SortFunc(found, func(a, b SearchResult) int { return int(b.Position - a.Position) })
	return found[:min(len(found), q.Most)]
}

func (s *Server) searchRoom(room *Room, q SearchQuery) []SearchResult {
	_, view, err := s.view(q.User, room.ID())
	if err != nil {
		return nil
	}
	var found []SearchResult
	for from, seen := end, 0; seen < maxSearched; {
		page := room.Backward(from, beginning, logPage)
		seen += len(page)
		for _, entry := range page {
			from = entry.Position - 1
			if entry.Event == nil || !q.finds(room.Shown(entry.Event)) || !view.sees(entry) {
				continue
			}
			if found = append(found, SearchResult{room, entry}); len(found) == q.Most {
				return found
			}
		}
		if len(page) < logPage {
			return found
		}
	}
	return found
}

func (q SearchQuery) finds(pdu *event.PDU) bool {
	where, ok := searchable[pdu.Type()]
	if !ok || len(q.Keys) > 0 && !slices.Contains(q.Keys, where.key) || q.Keep != nil && !q.Keep(pdu) {
		return false
	}
	var text string
	if json.Unmarshal(matrix.Lookup(pdu.Content(), where.field), &text) != nil {
		return false
	}
	text = strings.ToLower(text)
	for _, term := range q.Terms {
		if !strings.Contains(text, term) {
			return false
		}
	}
	return true
}
