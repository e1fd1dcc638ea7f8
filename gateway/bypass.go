package gateway

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/felixge/httpsnoop"
)

// departures are how events leave servers, by server name. They tell homeservers that ignore the proxy from others.
type departures struct {
	mu sync.Mutex // guards by
	by map[string]*departure
}

// departure is how events leave one server. Once some have passed its own gateway nothing is noticed any more, as what others
// receive may have been under way for long.
type departure struct {
	passed atomic.Bool
	past   chan struct{} // closed once another's gateway has received some that have not
	notice func()        // closes it
}

func (d *departures) of(name string) *departure {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil {
		d.by = make(map[string]*departure)
	}
	one := d.by[name]
	if one == nil {
		past := make(chan struct{})
		one = &departure{past: past, notice: sync.OnceFunc(func() { close(past) })}
		d.by[name] = one
	}
	return one
}

// Bypassed is closed once another server's gateway has received events from this one though this gateway has never been given
// any, as one that passes through never is.
func (g *Gateway) Bypassed() <-chan struct{} {
	return g.own.past
}

// passes notes a request of the homeserver, before it is passed on.
func (g *Gateway) passes(req *http.Request) {
	if carries(req.Method, req.URL) {
		g.own.passed.Store(true)
	}
}

// watchOrigin serves a request that may carry events, and notices where it has not passed its sender's gateway. That the
// homeserver accepts it shows that the sender is who it says.
func (g *Gateway) watchOrigin(w http.ResponseWriter, req *http.Request, h http.Handler) {
	from := origin(req)
	if _, known := g.cfg.Directory.Lookup(from); !known {
		h.ServeHTTP(w, req)
		return
	}
	sender := g.cfg.Rooms.departures.of(from)
	if sender.passed.Load() {
		h.ServeHTTP(w, req)
		return
	}
	if did := httpsnoop.CaptureMetrics(h, w, req); did.Code/100 == 2 {
		sender.notice()
	}
}
