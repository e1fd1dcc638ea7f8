package federation

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/matrix"
)

// TestCrowdThroughEverybody lets a crowd join a room, 128 at a time, each newcomer through a server that joined before
// it, as the page does: the joins are branches that begin all over the graph, and are told by servers that are
// newcomers themselves. In the end all know all, though nobody says anything.
func TestCrowdThroughEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t, 1)
		for i := range *spread {
			m.add(fmt.Sprintf("hs%d", i), m.common)
		}
		roomID := publicRoom(t, m.server("hs0"), matrix.DefaultRoomVersion)
		m.delay = 50 * time.Millisecond
		began := time.Now()
		joinSpread(t, m, roomID, 128)
		t.Logf("joined after %v", time.Since(began))
		time.Sleep(2 * time.Minute)
		ignorant := 0
		for _, name := range m.names {
			if n := len(room(t, m.server(name), roomID).State().JoinedServers()); n != len(m.names) {
				ignorant++
				t.Logf("%s knows of %d of %d servers", name, n, len(m.names))
			}
		}
		if ignorant > 0 {
			t.Errorf("%d servers do not know all", ignorant)
		}
		t.Log(m.asked)
	})
}

// joinSpread lets all servers but the first join, so many at a time, each through one that has joined.
func joinSpread(t testing.TB, m *mesh, roomID string, width int) {
	var mu sync.Mutex
	joined := []string{m.names[0]}
	resident := func(newcomer int) string {
		mu.Lock()
		defer mu.Unlock()
		return joined[newcomer%len(joined)]
	}
	var work sync.WaitGroup
	slots := make(chan struct{}, width)
	for i, name := range m.names[1:] {
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := m.server(name).Join(context.Background(), "@u:"+name, roomID, []string{resident(i)}, nil); err != nil {
				t.Errorf("%s cannot join: %v", name, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			joined = append(joined, name)
		})
	}
	work.Wait()
}
