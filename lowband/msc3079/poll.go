package msc3079

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

const (
	// pollAgain is how soon a server is asked again that does not wait, and pollSeldom how seldom at last.
	pollAgain  = time.Second
	pollSeldom = 16 * time.Second
	// answerWithin is how much longer than asked for an answer to a long poll may take until the session is taken for lost.
	answerWithin = 2 * time.Minute
)

// with returns the ask with another query.
func (a ask) with(change func(url.Values)) ask {
	target, query := *a.target, a.target.Query()
	change(query)
	target.RawQuery = query.Encode()
	a.target = &target
	return a
}

// since returns the ask as one that follows on another sync.
func (a ask) since(place string) ask {
	return a.with(func(query url.Values) { query.Set("since", place) })
}

// pollsOnly tells whether the server has refused to tell of itself what is new.
func (l *link) pollsOnly() bool {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	return l.polls
}

func (l *link) refusesObservers() {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	l.polls = true
}

// poll asks a server that takes no observers, time and again until something is new or the client waits no longer. The
// server is asked to wait; one that does not is asked more and more seldom.
func (l *link) poll(ctx context.Context, a ask, deadline time.Time) (shorthand.Response, error) {
	for {
		begun, wait := time.Now(), max(0, time.Until(deadline))
		a = a.with(func(query url.Values) { query.Set("timeout", strconv.FormatInt(wait.Milliseconds(), 10)) })
		res, err := l.within(ctx, a, wait+answerWithin)
		next := nextBatch(res.Body)
		if err != nil || res.Status != http.StatusOK || next == "" || !quiet(res.Body) {
			l.nextPause(0)
			return res, err
		}
		pause(ctx, min(l.nextPause(wait-time.Since(begun)), time.Until(deadline)))
		if ctx.Err() != nil || !time.Now().Before(deadline) {
			return res, context.Cause(ctx)
		}
		a = a.since(next)
	}
}

// within is do for a request whose answer must not take longer: the server has acknowledged it, so nobody else notices when
// it has gone since.
func (l *link) within(ctx context.Context, a ask, limit time.Duration) (shorthand.Response, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	res, err := l.do(bounded, a)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		l.client.forget(l)
		l.client.spawn(l.lost)
		return res, fmt.Errorf("msc3079: no answer to a long poll within %v: %w", limit, coap.ErrClosed)
	}
	return res, err
}

// nextPause is how long to wait before the server is asked again that has answered so much too early.
func (l *link) nextPause(early time.Duration) time.Duration {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if early < pollAgain {
		l.pause = 0
		return 0
	}
	l.pause = min(max(pollAgain, 2*l.pause), pollSeldom)
	return l.pause
}
