package talk

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Joins of a large room take several slots each.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ members, most int }{{0, 12}, {249, 12}, {250, 6}, {999, 3}, {1_000_000, 1}} {
			s := newSlots(12)
			ctx, cancel := context.WithCancel(t.Context())
			var under atomic.Int32
			for range 20 {
				go func() {
					if release, err := s.take(ctx, func() int { return c.members }); err == nil {
						under.Add(1)
						<-ctx.Done()
						time.Sleep(time.Second)
						release()
					}
				}()
			}
			synctest.Wait()
			if under.Load() != int32(c.most) {
				t.Errorf("%d joins of a room of %d are under way, want %d", under.Load(), c.members, c.most)
			}
			cancel()
			time.Sleep(time.Minute)
			if used := len(s.used) + len(s.door); used != 0 {
				t.Errorf("%d slots are taken in the end", used)
			}
		}
	})
}
