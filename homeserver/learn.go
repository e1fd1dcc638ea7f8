package homeserver

import (
	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/stateres"
)

// learnStateLocked takes a state and its auth chain from another server: vetted events, which become outliers
// where they are not known yet. Events that their auth events do not allow are left out of the state.
func (s *Server) learnStateLocked(r *room, auth, state []*event.PDU) *State {
	s.learnLocked(r, auth, state)
	var ids stateres.State
	for _, pdu := range state {
		if n := r.nodes[pdu.ID()]; n != nil && !n.is(rejected) && pdu.IsState() {
			ids = ids.With(pdu.Key(), pdu.ID())
		}
	}
	return s.commons.intern(ids, r.current)
}

// learnLocked adds vetted events as outliers, those that others depend on first.
func (s *Server) learnLocked(r *room, groups ...[]*event.PDU) {
	l := learner{s: s, r: r, offered: map[matrix.EventID]*event.PDU{}}
	for _, group := range groups {
		for _, pdu := range group {
			if pdu.RoomID() == r.id {
				l.offered[pdu.ID()] = pdu
			}
		}
	}
	// In room version 12 no auth event names the create event, but every check needs it.
	l.learn(r.id.CreateEventID())
	for _, group := range groups {
		for _, pdu := range group {
			l.learn(pdu.ID())
		}
	}
	s.recordLocked(r)
}

// learner adds events in the order of their auth events.
type learner struct {
	s       *Server
	r       *room
	offered map[matrix.EventID]*event.PDU
}

// learn adds one event after its auth events. An event that lacks some is not added. The work is done with a
// stack of its own: how deep an auth chain goes is for strangers to say.
func (l *learner) learn(id matrix.EventID) {
	stack := []matrix.EventID{id}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		pdu := l.offered[top]
		if pdu == nil {
			stack = stack[:len(stack)-1]
			continue
		}
		if next := l.unlearned(pdu); next != "" {
			stack = append(stack, next)
			continue
		}
		stack = stack[:len(stack)-1]
		delete(l.offered, top)
		l.add(pdu)
	}
}

// unlearned returns an auth event that is offered and has yet to be added. Ids are hashes, so there are no
// cycles.
func (l *learner) unlearned(pdu *event.PDU) matrix.EventID {
	for _, id := range pdu.AuthEvents() {
		if l.offered[id] != nil && l.r.nodes[id] == nil {
			return id
		}
	}
	return ""
}

func (l *learner) add(pdu *event.PDU) {
	if l.r.nodes[pdu.ID()] != nil {
		return
	}
	if _, missing := l.r.authEventsLocked(pdu); len(missing) > 0 {
		return
	}
	n := &node{pdu: pdu, mark: outlier}
	if err := l.s.checkAuthEventsLocked(l.r, pdu); err != nil {
		l.s.log.Debug("rejected an event of a room's state", "room", l.r.id, "event", pdu.ID(), "error", err)
		n.mark |= rejected
	}
	l.r.nodes[pdu.ID()] = n
	l.r.noteLocked(factLearned, pdu, n.mark)
	l.s.commons.checked(pdu)
}
