package coap

import (
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// maxHandling bounds the peer's requests that are handled at once. What comes beyond is dropped: it comes again.
const maxHandling = 64

// ahead is what the acknowledgement of an answer may have to wait for, in bytes: the peer may be sending something itself.
const ahead = 256

// incoming is a request of the peer. The association's lock guards it.
type incoming struct {
	mid       int32
	token     message.Token
	key       string // of the transfer that it belongs to: its Request-Tag, or its token where it has none
	resource  string // what else tells the transfer, where the peer may be any endpoint
	casual    bool   // it is not confirmable, and neither is the answer
	blockSize int    // that the peer wants for the answer, 0 for any
	received  block  // the last one of its body
	observe   int64  // -1 when not said
	known     *known
	answered  bool
	timer     *time.Timer
}

// requestLocked takes a request.
func (a *Association) requestLocked(m *message.Message) {
	mid := uint16(m.MessageID)
	if k := a.seen.find(mid); k != nil {
		a.count.duplicates.Add(1)
		if k.reply != nil && m.Type == message.Confirmable {
			a.sendLocked(k.reply)
		}
		return
	}
	standard := a.cfg.Options != nil
	if !standard && (m.Type != message.Confirmable || len(m.Token) == 0) {
		a.count.malformed.Add(1) // this package confirms everything
		return
	}
	o, err := readOptions(m.Options, a.cfg.Options)
	in := &incoming{mid: m.MessageID, token: m.Token, key: string(m.Token), casual: m.Type != message.Confirmable, observe: -1}
	if standard {
		in.key, in.resource, in.observe = tokenKey(m.Token), resource(m), o.observe
	}
	if o.tagged {
		in.key = o.tag + in.resource
	}
	if o.block2.given {
		in.blockSize = o.block2.size
	}
	switch {
	case err != nil:
		a.count.malformed.Add(1)
		a.refuseLocked(in, codes.BadOption)
	case o.block2.given && o.block2.num > 0:
		a.nextBlockLocked(in, o.block2)
	case o.block1.given:
		a.uploadLocked(in, m, o)
	default:
		a.handleLocked(in, Request{Method: m.Code, Payload: m.Payload, Options: m.Options})
	}
}

// refuseLocked answers at once and without a payload.
func (a *Association) refuseLocked(in *incoming, code codes.Code) {
	a.answerLocked(in, code, nil, nil)
}

// answerLocked answers in the acknowledgement, or casually where the request was so.
func (a *Association) answerLocked(in *incoming, code codes.Code, options message.Options, payload []byte) {
	m := message.Message{
		Type: message.Acknowledgement, Code: code, MessageID: in.mid, Token: in.token, Options: options, Payload: payload,
	}
	if in.casual {
		m.Type, m.MessageID = message.NonConfirmable, int32(a.nextMIDLocked())
	}
	reply := a.emitLocked(m)
	if in.known == nil {
		in.known = a.seen.add(uint16(in.mid))
	}
	in.known.reply = reply
}

// handleLocked gives a whole request to the handler.
func (a *Association) handleLocked(in *incoming, req Request) {
	if a.handling == maxHandling {
		a.count.refused.Add(1)
		return
	}
	a.handling++
	in.known = a.seen.add(uint16(in.mid))
	if !in.casual {
		in.timer = time.AfterFunc(ackDelay, func() { a.acknowledge(in) })
	}
	req.Observer = a.observerLocked(in)
	a.work.Go(func() {
		res := a.cfg.Handle(a.ctx, req)
		res = req.Observer.settle(res)
		a.answer(in, res)
		req.Observer.begin()
	})
}

// acknowledge tells the peer that its request has arrived, because the answer takes longer.
func (a *Association) acknowledge(in *incoming) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || in.answered || in.known.reply != nil {
		return
	}
	in.known.reply = a.emitLocked(message.Message{Type: message.Acknowledgement, Code: codes.Empty, MessageID: in.mid})
}

// answer sends the handler's answer: in the acknowledgement if that is still to come, else in a confirmable message.
func (a *Association) answer(in *incoming, res Response) {
	a.mu.Lock()
	a.handling--
	in.answered = true
	if in.timer != nil {
		in.timer.Stop()
	}
	if a.closed {
		a.mu.Unlock()
		return
	}
	options, payload, _ := a.firstBlockLocked(in, res)
	if in.resource != "" && in.received.given {
		options = inOrder(options, uintOption(message.Block1, in.received.encode())) // RFC 7959, section 2.3
	}
	if in.known.reply == nil {
		a.answerLocked(in, res.Code, options, payload)
		a.mu.Unlock()
		return
	}
	a.mu.Unlock()
	// Where the peer does not acknowledge, it will ask again; there is nobody here to tell.
	_, _ = a.confirm(a.ctx, message.Message{Code: res.Code, Token: in.token, Options: options, Payload: payload}, ahead, false)
}
