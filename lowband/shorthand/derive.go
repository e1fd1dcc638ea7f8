package shorthand

import (
	"encoding/json"
	"strings"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// maxDerived bounds how many event ids are computed for one message: as many as a transaction has events.
const maxDerived = 50

// deriveEventID computes the id of an object that is an event in the federation format, so that both ends know an event
// by its id without its being sent. The room's version is not known here. Where the guess is wrong, both ends have the
// same id that nobody uses.
func deriveEventID(object json.RawMessage, members []matrix.Member) (string, bool) {
	var room string
	needed := 0
	for _, m := range members {
		switch string(m.Key) {
		case "room_id":
			room = string(m.Value)
		case "auth_events", "prev_events", "hashes", "signatures", "depth":
			needed++
		}
	}
	if needed < 5 {
		return "", false
	}
	version := "12"
	if strings.Contains(room, ":") {
		version = "11"
	}
	v, err := matrix.LookupRoomVersion(version)
	if err != nil {
		return "", false
	}
	pdu, err := event.Parse(object, v)
	if err != nil {
		return "", false
	}
	return string(pdu.ID()), true
}
