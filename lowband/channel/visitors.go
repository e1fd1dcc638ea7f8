package channel

import "container/list"

// maxVisitors bounds the first contacts that have not told who they are: 10 MB of them at most. It is that many so that who
// forges first messages by the thousand a second, a megabit of them, does not push out whom a slow link lets answer seconds
// later.
const maxVisitors = 8192

// visitors are the strangers whose first message was answered. Whoever holds the endpoint's lock uses them.
type visitors struct {
	byID    map[id]*list.Element
	begunBy map[ephemeral]*list.Element
	order   list.List // of *visitor, the oldest first
}

func newVisitors() visitors {
	return visitors{byID: map[id]*list.Element{}, begunBy: map[ephemeral]*list.Element{}}
}

// find returns the visitor with this id, nil if there is none.
func (vs *visitors) find(own id) *visitor { return visitorOf(vs.byID[own]) }

// findBegun returns the one that began with this key, nil if there is none.
func (vs *visitors) findBegun(by ephemeral) *visitor { return visitorOf(vs.begunBy[by]) }

func visitorOf(e *list.Element) *visitor {
	if e == nil {
		return nil
	}
	return e.Value.(*visitor)
}

// add takes a visitor in; the oldest gives way to it where there are too many.
func (vs *visitors) add(v *visitor) {
	if vs.order.Len() == maxVisitors {
		vs.remove(visitorOf(vs.order.Front()))
	}
	e := vs.order.PushBack(v)
	vs.byID[v.own], vs.begunBy[v.begunBy] = e, e
}

// remove takes a visitor out, if it is in.
func (vs *visitors) remove(v *visitor) {
	e := vs.byID[v.own]
	if visitorOf(e) != v {
		return
	}
	vs.order.Remove(e)
	delete(vs.byID, v.own)
	if vs.begunBy[v.begunBy] == e {
		delete(vs.begunBy, v.begunBy)
	}
}

func (vs *visitors) len() int { return vs.order.Len() }
