package fabric

import (
	"fmt"
	"math"
	"testing"
	"time"

	"meshsim/link"
)

// BenchmarkRate measures by how much the rate of a link is off in real time: packets that were sent at once arrive
// one after the other, and the time between the first and the last of them says how fast. Slower links than these
// are tested in virtual time, where nothing is off (TestRateIsExact, TestTCPAt100BitsPerSecond).
func BenchmarkRate(b *testing.B) {
	for _, rate := range []link.BitRate{100_000, 1_000_000, 10_000_000, 100_000_000} {
		b.Run(fmt.Sprint(int64(rate)), func(b *testing.B) { benchmarkRate(b, rate) })
	}
}

func benchmarkRate(b *testing.B, rate link.BitRate) {
	const size = 1250 // bytes, 10,000 bits
	packets := max(int(rate)/20_000, 5)
	l := newLine(b, RealClock(), 2, link.Params{Rate: rate, Delay: time.Millisecond, QueueLimit: 2 * packets * size})
	defer l.Close()
	arrivals := l.ports[1]
	worst := 0.0
	for b.Loop() {
		before := len(arrivals.times())
		batch := make([][]byte, packets)
		for i := range batch {
			batch[i] = ipv4(0, 1, size, uint32(i))
		}
		l.send(0, batch...)
		for len(arrivals.times()) < before+packets {
			time.Sleep(10 * time.Millisecond)
		}
		got := arrivals.times()[before:]
		took := got[packets-1].Sub(got[0]).Seconds()
		measured := float64((packets-1)*size*8) / took
		worst = max(worst, math.Abs(measured/float64(rate)-1)*100)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(worst, "worst-%")
}
