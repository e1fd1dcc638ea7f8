package msc3079

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

const (
	// maxNews bounds how many syncs are kept for a client that does not ask for them.
	maxNews = 32
	// abandoned is how long a client may not ask before its observation ends.
	abandoned = 10 * time.Minute
)

// follower is an observation of /sync, and what it has told and the client has not yet asked for.
type follower struct {
	client *Client
	key    string
	link   *link

	mu      sync.Mutex // guards what follows
	watch   *coap.Watch
	news    []news
	tip     string        // next_batch of the latest one
	changed chan struct{} // closed when something here has
	over    error         // why no more comes
	asked   time.Time
}

// news is a sync that answers those since base.
type news struct {
	base string
	res  shorthand.Response
}

// follow answers a long poll out of an observation, which it begins where there is none. Where the server does not agree to
// one, it asks as clients do over HTTP.
func (c *Client) follow(ctx context.Context, a ask, query url.Values) (shorthand.Response, error) {
	since := query.Get("since")
	wait, err := strconv.Atoi(query.Get("timeout"))
	if err != nil || wait < 0 {
		wait = 0
	}
	deadline := time.Now().Add(time.Duration(wait) * time.Millisecond)
	key := a.token + " " + query.Get("filter")
	c.mu.Lock()
	f := c.followers[key]
	c.mu.Unlock()
	if f == nil || !f.has(since) {
		l, err := c.link(ctx, a.token)
		if err != nil {
			return shorthand.Response{}, err
		}
		if since != "" && l.pollsOnly() {
			return l.poll(ctx, a, deadline)
		}
		var first shorthand.Response
		if f, first, err = l.begin(ctx, a, key); err != nil {
			return shorthand.Response{}, err
		}
		switch {
		case first.Status != http.StatusOK || since == "" || !quiet(first.Body):
			return first, nil
		case f == nil:
			return l.poll(ctx, a.since(nextBatch(first.Body)), deadline)
		}
		since = nextBatch(first.Body)
	}
	return f.next(ctx, since, deadline)
}

// begin registers with the server. There is no follower if it does not agree.
func (l *link) begin(ctx context.Context, a ask, key string) (*follower, shorthand.Response, error) {
	c := l.client
	a = a.with(func(query url.Values) {
		query.Del("timeout")      // the default is to answer at once
		query.Del("set_presence") // it is said once and not with each sync
	})
	f := &follower{client: c, key: key, link: l, changed: make(chan struct{}), asked: time.Now()}
	f.mu.Lock() // what comes at once waits until the first answer is noted
	defer f.mu.Unlock()
	raw, watch, err := l.observe(ctx, a, f.told)
	if err != nil {
		return nil, shorthand.Response{}, err
	}
	l.has(a)
	first, err := c.response(raw)
	tip := nextBatch(first.Body)
	switch {
	case err != nil || tip == "":
		if watch != nil {
			watch.Stop()
		}
		return nil, first, err
	case watch == nil:
		l.refusesObservers()
		return nil, first, nil
	}
	f.watch, f.tip = watch, tip
	c.mu.Lock()
	old := c.followers[key]
	c.followers[key] = f
	c.mu.Unlock()
	if old != nil {
		c.spawn(func() { old.end(errReplaced) })
	}
	c.spawn(f.heartbeat)
	return f, first, nil
}

// observe is do with an observation: a request that is refused for what the server does not know comes again.
func (l *link) observe(ctx context.Context, a ask, told func(coap.Response, error)) (coap.Response, *coap.Watch, error) {
	for {
		list, err := l.options(a)
		if err != nil {
			return coap.Response{}, nil, err
		}
		raw, watch, err := l.coap.Observe(ctx, coap.Request{Method: methodCodes[http.MethodGet], Options: list}, told)
		if err != nil || !l.adapts(raw.Code, a, list) {
			return raw, watch, err
		}
		if watch != nil {
			watch.Stop()
		}
	}
}

var (
	errReplaced  = errors.New("msc3079: another sync of the same client has taken its place")
	errAbandoned = errors.New("msc3079: the client has not asked for news for a long time")
)

// told takes a sync that the server has sent of itself.
func (f *follower) told(raw coap.Response, err error) {
	var res shorthand.Response
	if err == nil {
		res, err = f.client.response(raw)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	next := nextBatch(res.Body)
	switch {
	case err != nil || next == "":
		if err == nil {
			err = errors.New("msc3079: a sync has no next_batch")
		}
		f.client.spawn(func() { f.end(err) })
		return
	case len(f.news) == maxNews:
		f.client.spawn(func() { f.end(errAbandoned) })
		return
	}
	f.news = append(f.news, news{f.tip, res})
	f.tip = next
	f.changedLocked()
}

func (f *follower) changedLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// has tells whether the follower can answer a sync since a place, now or later.
func (f *follower) has(since string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over != nil || since == "" {
		return false
	}
	for _, n := range f.news {
		if n.base == since {
			return true
		}
	}
	return f.tip == since
}

// next waits for what follows on a place. What lies before it is forgotten: the client has it.
func (f *follower) next(ctx context.Context, since string, deadline time.Time) (shorthand.Response, error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		f.mu.Lock()
		f.asked = time.Now()
		for i, n := range f.news {
			if n.base == since {
				f.news = f.news[i:]
				f.mu.Unlock()
				return n.res, nil
			}
		}
		over, changed := f.over, f.changed
		f.mu.Unlock()
		if over != nil {
			return nothing(since), nil // the next one registers again
		}
		select {
		case <-changed:
		case <-timer.C:
			return nothing(since), nil
		case <-ctx.Done():
			return shorthand.Response{}, context.Cause(ctx)
		}
	}
}

// nothing is the sync in which nothing has happened.
func nothing(since string) shorthand.Response {
	body, _ := json.Marshal(map[string]string{"next_batch": since})
	return shorthand.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// end ends the observation. It is idempotent.
func (f *follower) end(why error) {
	f.client.mu.Lock()
	if f.client.followers[f.key] == f {
		delete(f.client.followers, f.key)
	}
	f.client.mu.Unlock()
	f.mu.Lock()
	already := f.over != nil
	f.over = why
	watch := f.watch
	f.changedLocked()
	f.mu.Unlock()
	if !already && watch != nil {
		watch.Stop()
	}
}

// heartbeat asks a silent server now and then whether it is there, so that a lost observation is noticed.
func (f *follower) heartbeat() {
	tick := time.NewTicker(f.client.cfg.Heartbeat)
	defer tick.Stop()
	heard := f.link.coap.Stats().Received
	for {
		f.mu.Lock()
		changed, over, asked := f.changed, f.over, f.asked
		f.mu.Unlock()
		if over != nil {
			return
		}
		select {
		case <-changed:
			continue
		case <-f.client.ctx.Done():
			f.end(coap.ErrClosed)
			return
		case <-tick.C:
		}
		if time.Since(asked) > abandoned {
			f.end(errAbandoned)
			return
		}
		now := f.link.coap.Stats().Received
		if now == heard {
			if err := f.link.coap.Ping(f.client.ctx); err != nil {
				f.end(err)
				f.link.lost()
				return
			}
			now = f.link.coap.Stats().Received
		}
		heard = now
	}
}
