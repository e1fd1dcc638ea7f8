package homeserver

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

const typeSpaceChild = "m.space.child"

// maxSpaceRequests bounds how often other servers are asked for one hierarchy: a space may link to any number of rooms
// that do not exist.
const maxSpaceRequests = 100

// SpaceRoom is a room of a hierarchy of spaces with its links to other rooms.
type SpaceRoom struct {
	RoomSummary
	Children []json.RawMessage `json:"children_state"` // stripped m.space.child events with origin_server_ts
}

// HierarchyAnswer is the answer of another server's hierarchy: a room and those of its children that the asking
// server may know of.
type HierarchyAnswer struct {
	Room         SpaceRoom   `json:"room"`
	Children     []SpaceRoom `json:"children"`
	Inaccessible []string    `json:"inaccessible_children"`
}

// spaceChild is a link from a space to a room.
type spaceChild struct {
	roomID    string
	via       []string
	order     string
	at        int64
	suggested bool
	stripped  json.RawMessage
}

// children are a room's valid links, in their order (client-server API, ordering of children within a space).
func (r *Room) children(suggestedOnly bool) []spaceChild {
	var children []spaceChild
	for pdu := range r.State().ofType(typeSpaceChild) {
		child, ok := readChild(pdu)
		if ok && (child.suggested || !suggestedOnly) {
			children = append(children, child)
		}
	}
	slices.SortFunc(children, compareChildren)
	return children
}

// Children are the rooms that a space links to.
func (r *Room) Children() []string {
	var ids []string
	for _, child := range r.children(false) {
		ids = append(ids, child.roomID)
	}
	return ids
}

func readChild(pdu *event.PDU) (child spaceChild, ok bool) {
	var content struct {
		Via       []string `json:"via"`
		Order     string   `json:"order"`
		Suggested bool     `json:"suggested"`
	}
	if json.Unmarshal(pdu.Content(), &content) != nil || len(content.Via) == 0 {
		return child, false // a link without servers has been taken away
	}
	stripped, err := json.Marshal(struct {
		Content  json.RawMessage `json:"content"`
		At       int64           `json:"origin_server_ts"`
		Sender   matrix.UserID   `json:"sender"`
		StateKey string          `json:"state_key"`
		Type     string          `json:"type"`
	}{pdu.Content(), pdu.OriginServerTS(), pdu.Sender(), pdu.Key().StateKey, pdu.Type()})
	return spaceChild{pdu.Key().StateKey, content.Via, content.Order, pdu.OriginServerTS(), content.Suggested, stripped}, err == nil
}

// compareChildren puts those with an order first, by it, then the older links.
func compareChildren(a, b spaceChild) int {
	switch {
	case (a.order == "") != (b.order == ""):
		return strings.Compare(b.order, a.order)
	case a.order != b.order:
		return strings.Compare(a.order, b.order)
	case a.at != b.at:
		return int(a.at - b.at)
	}
	return strings.Compare(a.roomID, b.roomID)
}

// ServeHierarchy answers another server's hierarchy: a room and its children as far as this server is in them.
func (s *Server) ServeHierarchy(origin, roomID string, suggestedOnly bool) (HierarchyAnswer, error) {
	room, ok := s.Room(roomID)
	if !ok || !room.Joined() || !s.serverMayKnow(origin, room) {
		return HierarchyAnswer{}, failf(NotFound, "%s has no room %s that %s may know of", s.cfg.Name, roomID, origin)
	}
	answer := HierarchyAnswer{Children: []SpaceRoom{}, Inaccessible: []string{}}
	links := room.children(suggestedOnly)
	answer.Room = spaceRoom(room, links)
	for _, link := range links {
		child, ok := s.Room(link.roomID)
		switch {
		case !ok || !child.Joined():
		case s.serverMayKnow(origin, child):
			answer.Children = append(answer.Children, spaceRoom(child, child.children(suggestedOnly)))
		default:
			answer.Inaccessible = append(answer.Inaccessible, link.roomID)
		}
	}
	return answer, nil
}

func spaceRoom(room *Room, links []spaceChild) SpaceRoom {
	shown := SpaceRoom{RoomSummary: room.Summary(), Children: []json.RawMessage{}}
	if shown.Type != "m.space" {
		return shown
	}
	for _, link := range links {
		shown.Children = append(shown.Children, link.stripped)
	}
	return shown
}

// joinable says whether strangers can come into a room, or ask to, or read it.
func joinable(state *State) bool {
	switch state.Text(matrix.TypeJoinRules, "join_rule") {
	case "public", "knock", "knock_restricted":
		return true
	}
	return visibility(state) == worldReadable
}

func (s *Server) serverMayKnow(origin string, room *Room) bool {
	state := room.State()
	if joinable(state) || state.hasServer(origin) || state.hasInvited(origin) {
		return true
	}
	rules, restricted := restriction(state)
	if !restricted {
		return false
	}
	for _, condition := range rules.Allow {
		if other, ok := s.Room(condition.RoomID); ok && other.State().hasServer(origin) {
			return true
		}
	}
	return false
}

// mayKnow says whether a local user may be told of a room that this server is in.
func (s *Server) mayKnow(user string, room *Room) bool {
	state := room.State()
	switch matrix.Membership(state.Membership(user)) {
	case matrix.Join, matrix.Invite:
		return true
	}
	rules, restricted := restriction(state)
	return joinable(state) || restricted && s.fulfils(rules, user) == nil
}

// mayKnowRemote is mayKnow for a room that another server described.
func (s *Server) mayKnowRemote(user string, room RoomSummary) bool {
	switch room.JoinRule {
	case "public", "knock", "knock_restricted":
		return true
	}
	if m, ok := s.MembershipOf(user, room.RoomID); room.WorldReadable || ok && (m.Membership == matrix.Join || m.Membership == matrix.Invite) {
		return true
	}
	return slices.ContainsFunc(room.AllowedRooms, func(id string) bool {
		m, _ := s.MembershipOf(user, id)
		return m.Membership == matrix.Join
	})
}

// HierarchyQuery asks for the rooms below a space.
type HierarchyQuery struct {
	User, RoomID  string
	SuggestedOnly bool
	MaxDepth      int // links to follow at most
	Limit         int // of rooms
}

// Hierarchy returns the rooms below a space as far as the user may know of them, the space first, depth first,
// asking other servers about rooms that this one is not in. Forbidden when the user may not know of the space.
func (s *Server) Hierarchy(ctx context.Context, q HierarchyQuery) ([]SpaceRoom, error) {
	w := spaceWalk{s: s, ctx: ctx, q: q, seen: map[string]bool{}, told: map[string]SpaceRoom{}}
	w.visit(spaceChild{roomID: q.RoomID}, 0)
	if len(w.rooms) == 0 {
		return nil, failf(Forbidden, "%s may not see the space %s, or it is not known here", q.User, q.RoomID)
	}
	return w.rooms, nil
}

// RoomSummaryFor describes a room to a local user who may know of it, asking one of via where this server is not in it.
func (s *Server) RoomSummaryFor(ctx context.Context, user, roomID string, via []string) (RoomSummary, error) {
	w := spaceWalk{s: s, ctx: ctx, q: HierarchyQuery{User: user, RoomID: roomID}, told: map[string]SpaceRoom{}}
	shown, _, ok := w.look(spaceChild{roomID: roomID, via: via})
	if !ok {
		return RoomSummary{}, failf(NotFound, "there is no room %s that %s may know of: is a server in it named (via)?", roomID, user)
	}
	return shown.RoomSummary, nil
}

type spaceWalk struct {
	asked int // how often other servers were
	s     *Server
	ctx   context.Context
	q     HierarchyQuery
	seen  map[string]bool
	told  map[string]SpaceRoom // by other servers
	rooms []SpaceRoom
}

func (w *spaceWalk) visit(link spaceChild, depth int) {
	if w.seen[link.roomID] || len(w.rooms) >= w.q.Limit || w.ctx.Err() != nil {
		return
	}
	w.seen[link.roomID] = true
	shown, links, ok := w.look(link)
	if !ok {
		return
	}
	w.rooms = append(w.rooms, shown)
	if depth >= w.q.MaxDepth || shown.Type != "m.space" {
		return
	}
	for _, next := range links {
		w.visit(next, depth+1)
	}
}

// look returns a room that the user may know of, with its links.
func (w *spaceWalk) look(link spaceChild) (SpaceRoom, []spaceChild, bool) {
	if room, ok := w.s.Room(link.roomID); ok && room.Joined() {
		links := room.children(w.q.SuggestedOnly)
		return spaceRoom(room, links), links, w.s.mayKnow(w.q.User, room)
	}
	shown, ok := w.told[link.roomID]
	if !ok || shown.Type == "m.space" {
		shown, ok = w.ask(link, shown, ok)
	}
	return shown, childrenOf(shown), ok && w.s.mayKnowRemote(w.q.User, shown.RoomSummary)
}

// ask asks the servers of a link, until one answers, about a room; its children come with it. What is known of
// the room without asking is kept when nobody answers.
func (w *spaceWalk) ask(link spaceChild, known SpaceRoom, ok bool) (SpaceRoom, bool) {
	if w.s.cfg.Remote == nil {
		return known, ok
	}
	for _, server := range link.via[:min(len(link.via), 3)] {
		if server == w.s.cfg.Name {
			continue
		}
		if w.asked++; w.asked > maxSpaceRequests {
			break
		}
		answer, err := w.s.cfg.Remote.Hierarchy(w.ctx, server, link.roomID, w.q.SuggestedOnly)
		if err != nil || answer.Room.RoomID != link.roomID {
			continue
		}
		for _, child := range answer.Children {
			w.told[child.RoomID] = child
		}
		return answer.Room, true
	}
	return known, ok
}

// childrenOf reads the links that another server told.
func childrenOf(room SpaceRoom) []spaceChild {
	var children []spaceChild
	for _, raw := range room.Children {
		var link struct {
			StateKey string `json:"state_key"`
			At       int64  `json:"origin_server_ts"`
			Content  struct {
				Via   []string `json:"via"`
				Order string   `json:"order"`
			} `json:"content"`
		}
		if json.Unmarshal(raw, &link) == nil && len(link.Content.Via) > 0 {
			children = append(children, spaceChild{roomID: link.StateKey, via: link.Content.Via, order: link.Content.Order, at: link.At})
		}
	}
	slices.SortFunc(children, compareChildren)
	return children
}
