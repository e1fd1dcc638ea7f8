package federation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// TestBusyRoomOverLongWays has 21 servers in a row, 60 ms from each to the next, all of which speak at once, 50 messages a
// second: near ones answer what far ones have not received yet, so that everywhere events come before those that they
// follow. What is missing is on its way, and whoever waits for it does not stand in line behind those who ask for it: messages
// are late by seconds, and do not pile up.
func TestBusyRoomOverLongWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			servers = 21
			hop     = 60 * time.Millisecond
			rounds  = 40
			gap     = servers * 20 * time.Millisecond // between two messages of one server
		)
		at, names := map[string]int{}, []string(nil)
		for i := range servers {
			name := fmt.Sprintf("hs%d", i)
			at[name], names = i, append(names, name)
		}
		m := newMesh(t, 1, names...)
		roomID := publicRoom(t, m.server("hs0"), matrix.DefaultRoomVersion)
		for _, name := range names[1:] {
			join(t, m.server(name), roomID, "hs0")
		}
		time.Sleep(time.Minute)
		m.mu.Lock()
		m.way = func(from, to string) time.Duration { return hop * time.Duration(max(at[from]-at[to], at[to]-at[from])) }
		m.mu.Unlock()
		var said []*event.PDU
		for round := range rounds {
			for _, name := range names {
				said = append(said, say(t, m.server(name), roomID, fmt.Sprint(round)))
				time.Sleep(gap / servers)
			}
		}
		end := time.Now()
		everywhere := func() bool {
			for _, name := range names {
				for _, pdu := range said[len(said)-servers:] {
					if !shows(t, m.server(name), roomID, pdu) {
						return false
					}
				}
			}
			return true
		}
		for !everywhere() && time.Since(end) < 10*time.Minute {
			time.Sleep(time.Second)
		}
		t.Logf("all is everywhere %v after the last message; %d requests for missing events", time.Since(end), m.asked["get_missing_events"])
		if late := time.Since(end); late > 12*time.Second {
			t.Errorf("the last messages are everywhere after %v", late)
		}
	})
}
