package federation

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// TestCrowd lets many servers join at once. Each misses what happens between its make_join and its send_join, and
// more than a template can refer to. All must learn of all, and hardly ask for anything: asking takes round trips,
// one gap after the other.
func TestCrowd(t *testing.T) {
	for name, c := range map[string]struct {
		said int // messages before the joins
		asks int // requests for missing events and states that each server may make
	}{
		"into-a-new-room":  {said: 0, asks: 0},
		"into-an-old-room": {said: 30, asks: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crowd(t, c.said, c.asks) })
		})
	}
}

func crowd(t *testing.T, said, asks int) {
	const servers = 60
	m := newMesh(t, 1)
	for i := range servers {
		m.add(fmt.Sprintf("hs%d", i), m.common)
	}
	roomID := publicRoom(t, m.server("hs0"), "12")
	early := []*event.PDU{room(t, m.server("hs0"), roomID).State().Get(matrix.TypeCreate, "")}
	for i := range said {
		early = append(early, say(t, m.server("hs0"), roomID, fmt.Sprint(i)))
	}
	m.delay = 300 * time.Millisecond
	var joining sync.WaitGroup
	for i, name := range m.names[1:] {
		joining.Go(func() {
			time.Sleep(time.Duration(i%5) * 100 * time.Millisecond)
			join(t, m.server(name), roomID, "hs0")
		})
	}
	joining.Wait()
	time.Sleep(20 * time.Second)

	state := room(t, m.server("hs0"), roomID).State()
	if n := len(state.JoinedServers()); n != servers {
		t.Fatalf("hs0 knows of %d servers", n)
	}
	for _, name := range m.names {
		if got := room(t, m.server(name), roomID).State(); got != state {
			t.Errorf("%s knows of %d servers", name, len(got.JoinedServers()))
		}
	}
	asked := m.asked["get_missing_events"] + m.asked["state_ids"] + m.asked["state"] + m.asked["event"]
	if asked > asks*servers {
		t.Errorf("%d requests for what is missing: %v", asked, m.asked)
	}
	checkBackfill(t, m, roomID, append(early, collect(state.Members())...))
}

func collect(all func(func(*event.PDU) bool)) (pdus []*event.PDU) {
	for pdu := range all {
		pdus = append(pdus, pdu)
	}
	return pdus
}

// checkBackfill has one newcomer go back to the beginning: it must find every event there.
func checkBackfill(t *testing.T, m *mesh, roomID string, events []*event.PDU) {
	t.Helper()
	s := m.server(m.names[len(m.names)-1])
	for {
		n, err := room(t, s, roomID).Backfill(context.Background(), 50)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	for _, pdu := range events {
		if !shows(t, s, roomID, pdu) {
			t.Errorf("%s does not show %s %s", s.Name(), pdu.Type(), pdu.Key().StateKey)
		}
	}
}
