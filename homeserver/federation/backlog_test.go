package federation

import (
	"context"
	"testing"
	"time"
)

func TestBacklogsShowWhatWaits(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		roomID := publicRoom(t, m.server("a"), "12")
		for _, name := range []string{"b", "c"} {
			if err := m.server(name).Join(context.Background(), "@u:"+name, roomID, []string{"a"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		m.isolate("b")
		say(t, m.server("a"), roomID, "hello")
		time.Sleep(time.Minute)
		backlogs := m.peers["a"].Backlogs()
		if len(backlogs) != 2 || backlogs[0].Server != "b" || backlogs[1].Server != "c" {
			t.Fatalf("a sees %+v", backlogs)
		}
		b, c := backlogs[0], backlogs[1]
		if b.Rooms != 1 || b.PDUs != 1 || b.Failure == "" || b.Wait < time.Second {
			t.Errorf("for b, which is away: %+v", b)
		}
		if !b.Sending && time.Until(b.NextTry) > b.Wait {
			t.Errorf("b is tried again at %v, waiting %v, now %v", b.NextTry, b.Wait, time.Now())
		}
		if c != (Backlog{Server: "c", Rooms: 1}) {
			t.Errorf("for c, which is there: %+v", c)
		}
		m.heal()
		settle()
		if now := m.peers["a"].Backlogs()[0]; now != (Backlog{Server: "b", Rooms: 1}) {
			t.Errorf("after all is well: %+v", now)
		}
	}, "a", "b", "c")
}
