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

// TestBurstOfJoinsThroughOneServer has many servers join at once through the one that made the room. Nobody says
// anything afterwards, and yet all of them know all members.
func TestBurstOfJoinsThroughOneServer(t *testing.T) { testBurst(t, 1) }

// TestBurstOfJoinsThroughSeveralServers is the same through several servers that were in the room before.
func TestBurstOfJoinsThroughSeveralServers(t *testing.T) { testBurst(t, 4) }

func testBurst(t *testing.T, residents int) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := make([]string, 20)
				for i := range names {
					names[i] = fmt.Sprintf("hs%d", i)
				}
				m := newMesh(t, seed, names...)
				m.delay = 100 * time.Millisecond
				roomID := publicRoom(t, m.server("hs0"), matrix.DefaultRoomVersion)
				join := func(name, via string) {
					if err := m.server(name).Join(context.Background(), "@u:"+name, roomID, []string{via}, nil); err != nil {
						t.Errorf("%s cannot join through %s: %v", name, via, err)
					}
				}
				for _, name := range names[1:residents] {
					join(name, "hs0")
				}
				time.Sleep(time.Minute)
				var joins sync.WaitGroup
				for i, name := range names[residents:] {
					joins.Go(func() { join(name, names[i%residents]) })
				}
				joins.Wait()
				time.Sleep(5 * time.Minute)
				for _, name := range names {
					if got := room(t, m.server(name), roomID).State().JoinedServers(); len(got) != len(names) {
						t.Errorf("%s knows %d of %d servers in the room", name, len(got), len(names))
					}
				}
			})
		})
	}
}
