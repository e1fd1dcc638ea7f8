package clientapi

import (
	"meshsim/homeserver"
	"meshsim/matrix"
)

// Reports of content are checked and noted in the server's log: there is no administrator to read them.

func reportRoom(c *call) (any, error) {
	room, ok := c.server.Room(c.vars["roomId"])
	if !ok || !room.Joined() {
		return nil, notFound("there is no room %.255s on this server", c.vars["roomId"])
	}
	return c.report("room", room.ID())
}

// reportEvent is for those who can see the event.
func reportEvent(c *call) (any, error) {
	m, _ := c.server.MembershipOf(c.user(), c.vars["roomId"])
	room, ok := c.server.Room(c.vars["roomId"])
	if !ok || m.Membership != matrix.Join {
		return nil, notFound("you are not in the room %.255s", c.vars["roomId"])
	}
	if _, ok := room.Event(c.vars["eventId"]); !ok {
		return nil, notFound("there is no event %.255s in the room", c.vars["eventId"])
	}
	return c.report("event", c.vars["eventId"])
}

func reportUser(c *call) (any, error) {
	user := c.vars["userId"]
	id, err := matrix.ParseUserID(user)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if string(id.Server()) == c.server.Name() && !c.server.HasUser(user) {
		return nil, notFound("there is no user %s on this server", user)
	}
	return c.report("user", user)
}

func (c *call) report(what, which string) (any, error) {
	reason, err := c.reason()
	if err != nil {
		return nil, err
	}
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	c.server.NoteReport(homeserver.Report{By: c.user(), What: what, Which: which, Reason: reason})
	return empty{}, nil
}

// maxReason bounds what is noted of a report, in bytes.
const maxReason = 2000

func checkReason(reason string) error {
	if len(reason) > maxReason {
		return invalid("the reason has more than %d bytes", maxReason)
	}
	return nil
}
