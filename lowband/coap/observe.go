package coap

import (
	"context"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
)

// maxObservers bounds how many of a peer's requests are kept for later answers; one more is answered once.
const maxObservers = 16

// The values of Observe in a request (RFC 7641, section 2).
const (
	observeBegin = 0
	observeEnd   = 1
)

// Observer is a peer's request that is answered again and again (RFC 7641). A nil Observer stands for one that is not.
type Observer struct {
	a     *Association
	in    *incoming
	ctx   context.Context
	end   context.CancelFunc
	ready chan struct{} // closed once the first answer was given
	seq   uint32        // used by one Notify at a time
}

// observerLocked makes the observer of a request that asks for one, and ends one that the request takes back.
func (a *Association) observerLocked(in *incoming) *Observer {
	key := string(in.token)
	old := a.observers[key]
	if old != nil && in.observe >= 0 {
		old.end()
		delete(a.observers, key)
	}
	if in.observe != observeBegin || len(a.observers) >= maxObservers {
		return nil
	}
	o := &Observer{a: a, in: in, ready: make(chan struct{})}
	o.ctx, o.end = context.WithCancel(a.ctx)
	a.observers[key] = o
	return o
}

// settle looks at the handler's first answer: whether more is to come, and what says so to the peer.
func (o *Observer) settle(res Response) Response {
	switch {
	case o == nil:
	case !res.Observed || res.Code>>5 != 2:
		o.Stop()
	default:
		res.Options = inOrder(res.Options, o.number())
	}
	return res
}

// number is the option that puts answers in order; it begins at 2, as 0 and 1 mean something else in requests.
func (o *Observer) number() message.Option {
	o.seq++
	return uintOption(message.Observe, (o.seq+1)&0xffffff)
}

func (o *Observer) begin() {
	if o != nil {
		close(o.ready)
	}
}

// Context ends when the peer no longer wants to know, or when it is gone.
func (o *Observer) Context() context.Context { return o.ctx }

// Stop ends the observation; the peer is not told. It is idempotent.
func (o *Observer) Stop() {
	o.end()
	o.a.mu.Lock()
	defer o.a.mu.Unlock()
	if key := string(o.in.token); o.a.observers[key] == o {
		delete(o.a.observers, key)
	}
}

// Notify sends one more answer and returns once the peer has it, all of it. Calls must not overlap. An error ends the observation.
func (o *Observer) Notify(res Response) error {
	select {
	case <-o.ready:
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
	res.Options = inOrder(res.Options, o.number())
	o.a.mu.Lock()
	options, payload, over := o.a.firstBlockLocked(o.in, res)
	o.a.mu.Unlock()
	m := message.Message{Code: res.Code, Token: o.in.token, Options: options, Payload: payload}
	_, err := o.a.confirm(o.ctx, m, 0, false)
	if err != nil {
		o.Stop()
		return err
	}
	return o.fetched(over)
}

// fetchWithin is how long a peer may take to fetch the rest of an answer before the next one takes its place.
const fetchWithin = 30 * time.Minute

// fetched waits until the peer has the rest of a large answer: it asks for it by the resource, of which it must not get a
// later state (RFC 7641, section 3.4; MSC3079).
func (o *Observer) fetched(over <-chan struct{}) error {
	if over == nil {
		return nil
	}
	timer := time.NewTimer(fetchWithin)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
	return nil
}

// Watch is an observation of this end.
type Watch struct {
	a      *Association
	req    Request
	token  message.Token
	notify func(Response, error)
	// Guarded by the association's lock.
	last  uint32
	at    time.Time
	queue chan *message.Message // what has come and is not complete yet
}

// maxNotes bounds how many answers of one observation wait for their blocks.
const maxNotes = 32

// Observe sends a request whose answer the peer tells again whenever it changes (RFC 7641). The first answer is
// returned, and with it a watch, or nil if the peer does not agree to tell more. Later answers go to notify, one at a time
// and in order, until Stop is called; it is told of a failure once, and the watch is over.
func (a *Association) Observe(ctx context.Context, req Request, notify func(Response, error)) (Response, *Watch, error) {
	w := &Watch{a: a, req: req, notify: notify, queue: make(chan *message.Message, maxNotes)}
	a.mu.Lock()
	w.token = a.nextTokenLocked()
	a.watches[string(w.token)] = w
	a.mu.Unlock()
	m := message.Message{Code: req.Method, Token: w.token, Options: inOrder(req.Options, uintOption(message.Observe, observeBegin))}
	first, err := a.confirm(ctx, m, a.cfg.Path().block(), true)
	if err != nil {
		w.Stop()
		return Response{}, nil, err
	}
	o, err := readOptions(first.Options, nil)
	agreed := err == nil && o.observe >= 0
	res, err := a.collect(ctx, req, nil, first)
	if err != nil || !agreed {
		w.Stop()
		return res, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.work.Go(w.run)
	}
	return res, w, nil
}

// Stop ends the watch. The peer learns of it when it tells the next time (RFC 7641, section 3.6).
func (w *Watch) Stop() {
	w.a.mu.Lock()
	defer w.a.mu.Unlock()
	if w.a.watches[string(w.token)] == w {
		delete(w.a.watches, string(w.token))
		close(w.queue)
	}
}

// notedLocked takes an answer, unless a later one has come before it (RFC 7641, section 3.4).
func (w *Watch) notedLocked(m *message.Message) {
	o, err := readOptions(m.Options, nil)
	if err != nil {
		w.a.count.malformed.Add(1)
		return
	}
	number, now := uint32(max(o.observe, 0)), time.Now()
	const fresh = 128 * time.Second
	newer := w.at.IsZero() || follows(number, w.last) || now.Sub(w.at) > fresh
	if !newer && o.observe >= 0 {
		return
	}
	select {
	case w.queue <- m:
		w.last, w.at = number, now
	default:
		w.a.count.refused.Add(1)
	}
}

// follows tells whether a number of Observe comes after another; they have 24 bits and begin again after the last.
func follows(number, last uint32) bool {
	const half, mask = 1 << 23, 1<<24 - 1
	ahead := (number - last) & mask
	return ahead != 0 && ahead < half
}

// run hands answers on until the watch stops.
func (w *Watch) run() {
	for {
		select {
		case m, more := <-w.queue:
			if !more {
				return
			}
			res, err := w.a.collect(w.a.ctx, w.req, nil, m)
			if err == nil && m.Code>>5 != 2 {
				err = &TransferError{Code: m.Code, Reason: "the observation has ended"}
			}
			if err != nil {
				w.Stop()
				w.notify(res, err)
				return
			}
			w.notify(res, nil)
		case <-w.a.ctx.Done():
			w.notify(Response{}, ErrClosed)
			return
		}
	}
}
