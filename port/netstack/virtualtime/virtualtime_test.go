package virtualtime_test

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/sleep"

	"meshsim/port/netstack/virtualtime"
)

// A goroutine parked by gVisor's sleeper must not keep time from passing.
func TestTimePassesWhileGVisorWaits(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		var (
			sleeper sleep.Sleeper
			waker   sleep.Waker
		)
		sleeper.AddWaker(&waker)
		woken := make(chan struct{})
		go func() {
			sleeper.Fetch(true)
			close(woken)
		}()
		start := time.Now()
		time.Sleep(time.Hour)
		waker.Assert()
		<-woken
		sleeper.Done()
		if passed := time.Since(start); passed != time.Hour {
			t.Errorf("%v passed, want 1h", passed)
		}
	})
}
