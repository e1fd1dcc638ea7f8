package homeserver

import (
	"fmt"
	"testing"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// BenchmarkForkFlood: in a room of 1,000 members somebody sends 1,000 events that all follow the same one and all contradict
// each other, so that each makes one more forward extremity, and the current state is another resolution.
func BenchmarkForkFlood(b *testing.B) {
	const members, forks = 1000, 1000
	for kind, content := range map[string]string{
		matrix.TypeTopic:     `{"topic":"%d"}`,
		matrix.TypeJoinRules: `{"join_rule":"public","n":%d}`,
	} {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				c := newCrowd(b, "12", 1)
				for i := range members {
					user := fmt.Sprintf("@u%d:hs%d", i, i%50)
					c.add(user, matrix.TypeMember, &user, `{"membership":"join"}`, 1)
				}
				base := c.placed[len(c.placed)-1]
				b.StartTimer()
				for i := range forks {
					c.placed = append(c.placed, base)
					c.add("@u:hs0", kind, event.StateKey(""), fmt.Sprintf(content, i), 1)
				}
				if n := len(c.r.extremities); n != forks {
					b.Fatalf("%d extremities", n)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/forks, "ms/event")
		})
	}
}
