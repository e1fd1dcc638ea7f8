package homeserver

import (
	"slices"
	"sync"
	"time"
)

// maxTyping is the longest time that a typing notification lasts without being repeated.
const maxTyping = 2 * time.Minute

// ephemerals are the typing notifications and receipts of local users, by room. The zero value is empty.
// They are not sent to other servers.
type ephemerals struct {
	mu    sync.Mutex
	rooms map[string]*ephemeral
}

type ephemeral struct {
	typing   map[string]*time.Timer // by user; the timer ends it
	typingAt Position
	receipts map[receiptKey]Receipt
}

// receiptKey: a user has one receipt of each kind in each thread.
type receiptKey struct{ user, kind, thread string }

// Receipt says how far a user has read.
type Receipt struct {
	User   string
	Kind   string // "m.read" or "m.read.private"
	Thread string // "" for an unthreaded receipt
	Event  string
	At     time.Time

	position Position
}

// Ephemeral is what changed in a room beside its events.
type Ephemeral struct {
	Typing        []string // sorted; valid when TypingChanged
	TypingChanged bool
	Receipts      []Receipt // in no order
}

// Empty says whether nothing changed.
func (e Ephemeral) Empty() bool { return !e.TypingChanged && len(e.Receipts) == 0 }

// SetTyping notes that a local user types in a room, for a time, or does not when the time is 0.
func (s *Server) SetTyping(roomID, user string, lasting time.Duration) {
	lasting = min(lasting, maxTyping)
	e := &s.users.ephemerals
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.roomLocked(roomID)
	timer := r.typing[user]
	if timer != nil {
		timer.Stop()
	}
	if lasting <= 0 {
		s.stopTypingLocked(roomID, r, user)
		return
	}
	if timer == nil {
		s.typingChangedLocked(roomID, r)
	}
	if r.typing == nil {
		r.typing = map[string]*time.Timer{}
	}
	var mine *time.Timer
	mine = time.AfterFunc(lasting, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if r.typing[user] == mine {
			s.stopTypingLocked(roomID, r, user)
		}
	})
	r.typing[user] = mine
}

// stopTypingLocked needs ephemerals.mu.
func (s *Server) stopTypingLocked(roomID string, r *ephemeral, user string) {
	if r.typing[user] == nil {
		return
	}
	delete(r.typing, user)
	s.typingChangedLocked(roomID, r)
}

// typingChangedLocked needs ephemerals.mu.
func (s *Server) typingChangedLocked(roomID string, r *ephemeral) {
	r.typingAt = s.Bump()
	s.alertRoom(roomID)
}

// SetReceipt notes how far a local user has read; the time is set.
func (s *Server) SetReceipt(roomID string, receipt Receipt) {
	e := &s.users.ephemerals
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.roomLocked(roomID)
	if r.receipts == nil {
		r.receipts = map[receiptKey]Receipt{}
	}
	receipt.At = time.Now()
	receipt.position = s.Bump()
	r.receipts[receiptKey{receipt.User, receipt.Kind, receipt.Thread}] = receipt
	s.alertRoom(roomID)
}

// EphemeralBetween returns what changed in a room after since, up to and including upto, as far as reader may
// know it: private receipts are for their owner alone.
func (s *Server) EphemeralBetween(roomID, reader string, since, upto Position) Ephemeral {
	e := &s.users.ephemerals
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.rooms[roomID]
	if r == nil {
		return Ephemeral{}
	}
	var changed Ephemeral
	if since < r.typingAt && r.typingAt <= upto {
		changed.TypingChanged = true
		changed.Typing = r.typingLocked()
	}
	for _, receipt := range r.receipts {
		if receipt.Kind == "m.read.private" && receipt.User != reader {
			continue
		}
		if since < receipt.position && receipt.position <= upto {
			changed.Receipts = append(changed.Receipts, receipt)
		}
	}
	return changed
}

func (r *ephemeral) typingLocked() []string {
	typing := make([]string, 0, len(r.typing))
	for user := range r.typing {
		typing = append(typing, user)
	}
	slices.Sort(typing)
	return typing
}

func (e *ephemerals) roomLocked(roomID string) *ephemeral {
	r := e.rooms[roomID]
	if r != nil {
		return r
	}
	if e.rooms == nil {
		e.rooms = map[string]*ephemeral{}
	}
	r = &ephemeral{}
	e.rooms[roomID] = r
	return r
}
