package talk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Bounds of chatter, in messages a second.
const (
	MinChatter = 0.001
	MaxChatter = 200
)

// chattering bounds how many messages of one room's chatter are under way at a time. What a slow homeserver does not
// take in time is left out, so that the rate never becomes a backlog.
const chattering = 64

// Chatter is what servers say by themselves in a room. The times between messages are exponentially distributed, as
// those of people who know nothing of each other; who speaks is drawn from the servers that have joined.
type Chatter struct {
	PerSecond float64 // on average; 0 is silence
	Sent      uint64  // messages that a homeserver took
	Failed    uint64  // that it refused
	Skipped   uint64  // that were not tried: too many were under way, or no member runs
	Reason    string  // of the last failure
}

// babble is the chatter of one room while it goes on. Talk.mu guards said.
type babble struct {
	room  string
	said  Chatter
	stop  context.CancelFunc
	slots chan struct{} // one token for each message under way
}

// RateError is a rate that chatter cannot have.
type RateError struct{ PerSecond float64 }

func (e *RateError) Error() string {
	return fmt.Sprintf("per_second is %v: it must be 0 (silence), or %v to %v messages a second", e.PerSecond, MinChatter, MaxChatter)
}

// SetChatter makes the members of a room speak by themselves, perSecond messages altogether, until the rate is set to 0.
// What was counted before is forgotten when chatter begins anew, and kept when only its rate changes.
func (t *Talk) SetChatter(roomID string, perSecond float64) (Chatter, error) {
	if perSecond != 0 && !(perSecond >= MinChatter && perSecond <= MaxChatter) {
		return Chatter{}, &RateError{PerSecond: perSecond}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.indexLocked(roomID)
	if i < 0 {
		return Chatter{}, &UnknownRoomError{Room: roomID}
	}
	said := t.silenceLocked(roomID)
	if said.PerSecond == 0 {
		said = Chatter{}
	}
	said.PerSecond = perSecond
	room := *t.rooms[i]
	room.Chatter = perSecond
	t.rooms[i] = &room
	t.notifyLocked()
	t.babbleLocked(roomID, said)
	return said, nil
}

// Chatter returns what the chatter of a room has come to.
func (t *Talk) Chatter(roomID string) (Chatter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.indexLocked(roomID) < 0 {
		return Chatter{}, &UnknownRoomError{Room: roomID}
	}
	if b := t.babbles[roomID]; b != nil {
		return b.said, nil
	}
	return Chatter{}, nil
}

// silenceLocked ends the chatter of a room and returns what it came to.
func (t *Talk) silenceLocked(roomID string) Chatter {
	b := t.babbles[roomID]
	if b == nil {
		return Chatter{}
	}
	if b.stop != nil {
		b.stop()
	}
	return b.said
}

// babbleLocked begins chatter, or notes that there is none any more.
func (t *Talk) babbleLocked(roomID string, said Chatter) {
	b := &babble{room: roomID, said: said, slots: make(chan struct{}, chattering)}
	t.babbles[roomID] = b
	if said.PerSecond == 0 || t.closed {
		return
	}
	ctx, stop := context.WithCancel(t.ctx)
	b.stop = stop
	t.wait.Go(func() { t.babble(ctx, b, said.PerSecond) })
}

// babble speaks until ctx ends.
func (t *Talk) babble(ctx context.Context, b *babble, perSecond float64) {
	next := time.NewTimer(pause(perSecond))
	defer next.Stop()
	for count := 1; ; count++ {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			next.Reset(pause(perSecond))
		}
		t.utter(ctx, b, count)
	}
}

func pause(perSecond float64) time.Duration {
	return time.Duration(rand.ExpFloat64() / perSecond * float64(time.Second))
}

// utter lets one member say something, beside the others.
func (t *Talk) utter(ctx context.Context, b *babble, count int) {
	server, ok := t.speaker(b.room)
	if !ok {
		t.count(b, func(c *Chatter) { c.Skipped++ })
		return
	}
	select {
	case b.slots <- struct{}{}:
	default:
		t.count(b, func(c *Chatter) { c.Skipped++ })
		return
	}
	t.wait.Go(func() {
		defer func() { <-b.slots }()
		_, err := t.Send(ctx, b.room, server, fmt.Sprint("chatter ", count))
		switch {
		case err == nil:
			t.count(b, func(c *Chatter) { c.Sent++ })
		case ctx.Err() == nil:
			t.count(b, func(c *Chatter) { c.Failed, c.Reason = c.Failed+1, err.Error() })
		}
	})
}

func (t *Talk) count(b *babble, change func(*Chatter)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&b.said)
}

// speaker draws one of the joined members whose server runs.
func (t *Talk) speaker(roomID string) (int, bool) {
	room, err := t.Room(roomID)
	if err != nil {
		return 0, false
	}
	var able []int
	for _, m := range room.Members {
		if m.State != Joined {
			continue
		}
		if _, err := t.servers.Client(m.Server); err == nil {
			able = append(able, m.Server)
		}
	}
	if len(able) == 0 {
		return 0, false
	}
	return able[rand.IntN(len(able))], true
}
