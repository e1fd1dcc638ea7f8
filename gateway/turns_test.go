package gateway

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/link"
)

// slow is a path on which a transaction of 560 bytes takes about two seconds on the wire and two to come and go.
var slow = Path{Rate: 1000, RTT: 2 * time.Second, Slowest: Bottleneck{0, 1}}

func TestTransactionsOverOneSlowLinkTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		var mu sync.Mutex
		under, most, done := 0, 0, 0
		began := time.Now()
		for range 100 {
			go func() {
				leave, err := all.enter(t.Context(), slow, 560)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				under++
				most = max(most, under)
				mu.Unlock()
				time.Sleep(4 * time.Second)
				mu.Lock()
				under--
				done++
				mu.Unlock()
				leave()
				leave()
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if most < 2 || most > 3 || done != 100 {
			t.Errorf("%d at once, %d done", most, done)
		}
		if took := time.Since(began); took > time.Hour {
			t.Errorf("took %v", took)
		}
		all.mu.Lock()
		defer all.mu.Unlock()
		if len(all.links) != 0 {
			t.Errorf("something is kept: %v", all.links)
		}
	})
}

func TestATurnIsLostWhenNoAnswerComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		for range 50 { // peers that are away
			go func() { _, _ = all.enter(t.Context(), slow, 560) }()
		}
		synctest.Wait()
		began := time.Now()
		leave, err := all.enter(t.Context(), slow, 560)
		if err != nil {
			t.Fatal(err)
		}
		leave()
		if took := time.Since(began); took < time.Minute || took > 10*time.Minute {
			t.Errorf("behind fifty silent peers a transaction waited %v", took)
		}
		time.Sleep(time.Hour)
	})
}

func TestOthersDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		for range 10 {
			go func() { _, _ = all.enter(t.Context(), slow, 560) }()
		}
		synctest.Wait()
		elsewhere, fast, unlimited := slow, slow, slow
		elsewhere.Slowest = Bottleneck{5, 6}
		fast.Rate, unlimited.Rate = 1_000_000, link.Unlimited
		began := time.Now()
		for name, path := range map[string]Path{"over another link": elsewhere, "fast": fast, "unlimited": unlimited} {
			leave, err := all.enter(t.Context(), path, 560)
			if err != nil {
				t.Fatal(err)
			}
			leave()
			if took := time.Since(began); took != 0 {
				t.Errorf("%s: waited %v", name, took)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := all.enter(ctx, slow, 560); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up while waiting: %v", err)
		}
		time.Sleep(time.Hour)
	})
}
