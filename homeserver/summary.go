package homeserver

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"meshsim/matrix"
)

// RoomSummary is what the room directory and the hierarchy of spaces say of a room.
type RoomSummary struct {
	RoomID        string   `json:"room_id"`
	Name          string   `json:"name,omitempty"`
	Topic         string   `json:"topic,omitempty"`
	Alias         string   `json:"canonical_alias,omitempty"`
	AvatarURL     string   `json:"avatar_url,omitempty"`
	Type          string   `json:"room_type,omitempty"`
	JoinRule      string   `json:"join_rule,omitempty"`
	Joined        int      `json:"num_joined_members"`
	WorldReadable bool     `json:"world_readable"`
	GuestCanJoin  bool     `json:"guest_can_join"`
	Encryption    string   `json:"encryption,omitempty"`
	Version       string   `json:"room_version,omitempty"`
	AllowedRooms  []string `json:"allowed_room_ids,omitzero"`
}

// Text is a text in the content of a state event with an empty key, "" where there is none.
func (s *State) Text(eventType, field string) string {
	pdu := s.Get(eventType, "")
	if pdu == nil {
		return ""
	}
	var value string
	if json.Unmarshal(matrix.Lookup(pdu.Content(), field), &value) != nil {
		return ""
	}
	return value
}

// Summary describes the room as it is now.
func (r *Room) Summary() RoomSummary {
	state := r.State()
	summary := RoomSummary{
		RoomID:        r.ID(),
		Name:          state.Text(matrix.TypeName, "name"),
		Topic:         state.Text(matrix.TypeTopic, "topic"),
		Alias:         state.Text(matrix.TypeCanonicalAlias, "alias"),
		AvatarURL:     state.Text(matrix.TypeAvatar, "url"),
		Type:          state.Text(matrix.TypeCreate, "type"),
		JoinRule:      cmp.Or(state.Text(matrix.TypeJoinRules, "join_rule"), "invite"),
		WorldReadable: visibility(state) == worldReadable,
		GuestCanJoin:  state.Text("m.room.guest_access", "guest_access") == "can_join",
		Encryption:    state.Text(matrix.TypeEncryption, "algorithm"),
		Version:       r.Version(),
	}
	for pdu := range state.Members() {
		if pdu.Membership() == matrix.Join {
			summary.Joined++
		}
	}
	if rules, restricted := restriction(state); restricted {
		for _, condition := range rules.Allow {
			summary.AllowedRooms = append(summary.AllowedRooms, condition.RoomID)
		}
	}
	return summary
}

// RoomsQuery asks for a page of a room directory.
type RoomsQuery struct {
	Limit  int    `json:"limit,omitempty"` // 0 for all
	Since  string `json:"since,omitempty"`
	Filter struct {
		Text  string    `json:"generic_search_term,omitempty"`
		Types []*string `json:"room_types,omitempty"` // null stands for rooms without a type; no list for all
	} `json:"filter"`
}

// RoomsPage is a page of a room directory, the rooms with most members first.
type RoomsPage struct {
	Rooms []RoomSummary `json:"chunk"`
	Next  string        `json:"next_batch,omitempty"`
	Prev  string        `json:"prev_batch,omitempty"`
	Total int           `json:"total_room_count_estimate"`
}

// PublicRoomsOf returns a page of a server's room directory, "" for this one's.
func (s *Server) PublicRoomsOf(ctx context.Context, server string, q RoomsQuery) (RoomsPage, error) {
	if server == "" || server == s.cfg.Name {
		return s.PublicRooms(q)
	}
	if s.cfg.Remote == nil {
		return RoomsPage{}, failf(Unreachable, "this server has no federation to ask %s", server)
	}
	if !matrix.ServerName(server).Valid() {
		return RoomsPage{}, failf(InvalidParam, "%q is no server name", server)
	}
	page, err := s.cfg.Remote.PublicRooms(ctx, server, q)
	if page.Rooms == nil {
		page.Rooms = []RoomSummary{}
	}
	return page, err
}

// PublicRooms returns a page of this server's room directory. A token is the number of rooms that came before.
func (s *Server) PublicRooms(q RoomsQuery) (RoomsPage, error) {
	from := 0
	if q.Since != "" {
		var err error
		if from, err = strconv.Atoi(q.Since); err != nil || from < 0 {
			return RoomsPage{}, failf(InvalidParam, "since=%.40q: not a token of this server", q.Since)
		}
	}
	rooms := []RoomSummary{}
	for _, room := range s.PublishedRooms() {
		if summary := room.Summary(); q.finds(summary) {
			rooms = append(rooms, summary)
		}
	}
	slices.SortStableFunc(rooms, func(a, b RoomSummary) int { return b.Joined - a.Joined })
	page := RoomsPage{Total: len(rooms)}
	from = min(from, page.Total)
	upto := page.Total
	if q.Limit > 0 {
		upto = from + min(q.Limit, page.Total-from)
	}
	page.Rooms = rooms[from:upto]
	if upto < page.Total {
		page.Next = strconv.Itoa(upto)
	}
	if from > 0 && q.Limit > 0 {
		page.Prev = strconv.Itoa(max(0, from-q.Limit))
	}
	return page, nil
}

func (q RoomsQuery) finds(room RoomSummary) bool {
	if q.Filter.Types != nil && !slices.ContainsFunc(q.Filter.Types, func(kind *string) bool {
		return kind == nil && room.Type == "" || kind != nil && *kind == room.Type
	}) {
		return false
	}
	text := strings.ToLower(q.Filter.Text)
	for _, field := range [...]string{room.Name, room.Topic, room.Alias} {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return text == ""
}
