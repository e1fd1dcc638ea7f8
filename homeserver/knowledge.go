package homeserver

import (
	"cmp"
	"crypto/sha256"
	"runtime"
	"weak"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// knowledge is what a Commons knows of one event in one form, for as long as somebody refers to the event.
type knowledge struct {
	self     weak.Pointer[event.PDU]
	id       matrix.EventID
	sum      [sha256.Size]byte // under which it was parsed; zero when it was not
	number   int64             // in a store; 0 for none
	redacted *event.PDU        // the redacted form, once anybody wanted it
	verified bool              // signatures were found right
	hash     bool              // and the content hash too
	authed   bool              // allowed by its auth events, which are authed too
}

// forms are those in which an event is referred to.
type forms struct{ full, redacted weak.Pointer[event.PDU] }

// knowledgeLocked returns what is known of an event. Commons.mu is held for writing.
func (c *Commons) knowledgeLocked(pdu *event.PDU) *knowledge {
	self := weak.Make(pdu)
	if k := c.known[self]; k != nil {
		return k
	}
	k := &knowledge{self: self, id: pdu.ID()}
	c.known[self] = k
	runtime.AddCleanup(pdu, c.forgetEvent, k)
	return k
}

// forgetEvent removes what is known of an event that nobody refers to any more.
func (c *Commons) forgetEvent(k *knowledge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, k.self)
	if c.parsed[k.sum] == k.self {
		delete(c.parsed, k.sum)
	}
	if c.recalled[k.number] == k.self {
		delete(c.recalled, k.number)
	}
	if f := c.events[k.id]; f.full.Value() == nil && f.redacted.Value() == nil {
		delete(c.events, k.id)
	}
}

// event returns a checked event by its id, in full when any server has it so, nil when no server has it.
func (c *Commons) event(id matrix.EventID) *event.PDU {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f := c.events[id]
	return cmp.Or(f.full.Value(), f.redacted.Value())
}

// checked makes an event known by its id: its signatures are right, and so is its content hash unless it is
// the redacted form.
func (c *Commons) checked(pdu *event.PDU) {
	c.mu.RLock()
	f := c.events[pdu.ID()]
	c.mu.RUnlock()
	if f.form(pdu).Value() != nil {
		return // as for all servers but the first
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f = c.events[pdu.ID()]
	form := f.form(pdu)
	if form.Value() != nil {
		return
	}
	*form = c.knowledgeLocked(pdu).self
	c.events[pdu.ID()] = f
}

// form is where the form that an event has is referred to.
func (f *forms) form(pdu *event.PDU) *weak.Pointer[event.PDU] {
	if pdu.Redacted() {
		return &f.redacted
	}
	return &f.full
}

// redact returns the redacted form of an event, which all servers share as well.
func (c *Commons) redact(pdu *event.PDU) *event.PDU {
	if pdu.Redacted() {
		return pdu
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knowledgeLocked(pdu)
	if k.redacted == nil {
		k.redacted = pdu.Redact()
	}
	return k.redacted
}

// verdict returns whether an event's signatures were found right, and if so, whether its content hash was.
func (c *Commons) verdict(pdu *event.PDU) (hash, known bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k := c.known[weak.Make(pdu)]
	return k != nil && k.hash, k != nil && k.verified
}

func (c *Commons) setVerdict(pdu *event.PDU, hash bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.knowledgeLocked(pdu)
	k.verified, k.hash = true, hash
}

// isAuthed reports whether an event was found allowed by its auth events, all the way to the create event.
func (c *Commons) isAuthed(pdu *event.PDU) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k := c.known[weak.Make(pdu)]
	return k != nil && k.authed
}

func (c *Commons) setAuthed(pdu *event.PDU) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.knowledgeLocked(pdu).authed = true
}
