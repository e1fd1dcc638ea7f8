package telemetry

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sent(event string, from, to int) Sent {
	return Sent{At: time.Now(), Event: &Event{ID: event}, From: from, To: to, Transport: HTTPS, Attempt: 1}
}

func received(event string, from, to int) Received {
	return Received{At: time.Now(), Event: &Event{ID: event}, From: from, To: to, Basis: Processed, Outcome: OutcomeAccepted}
}

func next(t *testing.T, s *Subscription) Batch {
	t.Helper()
	b, err := s.Next(t.Context())
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return b
}

func TestBatchIsGroupedByEventAndSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		defer h.Close()
		s := h.Subscribe()
		for to := 1; to <= 3; to++ {
			h.Publish(sent("$a", 0, to))
		}
		h.Publish(sent("$b", 0, 1))
		h.Publish(sent("$a", 1, 2))
		h.Publish(received("$a", 0, 1))
		h.Publish(received("$a", 0, 2))
		h.Publish(Failed{From: 0, To: 9, Reason: "nobody is there"})
		for to := 1; to <= 2; to++ {
			h.Publish(Carried{Event: &Event{ID: "$a"}, From: 0, To: to, Transport: HTTPS, Wire: Wire{There: int64(to)}})
		}
		h.Publish(Carried{Event: &Event{ID: "$a"}, From: 0, To: 1, Transport: Lowband, Attempt: 2})

		b := next(t, s)
		if len(b.Sent) != 3 || len(b.Sent[0].To) != 3 || b.Sent[2].From != 1 {
			t.Errorf("sent groups: %+v", b.Sent)
		}
		if len(b.Received) != 1 || len(b.Received[0].By) != 2 || b.Received[0].By[1].To != 2 {
			t.Errorf("received groups: %+v", b.Received)
		}
		if len(b.Failed) != 1 || b.Failed[0].To != 9 {
			t.Errorf("failed: %+v", b.Failed)
		}
		if len(b.Carried) != 2 || len(b.Carried[0].To) != 2 || b.Carried[0].To[1].Wire.There != 2 || b.Carried[1].To[0].Attempt != 2 {
			t.Errorf("carried groups: %+v", b.Carried)
		}
	})
}

func TestSharesAddUpToTheWhole(t *testing.T) {
	whole := Wire{There: 1001, Back: 7, Headers: true}
	for _, c := range []struct {
		name  string
		bytes []int
		there []int64
	}{
		{"one", []int{500}, []int64{1001}},
		{"in-proportion", []int{300, 100, 100}, []int64{600, 200, 201}},
		{"of-no-length", []int{0, 0}, []int64{500, 501}},
		{"none", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var events []*Event
			for _, n := range c.bytes {
				events = append(events, &Event{Bytes: n})
			}
			var there []int64
			var back int64
			for _, s := range whole.Shares(events) {
				there, back = append(there, s.There), back+s.Back
				if !s.Headers {
					t.Error("a share forgot what was counted")
				}
			}
			if !slices.Equal(there, c.there) || len(events) > 0 && back != whole.Back {
				t.Errorf("there %v, want %v; back %d of %d", there, c.there, back, whole.Back)
			}
		})
	}
}

func TestTransportsAreToldApart(t *testing.T) {
	low := sent("$a", 0, 1)
	low.Transport = Lowband
	b := group([]Notification{sent("$a", 0, 1), low})
	if len(b.Sent) != 2 {
		t.Errorf("groups: %+v", b.Sent)
	}
}

func TestEveryNotificationLeavesWithinMaxDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		defer h.Close()
		s := h.Subscribe()
		go func() {
			for i := range 500 {
				h.Publish(sent("$a", 0, i))
				time.Sleep(time.Duration(i%7) * 300 * time.Microsecond)
			}
		}()
		for seen := 0; seen < 500; {
			b := next(t, s)
			for _, g := range b.Sent {
				for _, to := range g.To {
					if to.To != seen {
						t.Fatalf("notification %d came when %d was due", to.To, seen)
					}
					if late := time.Since(to.At); late > MaxDelay {
						t.Fatalf("notification %d took %v", to.To, late)
					}
					seen++
				}
			}
		}
	})
}

func TestSlowSubscriberLosesTheOldestAndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		defer h.Close()
		slow, quick := h.Subscribe(), h.Subscribe()
		const rounds, each = 5, maxPending / 2
		for round := range rounds {
			for range each {
				h.Publish(sent("$a", round, 1))
			}
			if b := next(t, quick); b.Lost != 0 || len(b.Sent[0].To) != each {
				t.Fatalf("the quick reader got %d and lost %d", len(b.Sent[0].To), b.Lost)
			}
		}
		synctest.Wait() // the slow one has been handed the last round, too
		b := next(t, slow)
		if want := uint64(each); b.Lost != want || b.Sent[0].From != 1 {
			t.Errorf("lost %d, then batch %d; want %d lost, then batch 1", b.Lost, b.Sent[0].From, want)
		}
		if b := next(t, slow); b.Lost != 0 || b.Sent[0].From != 2 {
			t.Errorf("second batch: lost %d, from %d", b.Lost, b.Sent[0].From)
		}
	})
}

func TestFloodIsBoundedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		defer h.Close()
		s := h.Subscribe()
		for range maxPending + 10 {
			h.Publish(sent("$a", 0, 1))
		}
		if b := next(t, s); b.Lost != 10 || len(b.Sent[0].To) != maxPending {
			t.Errorf("got %d, lost %d", len(b.Sent[0].To), b.Lost)
		}
	})
}

func TestCloseHandsOutWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		s := h.Subscribe()
		h.Publish(sent("$a", 0, 1))
		h.Close()
		h.Close()
		h.Publish(sent("$b", 0, 1))
		if b := next(t, s); len(b.Sent) != 1 || b.Sent[0].Event.ID != "$a" {
			t.Errorf("batch: %+v", b)
		}
		if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		if _, err := h.Subscribe().Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("subscribed after the end: %v", err)
		}
	})
}

func TestNextEndsWithItsContextAndWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		defer h.Close()
		s := h.Subscribe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next: %v", err)
		}
		time.AfterFunc(time.Second, s.Close)
		if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Next: %v", err)
		}
	})
}

func TestConcurrentPublishersLoseNothing(t *testing.T) {
	h := NewHub()
	s := h.Subscribe()
	const publishers, each = 8, 1000
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				h.Publish(sent("$a", p, i))
			}
		})
	}
	go func() { wg.Wait(); h.Close() }()
	seen := make([]int, publishers)
	for {
		b, err := s.Next(t.Context())
		if err != nil {
			break
		}
		for _, g := range b.Sent {
			for _, to := range g.To {
				if to.To != seen[g.From] {
					t.Fatalf("publisher %d: %d came when %d was due", g.From, to.To, seen[g.From])
				}
				seen[g.From]++
			}
		}
	}
	if slices.Min(seen) != each {
		t.Errorf("seen: %v", seen)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name    string
		readers int
	}{{"nobody-listens", 0}, {"one-reader", 1}} {
		b.Run(c.name, func(b *testing.B) {
			h := NewHub()
			var readers sync.WaitGroup
			for range c.readers {
				s := h.Subscribe()
				readers.Go(func() {
					for {
						if _, err := s.Next(context.Background()); err != nil {
							return
						}
					}
				})
			}
			n := Sent{Event: &Event{ID: "$a"}, From: 1, Transport: HTTPS}
			b.ReportAllocs()
			for i := range b.N {
				n.To = i
				h.Publish(n)
			}
			b.StopTimer()
			h.Close()
			readers.Wait()
		})
	}
}
