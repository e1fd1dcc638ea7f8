package homeserver

import (
	"slices"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

const (
	// maxMembersTold is how many member events a joining server is told of all the same when it can do without
	// (omit_members). It has to ask for them later, which costs more than telling few at once.
	maxMembersTold = 20
	// heroesTold is how many members name a room that has no name.
	heroesTold = 5
)

// briefAnswerLocked answers send_join without the members of the room, apart from those that name it, and without
// repeating in the auth chain what is in the state (omit_members of send_join).
func (s *Server) briefAnswerLocked(r *room, n *node) JoinAnswer {
	named := n.before.Get(matrix.TypeName, "") != nil || n.before.Get(matrix.TypeCanonicalAlias, "") != nil
	heroes := 0
	var state []*event.PDU
	told := map[matrix.EventID]bool{}
	for pdu := range n.before.All() {
		if pdu.Type() == matrix.TypeMember {
			if named || heroes == heroesTold || !takesPart(pdu) {
				continue
			}
			heroes++
		}
		state = append(state, pdu)
		told[pdu.ID()] = true
	}
	chain := slices.DeleteFunc(r.authChainLocked(append(state, n.pdu)), func(pdu *event.PDU) bool { return told[pdu.ID()] })
	return JoinAnswer{
		State: raws(state), AuthChain: raws(chain), Event: n.pdu.JSON(), Origin: s.cfg.Name,
		MembersOmitted: true, ServersInRoom: n.before.JoinedServers(),
	}
}

func takesPart(member *event.PDU) bool {
	return member.Membership() == matrix.Join || member.Membership() == matrix.Invite
}

// moreMembersThan says whether a state has more than so many member events.
func (s *State) moreMembersThan(n int) bool {
	for range s.Members() {
		if n--; n < 0 {
			return true
		}
	}
	return false
}
