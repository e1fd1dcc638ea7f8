package lowband

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
	"meshsim/lowband/coap"
)

// sharing is a world whose paths say that they have a link in common.
type sharing struct {
	*world
	line *coap.Line
}

func (s sharing) Path(name string) coap.Path {
	p := s.world.Path(name)
	p.Line = s.line
	return p
}

// TestNothingIsRepeatedWithoutLoss: nine requests to nine peers queue at the sender's own link of 100 bit/s for minutes.
// Each takes one datagram there and one back, if those who wait know of each other.
func TestNothingIsRepeatedWithoutLoss(t *testing.T) {
	const peers = 9
	used := map[string]int{}
	for name, line := range map[string]*coap.Line{"each for itself": nil, "shared": {}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, &airtest.Air{Rate: 100, Delay: time.Second})
			sender, _ := w.startWith("hs0", sharing{w, line}, false, mirror)
			for i := range peers {
				w.start(fmt.Sprint("hs", i+1), mirror)
			}
			var all sync.WaitGroup
			for i := range peers {
				all.Go(func() {
					target := fmt.Sprintf("hs%d/_matrix/federation/v1/version", i+1)
					if status, _ := do(t, sender, "GET", target, strings.Repeat("text", 40)); status != 418 {
						t.Errorf("%s answered %d", target, status)
					}
				})
			}
			all.Wait()
			used[name], _ = w.air.Used()
			if line != nil && !line.Idle() {
				t.Error("when all is done, answers are still waited for")
			}
		})
	}
	if used["shared"] != 2*peers {
		t.Errorf("%d requests took %d datagrams", peers, used["shared"])
	}
	if used["each for itself"] <= used["shared"] {
		t.Errorf("where each waits for itself there are %d, so this test shows nothing", used["each for itself"])
	}
}
