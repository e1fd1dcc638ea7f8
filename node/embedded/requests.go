package embedded

import (
	"context"
	"sync"
)

// requests are those that one run of a server is answering.
type requests struct {
	ctx    context.Context // ended by close
	cancel context.CancelFunc

	mu     *sync.Cond // guards what follows; signals that count is 0
	count  int
	closed bool
}

func newRequests() requests {
	r := requests{mu: sync.NewCond(new(sync.Mutex))}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// begin counts a request. Its context ends with parent and when the run ends; the caller calls end when the request
// is answered. It is not ok once the run has ended.
func (r *requests) begin(parent context.Context) (ctx context.Context, end func(), ok bool) {
	r.mu.L.Lock()
	defer r.mu.L.Unlock()
	if r.closed {
		return nil, nil, false
	}
	r.count++
	ctx, cancel := context.WithCancel(parent)
	detach := context.AfterFunc(r.ctx, cancel)
	return ctx, func() {
		detach()
		cancel()
		r.end()
	}, true
}

func (r *requests) end() {
	r.mu.L.Lock()
	defer r.mu.L.Unlock()
	r.count--
	if r.count == 0 {
		r.mu.Broadcast()
	}
}

// close ends every request and waits for it.
func (r *requests) close() {
	r.cancel()
	r.mu.L.Lock()
	defer r.mu.L.Unlock()
	r.closed = true
	for r.count > 0 {
		r.mu.Wait()
	}
}
