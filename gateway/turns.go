package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"meshsim/link"
)

// turns lets transactions that share a slow link go one after the other, as nearly as keeps the link busy.
//
// A message to a room of a hundred servers is a hundred exchanges at once. Each of them has congestion control of its
// own (RFC 7252, NSTART, is for one peer), and none knows of the others: over a link that needs seconds for each, their
// timers would run out while they stand in one queue, and repetitions would fill it. Only transactions wait here. What
// a server needs to answer another (keys, missing events) does not, so that no two servers wait for each other.
type turns struct {
	mu    sync.Mutex
	links map[Bottleneck]*turnstile
}

// turnstile is one slow link. turns.mu guards it.
type turnstile struct {
	under   time.Duration // transmission times of the transactions that are under way
	waiting []*turn       // in order
}

// turn is one transaction's.
type turn struct {
	air  time.Duration // its transmission time
	path Path
	come chan struct{} // closed when it has come
}

// noticeable is the transmission time below which nobody has to wait for another.
const noticeable = 5 * time.Millisecond

// air is about how long the bytes of a transaction occupy the slowest link of a path: what CBOR and the shared
// dictionary leave of its JSON, and headers.
func air(path Path, bytes int) time.Duration {
	if path.Rate == link.Unlimited {
		return 0
	}
	const left, headers = 3, 80
	return time.Duration(float64(bytes/left+headers) * 8 / float64(path.Rate) * float64(time.Second))
}

// enter waits for a transaction's turn; release, which may be called again, ends it. A transaction whose answer does
// not come loses its turn when the link must have carried it: a peer that is away does not hold up the others.
func (t *turns) enter(ctx context.Context, path Path, bytes int) (release func(), err error) {
	mine := &turn{air: air(path, bytes), path: path, come: make(chan struct{})}
	if mine.air < noticeable {
		return func() {}, nil
	}
	t.mu.Lock()
	if t.links == nil {
		t.links = make(map[Bottleneck]*turnstile)
	}
	s := t.links[path.Slowest]
	if s == nil {
		s = &turnstile{}
		t.links[path.Slowest] = s
	}
	s.waiting = append(s.waiting, mine)
	s.advance()
	ahead := s.under
	t.mu.Unlock()
	select {
	case <-mine.come:
	case <-ctx.Done():
		t.leave(s, mine)
		return nil, context.Cause(ctx)
	}
	once := sync.OnceFunc(func() { t.leave(s, mine) })
	lost := time.AfterFunc(path.RTT+2*mine.air+ahead, once)
	return func() { lost.Stop(); once() }, nil
}

// turn waits until a request may leave. Only transactions wait.
func (g *Gateway) turn(req *http.Request, path Path, bytes int) (leave func(), err error) {
	if req.Method != http.MethodPut || !strings.HasPrefix(req.URL.Path, transactions) {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	defer context.AfterFunc(g.ctx, func() { cancel(ErrClosed) })()
	defer cancel(nil)
	return g.turns.enter(ctx, path, bytes)
}

// transactions is where they go (server-server specification, PUT /_matrix/federation/v1/send/{txnId}).
const transactions = "/_matrix/federation/v1/send/"

// leave ends a turn, or the waiting for it.
func (t *turns) leave(s *turnstile, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(s.waiting, mine); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	} else {
		s.under -= mine.air
	}
	s.advance()
	if s.under == 0 && len(s.waiting) == 0 {
		delete(t.links, mine.path.Slowest)
	}
}

// advance lets in who is next while the link would otherwise idle: what is under way is transmitted within the time
// that the first answer takes.
func (s *turnstile) advance() {
	for len(s.waiting) > 0 {
		next := s.waiting[0]
		if s.under > 0 && s.under+next.air > next.path.RTT+2*next.air {
			return
		}
		s.under += next.air
		s.waiting = s.waiting[1:]
		close(next.come)
	}
}
