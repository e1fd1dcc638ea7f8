package clientapi

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// maxPoll is the longest time that one sync waits.
const maxPoll = 5 * time.Minute

// heroes is how many members a room's summary names.
const heroes = 5

type syncAnswer struct {
	Next        string     `json:"next_batch"`
	AccountData *eventList `json:"account_data,omitempty"`
	Presence    *eventList `json:"presence,omitempty"`
	ToDevice    *eventList `json:"to_device,omitempty"`
	Rooms       *syncRooms `json:"rooms,omitempty"`

	DeviceLists    *changedLists  `json:"device_lists,omitempty"`
	OneTimeKeys    map[string]int `json:"device_one_time_keys_count"`
	UnusedFallback []string       `json:"device_unused_fallback_key_types"`
}

type syncRooms struct {
	Join   map[string]*joinedRoom  `json:"join,omitempty"`
	Leave  map[string]*joinedRoom  `json:"leave,omitempty"`
	Invite map[string]*invitedRoom `json:"invite,omitempty"`
	Knock  map[string]*knockedRoom `json:"knock,omitempty"`
}

type eventList struct {
	Events []any `json:"events"`
}

type joinedRoom struct {
	Summary     *summary   `json:"summary,omitempty"`
	Unread      *unread    `json:"unread_notifications,omitempty"`
	State       *eventList `json:"state,omitempty"`
	StateAfter  *eventList `json:"state_after,omitempty"`
	Timeline    timeline   `json:"timeline"`
	Ephemeral   *eventList `json:"ephemeral,omitempty"`
	AccountData *eventList `json:"account_data,omitempty"`
}

// unread is how many events notify the user whom they have not seen.
type unread struct {
	Notify    int `json:"notification_count"`
	Highlight int `json:"highlight_count"`
}

type timeline struct {
	Events    []any  `json:"events"`
	Limited   bool   `json:"limited"`
	PrevBatch string `json:"prev_batch"`
}

type invitedRoom struct {
	State strippedList `json:"invite_state"`
}

type knockedRoom struct {
	State strippedList `json:"knock_state"`
}

type strippedList struct {
	Events []json.RawMessage `json:"events"`
}

// summary helps a client to name a room without knowing all of its members.
type summary struct {
	Heroes  []string `json:"m.heroes,omitempty"`
	Joined  int      `json:"m.joined_member_count"`
	Invited int      `json:"m.invited_member_count"`
}

// syncing is one sync on its way through.
type syncing struct {
	*call
	filter     filter
	stateAfter bool
}

func getSync(c *call) (any, error) {
	s := syncing{call: c}
	var err error
	if s.filter, err = c.filter(); err != nil {
		return nil, err
	}
	query, err := s.asked()
	if err != nil {
		return nil, err
	}
	answer, err := c.server.Sync(c.r.Context(), query)
	if err != nil {
		return nil, err
	}
	return s.answer(answer, query.First), nil
}

// asked is the query as the server understands it.
func (s *syncing) asked() (q homeserver.SyncQuery, err error) {
	q = homeserver.SyncQuery{
		User:        s.user(),
		Device:      s.device,
		Limit:       s.filter.Room.Timeline.limit(),
		Keep:        s.filter.Room.Timeline.keep(),
		Rooms:       s.filter.Room.room,
		IncludeLeft: s.filter.Room.IncludeLeft,
	}
	if q.Since, q.First, err = s.since(); err != nil {
		return q, err
	}
	if q.Presence = cmp.Or(s.query("set_presence"), homeserver.Online); !homeserver.ValidPresence(q.Presence) {
		return q, invalid("set_presence=%.40s: must be online, offline or unavailable", q.Presence)
	}
	wait, err := s.number("timeout", 0)
	if err != nil {
		return q, err
	}
	q.Wait = min(time.Duration(min(wait, int(maxPoll/time.Millisecond)))*time.Millisecond, maxPoll)
	if q.FullState, err = s.flag("full_state"); err != nil {
		return q, err
	}
	if q.StateAfter, err = s.flag("use_state_after"); err != nil {
		return q, err
	}
	s.stateAfter = q.StateAfter
	return q, nil
}

func (s *syncing) answer(a *homeserver.SyncAnswer, first bool) syncAnswer {
	out := syncAnswer{
		Next: token(a.Next), AccountData: s.accountData(a.AccountData, first), Presence: s.presence(a.Presence),
		ToDevice: toDevice(a.ToDevice), OneTimeKeys: a.Keys.OneTime, UnusedFallback: a.Keys.UnusedFallback,
	}
	if !a.DeviceLists.Empty() {
		out.DeviceLists = showDeviceLists(a.DeviceLists)
	}
	if len(a.Joined)+len(a.Left)+len(a.Invited)+len(a.Knocked) == 0 {
		return out
	}
	out.Rooms = &syncRooms{Join: map[string]*joinedRoom{}, Leave: map[string]*joinedRoom{}}
	count := s.counting(a.Next)
	for i := range a.Joined {
		room := s.room(&a.Joined[i])
		room.Unread = count(a.Joined[i].Room)
		out.Rooms.Join[a.Joined[i].RoomID] = room
	}
	for i := range a.Left {
		out.Rooms.Leave[a.Left[i].RoomID] = s.room(&a.Left[i])
	}
	if len(a.Invited) > 0 {
		out.Rooms.Invite = map[string]*invitedRoom{}
	}
	for _, m := range a.Invited {
		out.Rooms.Invite[m.RoomID] = &invitedRoom{strippedList{s.stripped(m)}}
	}
	if len(a.Knocked) > 0 {
		out.Rooms.Knock = map[string]*knockedRoom{}
	}
	for _, m := range a.Knocked {
		out.Rooms.Knock[m.RoomID] = &knockedRoom{strippedList{s.stripped(m)}}
	}
	return out
}

// counting returns what counts the unread events of rooms up to a position.
func (s *syncing) counting(upto homeserver.Position) func(*homeserver.Room) *unread {
	judge := newJudge(s.user(), rulesOf(s.server, s.user()))
	changed := s.server.AccountDataAt(s.user(), pushRule)
	return func(room *homeserver.Room) *unread {
		if room == nil {
			return nil
		}
		count := s.server.UnreadIn(room, s.user(), upto, changed, judge.of)
		return &unread{count.Notify, count.Highlight}
	}
}

func (s *syncing) room(u *homeserver.RoomUpdate) *joinedRoom {
	present := s.presenter(u.Room)
	present.inSync, present.federal = true, s.filter.EventFormat == "federation"
	out := &joinedRoom{
		Timeline: timeline{
			Events:    present.entries(u.Timeline),
			Limited:   u.Limited,
			PrevBatch: token(u.Start),
		},
		Summary:     s.summary(u),
		Ephemeral:   s.ephemeral(u),
		AccountData: s.roomAccountData(u),
	}
	if s.stateAfter {
		out.StateAfter = &eventList{present.all(s.wanted(u, u.StateAfter()))}
		return out
	}
	if state := s.wanted(u, u.State()); len(state) > 0 {
		out.State = &eventList{present.all(state)}
	}
	return out
}

// wanted leaves out the state that the filter does not want. With lazily loaded members, a room that is new
// to the client comes with the members only whom its timeline needs; later changes are always told.
func (s *syncing) wanted(u *homeserver.RoomUpdate, state []*event.PDU) []*event.PDU {
	filter := s.filter.Room.State
	needed := map[string]bool{s.user(): true}
	lazy := filter.LazyMembers && u.New
	if lazy {
		for _, entry := range u.Timeline {
			needed[string(entry.Event.Sender())] = true
		}
	}
	return slices.DeleteFunc(state, func(pdu *event.PDU) bool {
		if lazy && pdu.Type() == matrix.TypeMember && !needed[pdu.Key().StateKey] {
			return true
		}
		return !filter.event(pdu)
	})
}

// summary is told when the room is new to the client and whenever a membership has changed.
func (s *syncing) summary(u *homeserver.RoomUpdate) *summary {
	if u.After == u.Known || !membersChanged(u) {
		return nil
	}
	out := &summary{}
	for pdu := range u.After.Members() {
		switch pdu.Membership() {
		case matrix.Join:
			out.Joined++
		case matrix.Invite:
			out.Invited++
		default:
			continue
		}
		if user := pdu.Key().StateKey; user != s.user() {
			out.Heroes = append(out.Heroes, user)
		}
	}
	slices.Sort(out.Heroes)
	out.Heroes = slices.Clip(out.Heroes[:min(heroes, len(out.Heroes))])
	return out
}

func membersChanged(u *homeserver.RoomUpdate) bool {
	if u.New {
		return true
	}
	for pdu := range u.After.Changes(u.Known) {
		if pdu.Type() == matrix.TypeMember {
			return true
		}
	}
	return false
}

// stripped is what an invited user is told of a room, so that they can decide: what came with the invite, or
// what this server knows when it is in the room.
func (s *syncing) stripped(m homeserver.Membership) []json.RawMessage {
	if len(m.Stripped) > 0 {
		return m.Stripped
	}
	room, ok := s.server.Room(m.RoomID)
	if !ok {
		return []json.RawMessage{m.Event.Stripped()}
	}
	kinds := [...]string{
		matrix.TypeCreate, matrix.TypeJoinRules, matrix.TypeCanonicalAlias, matrix.TypeName,
		matrix.TypeTopic, matrix.TypeAvatar, matrix.TypeEncryption,
	}
	var events []json.RawMessage
	state := room.State()
	for _, kind := range kinds {
		if pdu := state.Get(kind, ""); pdu != nil {
			events = append(events, pdu.Stripped())
		}
	}
	return append(events, m.Event.Stripped())
}

// dataEvent is account data or an ephemeral event: nothing but a type and content.
type dataEvent struct {
	Type    string `json:"type"`
	Content any    `json:"content"`
}

// accountData presents global account data. The predefined push rules are there from the start.
func (s *syncing) accountData(data []homeserver.AccountData, first bool) *eventList {
	var events []any
	if first && s.filter.AccountData.allows(pushRule, "") && s.server.AccountDataAt(s.user(), pushRule) == 0 {
		events = append(events, dataEvent{pushRule, pushRules(s.call)})
	}
	for _, d := range data {
		if s.filter.AccountData.allows(d.Type, "") {
			events = append(events, dataEvent{d.Type, d.Content})
		}
	}
	return listOf(events)
}

func (s *syncing) roomAccountData(u *homeserver.RoomUpdate) *eventList {
	var events []any
	filter := s.filter.Room.AccountData
	for _, d := range u.AccountData {
		if filter.allows(d.Type, "") && filter.room(u.RoomID) {
			events = append(events, dataEvent{d.Type, d.Content})
		}
	}
	return listOf(events)
}

func (s *syncing) ephemeral(u *homeserver.RoomUpdate) *eventList {
	var events []any
	filter := s.filter.Room.Ephemeral
	if !filter.room(u.RoomID) {
		return nil
	}
	if u.Ephemeral.TypingChanged && filter.allows("m.typing", "") {
		events = append(events, dataEvent{"m.typing", map[string]any{"user_ids": u.Ephemeral.Typing}})
	}
	if len(u.Ephemeral.Receipts) > 0 && filter.allows("m.receipt", "") {
		events = append(events, dataEvent{"m.receipt", receiptContent(u.Ephemeral.Receipts)})
	}
	return listOf(events)
}

func toDevice(messages []homeserver.ToDevice) *eventList {
	var events []any
	for _, message := range messages {
		events = append(events, message)
	}
	return listOf(events)
}

func listOf(events []any) *eventList {
	if len(events) == 0 {
		return nil
	}
	return &eventList{events}
}
