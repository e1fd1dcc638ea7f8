package homeserver

import (
	"meshsim/matrix"
	"meshsim/matrix/event"
)

// redactLocked applies an accepted redaction to its target, or, when pdu is the target of a redaction that
// came first, that one to pdu (room versions, "Handling redactions").
func (s *Server) redactLocked(r *room, pdu *event.PDU) {
	if pdu.Type() == matrix.TypeRedaction {
		s.applyRedactionLocked(r, pdu)
		return
	}
	if redaction := r.early[pdu.ID()]; redaction != nil {
		delete(r.early, pdu.ID())
		s.applyRedactionLocked(r, redaction)
	}
}

func (s *Server) applyRedactionLocked(r *room, redaction *event.PDU) {
	id := redaction.Redacts()
	target := r.nodes[id]
	if target == nil {
		if r.early == nil {
			r.early = map[matrix.EventID]*event.PDU{}
		}
		r.early[id] = redaction
		return
	}
	if !mayRedact(redaction, target.pdu, r.nodes[redaction.ID()].before) || r.redactions[id] != nil {
		return
	}
	if r.redactions == nil {
		r.redactions = map[matrix.EventID]*event.PDU{}
	}
	r.redactions[id] = redaction
}

// mayRedact tells whether a redaction takes effect: its sender has the redact level, or both events come from
// the same server.
func mayRedact(redaction, target *event.PDU, before *State) bool {
	if redaction.Sender().Server() == target.Sender().Server() {
		return true
	}
	return userPower(before, redaction.Sender()) >= powerOf(before.Get(matrix.TypePowerLevels, "")).Redact
}
