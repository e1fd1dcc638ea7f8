//go:build linux && docker

package main

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"testing"

	"meshsim/api"
)

// Messages of a Synapse and of an embedded server are told of alike: the sender's attempt, the link and what the receiver made
// of it are in one trace.
func TestTracesWithSynapse(t *testing.T) {
	told := collect(t)
	p := startWithContainers(t, "--otlp", told.url)
	defer p.endContainers()
	p.add("synapse", 0)
	p.add("embedded", 20)
	room := p.room(0, 2)
	for from := range 2 {
		sender, receiver := fmt.Sprint("hs", from), fmt.Sprint("hs", 1-from)
		var message api.SentMessage
		p.do("POST", "/api/v1/rooms/"+url.PathEscape(room.ID)+"/messages", fmt.Sprintf(`{"server":%d,"body":"traced"}`, from), &message)
		id := sha256.Sum256([]byte(message.EventID)) // whoever has an event's id finds its trace
		trace := string(id[:16])
		told.until(sender+"'s message on its way to "+receiver, containerPatience, func() bool {
			return told.all[collected{sender, "send to " + receiver, trace}] &&
				told.all[collected{sender, "link " + sender + "-" + receiver, trace}] &&
				told.all[collected{receiver, "handle at " + receiver, trace}]
		})
	}
}
