package clientapi

import (
	"encoding/json"
	"slices"

	"meshsim/matrix"
)

// slidingFilter chooses the rooms of a list. An absent member allows all.
type slidingFilter struct {
	DM        *bool     `json:"is_dm"`
	Encrypted *bool     `json:"is_encrypted"`
	Invited   *bool     `json:"is_invited"`
	Invite    *bool     `json:"is_invite"` // its older name
	Spaces    []string  `json:"spaces"`
	Types     []*string `json:"room_types"` // null stands for rooms without a type
	NotTypes  []*string `json:"not_room_types"`
	Tags      []string  `json:"tags"`
	NotTags   []string  `json:"not_tags"`
}

// filtering returns what says whether a room passes.
func (s *sliding) filtering(f slidingFilter) func(*wantedRoom) bool {
	if f.Invited == nil {
		f.Invited = f.Invite
	}
	children := s.childrenOf(f.Spaces)
	return func(w *wantedRoom) bool {
		return agrees(f.DM, s.direct[w.RoomID]) &&
			agrees(f.Invited, w.Membership.Membership == matrix.Invite) &&
			agrees(f.Encrypted, w.text(matrix.TypeEncryption, "algorithm") != "") &&
			(f.Spaces == nil || children[w.RoomID]) &&
			(f.Types == nil || hasType(f.Types, w)) && !hasType(f.NotTypes, w) &&
			(f.Tags == nil || s.tagged(w.RoomID, f.Tags)) && !s.tagged(w.RoomID, f.NotTags)
	}
}

func agrees(want *bool, got bool) bool { return want == nil || *want == got }

func hasType(types []*string, w *wantedRoom) bool {
	if len(types) == 0 {
		return false
	}
	kind := w.text(matrix.TypeCreate, "type")
	return slices.ContainsFunc(types, func(t *string) bool { return t == nil && kind == "" || t != nil && *t == kind })
}

// childrenOf are the rooms that joined spaces link to.
func (s *sliding) childrenOf(spaces []string) map[string]bool {
	children := map[string]bool{}
	for _, id := range spaces {
		m, _ := s.server.MembershipOf(s.user(), id)
		room, ok := s.server.Room(id)
		if !ok || m.Membership != matrix.Join {
			continue
		}
		for _, child := range room.Children() {
			children[child] = true
		}
	}
	return children
}

func (s *sliding) tagged(roomID string, tags []string) bool {
	if len(tags) == 0 {
		return false
	}
	raw, err := s.server.AccountDataOf(s.user(), roomID, "m.tag")
	var content struct {
		Tags map[string]json.RawMessage `json:"tags"`
	}
	if err != nil || json.Unmarshal(raw, &content) != nil {
		return false
	}
	return slices.ContainsFunc(tags, func(tag string) bool { return content.Tags[tag] != nil })
}

// text is a text in the state of a room: in its stripped state where the user is not in it.
func (w *wantedRoom) text(kind, field string) string {
	if w.room != nil && w.Membership.Membership == matrix.Join {
		return w.room.State().Text(kind, field)
	}
	for _, raw := range w.Stripped {
		var e struct {
			Type    string         `json:"type"`
			Content map[string]any `json:"content"`
		}
		if json.Unmarshal(raw, &e) == nil && e.Type == kind {
			text, _ := e.Content[field].(string)
			return text
		}
	}
	return ""
}
