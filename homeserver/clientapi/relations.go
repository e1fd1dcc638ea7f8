package clientapi

import (
	"slices"
	"strconv"

	"meshsim/homeserver"
	"meshsim/matrix/event"
)

// bundle is what stands with an event of those that relate to it (client-server API, aggregations of child events).
type bundle struct {
	Replacement *clientEvent `json:"m.replace,omitempty"`
	Thread      *thread      `json:"m.thread,omitempty"`
	References  *references  `json:"m.reference,omitempty"`
}

type thread struct {
	Latest       *clientEvent `json:"latest_event"`
	Count        int          `json:"count"`
	Participated bool         `json:"current_user_participated"`
}

type references struct {
	Events []reference `json:"chunk"`
}

type reference struct {
	ID string `json:"event_id"`
}

// bundled returns what relates to an event, nil for nothing. What was redacted has nothing.
func (p presenter) bundled(pdu *event.PDU) *bundle {
	if p.server == nil || pdu.IsState() || pdu.Redacted() {
		return nil
	}
	a := p.server.Aggregate(p.device.User, p.room, pdu)
	if a.Empty() {
		return nil
	}
	out := &bundle{}
	if a.Replacement != nil {
		out.Replacement = p.plain(a.Replacement)
	}
	if n := len(a.Thread); n > 0 {
		out.Thread = &thread{Latest: p.plain(a.Thread[n-1].Event), Count: n, Participated: a.Participated}
	}
	if len(a.References) > 0 {
		out.References = &references{}
		for _, id := range a.References {
			out.References.Events = append(out.References.Events, reference{id})
		}
	}
	return out
}

// maxRecursion is how far relations of relations are followed.
const maxRecursion = 3

// relations lists the events that relate to one, perhaps through others. A token is the number of events that came
// before it.
func relations(c *call) (any, error) {
	room, _, err := c.server.EventFor(c.user(), c.vars["roomId"], c.vars["eventId"])
	if err != nil {
		return nil, err
	}
	recurse, err := c.flag("recurse")
	if err != nil {
		return nil, err
	}
	depth := 0
	if recurse {
		depth = maxRecursion
	}
	found := slices.DeleteFunc(c.related(room, c.vars["eventId"], depth), func(r homeserver.Relation) bool {
		return c.vars["relType"] != "" && r.Type != c.vars["relType"] ||
			c.vars["eventType"] != "" && r.Event.Type() != c.vars["eventType"]
	})
	slices.SortFunc(found, func(a, b homeserver.Relation) int { return int(a.Position - b.Position) })
	switch dir := c.query("dir"); dir {
	case "", "b":
		slices.Reverse(found)
	case "f":
	default:
		return nil, invalid("dir=%.40s: must be b or f", dir)
	}
	from, upto, err := c.slice(len(found))
	if err != nil {
		return nil, err
	}
	present := c.presenter(room)
	chunk := []any{}
	for _, relation := range found[from:upto] {
		chunk = append(chunk, present.entry(relation.Entry))
	}
	out := map[string]any{"chunk": chunk}
	if upto < len(found) {
		out["next_batch"] = strconv.Itoa(upto)
	}
	if from > 0 {
		out["prev_batch"] = strconv.Itoa(max(0, from-(upto-from)))
	}
	if recurse {
		out["recursion_depth"] = maxRecursion
	}
	return out, nil
}

// related returns what relates to an event directly, and through others up to a depth.
func (c *call) related(room *homeserver.Room, eventID string, depth int) []homeserver.Relation {
	direct := c.server.RelationsTo(c.user(), room, eventID)
	if depth == 0 {
		return direct
	}
	all := slices.Clone(direct)
	for _, relation := range direct {
		all = append(all, c.related(room, string(relation.Event.ID()), depth-1)...)
	}
	return all
}

// slice reads which part of a list of n the request wants: from a token on, up to a limit.
func (c *call) slice(n int) (from, upto int, err error) {
	if from, err = c.number("from", 0); err != nil {
		return 0, 0, err
	}
	limit, err := c.number("limit", defaultTimeline)
	if err != nil {
		return 0, 0, err
	}
	from = min(from, n)
	return from, min(from+max(1, min(limit, maxTimeline)), n), nil
}

// threads lists the roots of a room's threads, those with the latest messages first.
func threads(c *call) (any, error) {
	room, _, err := c.server.StateFor(c.user(), c.vars["roomId"])
	if err != nil {
		return nil, err
	}
	include := c.query("include")
	if include != "" && include != "all" && include != "participated" {
		return nil, invalid("include=%.40s: must be all or participated", include)
	}
	var roots []*event.PDU
	for _, id := range c.server.ThreadsOf(c.user(), room) {
		_, root, err := c.server.EventFor(c.user(), room.ID(), id)
		if err == nil && (include != "participated" || c.server.Aggregate(c.user(), room, root).Participated) {
			roots = append(roots, root)
		}
	}
	from, upto, err := c.slice(len(roots))
	if err != nil {
		return nil, err
	}
	out := map[string]any{"chunk": c.presenter(room).all(roots[from:upto])}
	if upto < len(roots) {
		out["next_batch"] = strconv.Itoa(upto)
	}
	return out, nil
}
