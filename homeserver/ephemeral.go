package homeserver

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"meshsim/matrix"
)

// maxTyping is the longest time that a typing notification lasts without being repeated.
const maxTyping = 2 * time.Minute

// typingLasts is how long a typing notification may wait for its turn: clients repeat theirs within 30 seconds.
const typingLasts = 30 * time.Second

// ephemerals are the typing notifications and receipts of all users, by room. The zero value is empty.
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

// SetTyping notes that a local user types in a room, for a time, or does not when the time is 0, and tells the
// other servers.
func (s *Server) SetTyping(roomID, user string, lasting time.Duration) {
	s.noteTyping(roomID, user, lasting)
	s.tellTyping(roomID, user, lasting > 0)
}

// typingContent is the content of an m.typing EDU.
type typingContent struct {
	RoomID string `json:"room_id"`
	User   string `json:"user_id"`
	Typing bool   `json:"typing"`
}

func (s *Server) tellTyping(roomID, user string, typing bool) {
	edu := EDU{Type: eduTyping, Key: roomID + " " + user, Fleeting: true, Lasts: typingLasts}
	s.sendEDU(edu, typingContent{roomID, user, typing}, s.roomServers(roomID))
}

// receiveTyping takes what another server says about the typing of one of its users.
func (s *Server) receiveTyping(origin string, content json.RawMessage) error {
	var in typingContent
	if err := json.Unmarshal(content, &in); err != nil {
		return err
	}
	if err := s.checkVisitor(origin, in.RoomID, in.User); err != nil {
		return err
	}
	var lasting time.Duration
	if in.Typing {
		lasting = maxTyping // it is repeated or taken back before, unless the server is lost
	}
	s.noteTyping(in.RoomID, in.User, lasting)
	return nil
}

func (s *Server) noteTyping(roomID, user string, lasting time.Duration) {
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
		over := r.typing[user] == mine
		if over {
			s.stopTypingLocked(roomID, r, user)
		}
		e.mu.Unlock()
		if over && serverOf(user) == s.cfg.Name {
			s.tellTyping(roomID, user, false)
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

// SetReceipt notes how far a local user has read, now, and tells the other servers what they may know.
func (s *Server) SetReceipt(roomID string, receipt Receipt) {
	receipt.At = time.Now()
	s.noteReceipt(roomID, receipt)
	if receipt.Kind != publicReceipt {
		return
	}
	edu := EDU{Type: eduReceipt, Key: roomID + " " + receipt.User + " " + receipt.Thread}
	s.sendEDU(edu, receiptsContent{roomID: {publicReceipt: {receipt.User: {
		Data:   receiptData{receipt.At.UnixMilli(), receipt.Thread},
		Events: []string{receipt.Event},
	}}}}, s.roomServers(roomID))
}

// publicReceipt is the kind of receipt that others may see.
const publicReceipt = "m.read"

// receiptsContent is the content of an m.receipt EDU: by room, kind and user.
type receiptsContent map[string]map[string]map[string]userReceipt

type userReceipt struct {
	Data   receiptData `json:"data"`
	Events []string    `json:"event_ids"`
}

type receiptData struct {
	At     int64  `json:"ts"` // ms since the epoch
	Thread string `json:"thread_id,omitempty"`
}

// receiveReceipts takes what another server says about how far its users have read. One receipt that is not
// its to give does not spoil the others; the last such error is returned.
func (s *Server) receiveReceipts(origin string, content json.RawMessage) (refused error) {
	var in receiptsContent
	if err := json.Unmarshal(content, &in); err != nil {
		return err
	}
	for roomID, kinds := range in {
		for user, receipt := range kinds[publicReceipt] {
			if err := s.checkVisitor(origin, roomID, user); err != nil {
				refused = err
				continue
			}
			if err := receipt.check(); err != nil {
				refused = err
				continue
			}
			s.noteReceipt(roomID, Receipt{
				User: user, Kind: publicReceipt, Thread: receipt.Data.Thread, Event: receipt.Events[len(receipt.Events)-1],
				At: time.UnixMilli(receipt.Data.At),
			})
		}
	}
	return refused
}

// check refuses what other servers could fill the memory with.
func (r userReceipt) check() error {
	if len(r.Events) == 0 || !matrix.EventID(r.Events[len(r.Events)-1]).Valid() {
		return failf(BadRequest, "a receipt names no event")
	}
	if thread := r.Data.Thread; thread != "" && thread != "main" && !matrix.EventID(thread).Valid() {
		return failf(BadRequest, "a receipt is for %.40q, which is no thread", thread)
	}
	return nil
}

// ReceiptOf returns how far a user has read in a room by one kind of receipt, false when they never said.
func (s *Server) ReceiptOf(roomID, user, kind, thread string) (Receipt, bool) {
	e := &s.users.ephemerals
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.rooms[roomID]
	if r == nil {
		return Receipt{}, false
	}
	receipt, ok := r.receipts[receiptKey{user, kind, thread}]
	return receipt, ok
}

func (s *Server) noteReceipt(roomID string, receipt Receipt) {
	e := &s.users.ephemerals
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.roomLocked(roomID)
	if r.receipts == nil {
		r.receipts = map[receiptKey]Receipt{}
	}
	receipt.position = s.Bump()
	r.receipts[receiptKey{receipt.User, receipt.Kind, receipt.Thread}] = receipt
	s.Keep(kindReceipt, storedReceipt{roomID, receipt, receipt.position}, roomID, receipt.User, receipt.Kind, receipt.Thread)
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
