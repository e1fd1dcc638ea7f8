package fabric

import (
	"testing"
	"time"

	"meshsim/link"
)

// A waiter spins for a twentieth of the time at most, and for a while at once after a quiet time.
func TestSpinIsBounded(t *testing.T) {
	w := &realWaiter{spin: maxSpin}
	now, spun := link.Instant(0).Add(time.Hour), time.Duration(0)
	for range 10_000 { // a packet arrives every 200 us, for 2 s
		now = now.Add(200 * time.Microsecond)
		lead := w.lead(now)
		if lead != 0 && lead != w.spin {
			t.Fatalf("the thread is woken %v early, want %v or 0", lead, w.spin)
		}
		w.credit -= lead
		spun += lead
	}
	if most := maxCredit + 2*time.Second/spinShare + w.spin; spun > most || spun < most/2 {
		t.Errorf("of 2 s it spun %v, want up to %v", spun, most)
	}
}
