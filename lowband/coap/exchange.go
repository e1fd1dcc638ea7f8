package coap

import (
	"context"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// maxTries is how often a message is sent. At 20 % loss in each direction, one in ten thousand is given up.
const maxTries = 9

// silentTries is how many tries without an acknowledgement are a sign that the peer has lost the session.
const silentTries = 5

// exchange is one confirmable message and what comes of it. The association's lock guards it.
type exchange struct {
	mid      uint16
	token    message.Token
	datagram []byte
	reply    time.Duration // that the largest answer takes on line
	line     *Line
	tries    int
	begun    time.Time // first try
	left     time.Time // when the first try has left
	rto      time.Duration
	timer    *time.Timer
	inWindow bool
	answered bool         // an answer is expected, besides the acknowledgement
	done     chan outcome // of one
	passed   func(sent bool, length int)
}

type outcome struct {
	msg *message.Message
	err error
}

func (e *exchange) stop() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// finish hands the outcome to who waits. Only the first one counts.
func (e *exchange) finish(o outcome) {
	select {
	case e.done <- o:
	default:
	}
}

// confirm sends a message until it is acknowledged. With answered it returns the answer, else nil.
func (a *Association) confirm(ctx context.Context, m message.Message, reply int, answered bool) (*message.Message, error) {
	if err := a.enter(ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	if a.closed {
		a.window.leaveLocked()
		a.mu.Unlock()
		return nil, ErrClosed
	}
	e := a.beginLocked(m, reply, answered, meterOf(ctx))
	a.mu.Unlock()
	defer a.forget(e)
	select {
	case o := <-e.done:
		if o.err == nil {
			progress(ctx)
		}
		return o.msg, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-a.ctx.Done():
		return nil, ErrClosed
	}
}

func (a *Association) beginLocked(m message.Message, reply int, answered bool, passed func(bool, int)) *exchange {
	path := a.cfg.Path()
	e := &exchange{
		reply: path.wire(reply), line: a.lineOf(path), answered: answered, inWindow: true, done: make(chan outcome, 1), begun: time.Now(),
		passed: passed,
	}
	e.line.expect(e.reply)
	e.mid = a.nextMIDLocked()
	m.Type, m.MessageID = message.Confirmable, int32(e.mid)
	if answered {
		if m.Token == nil {
			m.Token = a.nextTokenLocked()
		}
		e.token = m.Token
		a.byToken[string(e.token)] = e
	}
	a.byMID[e.mid] = e
	e.datagram = encode(m)
	e.rto = a.estimator.rto
	a.tryLocked(e)
	return e
}

// tryLocked sends the message once more and sets the timer for the next time.
func (a *Association) tryLocked(e *exchange) {
	e.tries++
	setup := a.cfg.Path().Setup
	e.passed(true, len(e.datagram))
	left := a.sendLocked(e.datagram)
	if e.tries == 1 {
		e.left = left
	}
	wait := time.Until(left) + e.rto + ackDelay + setup + e.line.waiting()
	e.timer = time.AfterFunc(wait, func() { a.expired(e) })
}

// overLocked ends the message layer's part of an exchange: no acknowledgement is waited for any more. It tells whether one
// was.
func (a *Association) overLocked(e *exchange) bool {
	e.stop()
	if a.byMID[e.mid] != e {
		return false
	}
	delete(a.byMID, e.mid)
	e.line.expect(-e.reply)
	return true
}

// expired is called when no acknowledgement came in time.
func (a *Association) expired(e *exchange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.byMID[e.mid] != e {
		return
	}
	a.window.loss()
	if e.tries == maxTries {
		e.finish(outcome{err: &TimeoutError{Tries: e.tries, After: time.Since(e.begun)}})
		return
	}
	if e.tries >= silentTries {
		a.cfg.Silent(e.begun)
	}
	a.count.retransmitted.Add(1)
	e.rto = backoff(e.rto)
	a.tryLocked(e)
}

// acknowledgedLocked takes an acknowledgement, with an answer in it or without (RFC 7252, section 5.2).
func (a *Association) acknowledgedLocked(m *message.Message, size int) {
	e := a.byMID[uint16(m.MessageID)]
	if e == nil {
		return // of an exchange that is over
	}
	e.passed(false, size)
	if m.Code != codes.Empty && (!e.answered || string(m.Token) != string(e.token)) {
		a.count.malformed.Add(1)
		return
	}
	a.settleLocked(e, size)
	if m.Code != codes.Empty || !e.answered {
		e.finish(outcome{msg: m})
	}
}

// settleLocked is for an exchange of which the peer has the message.
func (a *Association) settleLocked(e *exchange, size int) {
	if !a.overLocked(e) {
		return
	}
	a.estimator.measured(time.Since(e.left)-a.cfg.Path().wire(size), e.tries)
	a.window.success()
	a.leaveLocked(e)
}

func (a *Association) leaveLocked(e *exchange) {
	if e.inWindow {
		e.inWindow = false
		a.window.leaveLocked()
	}
}

func (a *Association) resetLocked(m *message.Message, size int) {
	if e := a.byMID[uint16(m.MessageID)]; e != nil {
		e.passed(false, size)
		e.finish(outcome{err: ErrReset})
	}
}

// responseLocked takes an answer that comes in a message of its own.
func (a *Association) responseLocked(m *message.Message, size int) {
	e := a.byToken[string(m.Token)]
	watch := a.watches[string(m.Token)]
	mid := uint16(m.MessageID)
	known := a.seen.find(mid)
	passed := func(bool, int) {}
	if e != nil {
		passed = e.passed
	}
	passed(false, size)
	switch {
	case m.Type == message.Confirmable && known != nil && known.reply != nil:
		a.count.duplicates.Add(1)
		passed(true, len(known.reply))
		a.sendLocked(known.reply)
		return
	case e == nil && watch == nil && m.Type == message.Confirmable:
		a.emitLocked(message.Message{Type: message.Reset, Code: codes.Empty, MessageID: m.MessageID})
		return
	case e == nil && watch == nil:
		return
	}
	if m.Type == message.Confirmable {
		reply := a.emitLocked(message.Message{Type: message.Acknowledgement, Code: codes.Empty, MessageID: m.MessageID})
		a.seen.add(mid).reply = reply
		passed(true, len(reply))
	}
	if e == nil {
		watch.notedLocked(m)
		return
	}
	if a.overLocked(e) { // the acknowledgement was lost, or the answer has overtaken it
		a.leaveLocked(e)
	}
	e.finish(outcome{msg: m})
}

// forget drops an exchange that is over or that nobody waits for.
func (a *Association) forget(e *exchange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.overLocked(e)
	if e.answered && a.byToken[string(e.token)] == e {
		delete(a.byToken, string(e.token))
	}
	a.leaveLocked(e)
}
