package homeserver

import (
	"encoding/json"
	"slices"
	"sync"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// The relation types that the server knows something about (client-server API, aggregations).
const (
	RelReplace   = "m.replace"
	RelThread    = "m.thread"
	RelReference = "m.reference"
)

// relations index, room by room, which events relate to which. A room's index is made when it is first asked for, and
// follows the room's log from then on. The zero value is empty.
type relations struct {
	mu    sync.Mutex
	rooms map[string]*relationIndex
}

// relationIndex is the index of one room's log.
type relationIndex struct {
	first, last Position // the part of the log that has been read: first < position <= last
	children    map[matrix.EventID][]Relation
	threads     []matrix.EventID // roots, in the order in which the threads began
}

// Relation is an event that relates to another.
type Relation struct {
	Entry
	Type string // the relation's, e.g. m.thread
}

// relatesTo reads m.relates_to from an event's content.
func relatesTo(pdu *event.PDU) (target matrix.EventID, kind string) {
	raw := matrix.Lookup(pdu.Content(), "m.relates_to")
	if raw == nil {
		return "", ""
	}
	var in struct {
		Type  string         `json:"rel_type"`
		Event matrix.EventID `json:"event_id"`
	}
	if json.Unmarshal(raw, &in) != nil {
		return "", ""
	}
	return in.Event, in.Type
}

// read brings the index up to date with the log, whose new entries are at both ends.
func (x *relationIndex) read(room *Room) {
	for {
		entries := room.Forward(x.last, end, logPage)
		for _, entry := range entries {
			x.last = entry.Position
			x.add(entry)
		}
		if len(entries) < logPage {
			break
		}
	}
	for {
		entries := room.Backward(x.first, beginning, logPage)
		for _, entry := range entries {
			x.first = entry.Position - 1
			x.add(entry)
		}
		if len(entries) < logPage {
			return
		}
	}
}

func (x *relationIndex) add(entry Entry) {
	if entry.Event == nil {
		return
	}
	target, kind := relatesTo(entry.Event)
	if target == "" || kind == "" {
		return
	}
	if x.children == nil {
		x.children = map[matrix.EventID][]Relation{}
	}
	if kind == RelThread && !slices.ContainsFunc(x.children[target], func(r Relation) bool { return r.Type == RelThread }) {
		x.threads = append(x.threads, target)
	}
	list := x.children[target]
	at, _ := slices.BinarySearchFunc(list, entry.Position, func(r Relation, p Position) int { return int(r.Position - p) })
	x.children[target] = slices.Insert(list, at, Relation{entry, kind})
}

// index runs look with the room's index, which it must not keep.
func (s *Server) index(room *Room, look func(*relationIndex)) {
	all := &s.users.relations
	all.mu.Lock()
	defer all.mu.Unlock()
	x := all.rooms[room.ID()]
	if x == nil {
		if all.rooms == nil {
			all.rooms = map[string]*relationIndex{}
		}
		x = &relationIndex{}
		all.rooms[room.ID()] = x
	}
	x.read(room)
	look(x)
}

// RelationsTo returns the events that relate to one and that a user may see, oldest first. What was redacted relates
// to nothing any more.
func (s *Server) RelationsTo(user string, room *Room, eventID string) []Relation {
	var found []Relation
	s.index(room, func(x *relationIndex) { found = slices.Clone(x.children[matrix.EventID(eventID)]) })
	if len(found) == 0 {
		return nil
	}
	_, view, err := s.view(user, room.ID())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(found, func(r Relation) bool {
		_, redacted := room.RedactedBecause(string(r.Event.ID()))
		return redacted || !view.sees(r.Entry)
	})
}

// ThreadsOf returns the roots of a room's threads, the one with the latest message first.
func (s *Server) ThreadsOf(user string, room *Room) []string {
	var roots []matrix.EventID
	s.index(room, func(x *relationIndex) { roots = slices.Clone(x.threads) })
	type thread struct {
		root   string
		latest Position
	}
	var threads []thread
	for _, root := range roots {
		for _, relation := range slices.Backward(s.RelationsTo(user, room, string(root))) {
			if relation.Type == RelThread {
				threads = append(threads, thread{string(root), relation.Position})
				break
			}
		}
	}
	slices.SortFunc(threads, func(a, b thread) int { return int(b.latest - a.latest) })
	ordered := make([]string, len(threads))
	for i, t := range threads {
		ordered[i] = t.root
	}
	return ordered
}

// Aggregation is what a server tells with an event of those that relate to it.
type Aggregation struct {
	Replacement  *event.PDU // the latest valid one (client-server API, event replacements)
	Thread       []Relation // oldest first
	Participated bool       // the user wrote in the thread, or began it
	References   []string
}

// Empty says whether nothing relates to the event.
func (a Aggregation) Empty() bool {
	return a.Replacement == nil && len(a.Thread) == 0 && len(a.References) == 0
}

// Aggregate returns what relates to an event, as far as a user may see it.
func (s *Server) Aggregate(user string, room *Room, pdu *event.PDU) Aggregation {
	var a Aggregation
	for _, relation := range s.RelationsTo(user, room, string(pdu.ID())) {
		switch relation.Type {
		case RelReplace:
			if replaces(relation.Event, pdu) && (a.Replacement == nil || later(relation.Event, a.Replacement)) {
				a.Replacement = relation.Event
			}
		case RelThread:
			a.Thread = append(a.Thread, relation)
			a.Participated = a.Participated || string(relation.Event.Sender()) == user
		case RelReference:
			a.References = append(a.References, string(relation.Event.ID()))
		}
	}
	a.Participated = a.Participated || string(pdu.Sender()) == user
	return a
}

// replaces says whether an event is a valid replacement of another: by the same sender, of the same type, no state, not
// of a replacement, and with new content (client-server API, validity of replacement events).
func replaces(pdu, original *event.PDU) bool {
	if pdu.Sender() != original.Sender() || pdu.Type() != original.Type() || pdu.IsState() || original.IsState() {
		return false
	}
	if _, kind := relatesTo(original); kind == RelReplace {
		return false
	}
	return pdu.Type() == "m.room.encrypted" || matrix.Lookup(pdu.Content(), "m.new_content") != nil
}

// later decides between two replacements: by time, then by id.
func later(a, b *event.PDU) bool {
	if a.OriginServerTS() != b.OriginServerTS() {
		return a.OriginServerTS() > b.OriginServerTS()
	}
	return a.ID() > b.ID()
}
