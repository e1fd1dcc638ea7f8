package lowband

import (
	"context"
	"errors"
	"sync"
	"time"

	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

// talk is a session with a peer and what belongs to it: requests in both directions, and the identifiers that were
// exchanged.
type talk struct {
	peer    string // Matrix server name
	session *channel.Session
	coap    *coap.Association
	table   *shorthand.Table

	claiming sync.Mutex // guards claimed
	claimed  struct{ sent, received int64 }

	// Guarded by Endpoint.mu.
	requests int   // of this end, under way
	retired  bool  // another one has taken its place
	reason   error // why it was dropped
}

const (
	// handshakeBytes is how much longer the datagrams of a handshake are than others: the first by 85, the second by 33.
	handshakeBytes = 85
	// introductionBytes is the same of a first contact's third, and meetingBytes what its first two have, IPv4 and UDP
	// counted.
	introductionBytes = 47
	meetingBytes      = 2 * (102 + 28)
)

func (e *Endpoint) newTalk(name string, s *channel.Session) *talk {
	t := &talk{peer: name, session: s, table: e.cfg.Coder.NewTable()}
	t.coap = coap.New(coap.Config{
		Send:    e.cfg.Tap.Sending(s.Addr, s.Send),
		Handle:  func(ctx context.Context, req coap.Request) coap.Response { return e.handle(ctx, t, req) },
		Path:    func() coap.Path { return e.path(t) },
		Silent:  s.Silent,
		MaxBody: e.cfg.MaxBody,
	})
	return t
}

// path is what is known of the path; while the session begins, an exchange takes longer.
func (e *Endpoint) path(t *talk) coap.Path {
	p := e.cfg.Directory.Path(t.peer)
	if established, _ := t.session.Established(); established {
		return p
	}
	p.Setup, p.SetupBytes = p.RTT, handshakeBytes
	if t.session.Met() {
		p.SetupBytes = introductionBytes
		if p.Rate > 0 {
			p.Setup += time.Duration(meetingBytes * 8 * int64(time.Second) / p.Rate)
		}
	}
	return p
}

// accept takes a session that a peer has begun.
func (e *Endpoint) accept(s *channel.Session) channel.Handler {
	name, _ := e.cfg.Directory.Name(s.Peer())
	t := e.newTalk(name, s)
	e.mu.Lock()
	e.all[t] = struct{}{}
	old := e.talks[name]
	idle := false
	switch {
	case old == nil:
		e.talks[name] = t
	default:
		// A peer that has a session begins another one only when it has lost the first, or when both begin at once.
		if established, _ := old.session.Established(); established {
			e.talks[name] = t
			old.retired = true
			idle = old.requests == 0
		}
	}
	e.mu.Unlock()
	if idle {
		go e.drop(old, channel.ErrLost)
	}
	return e.handler(t)
}

func (e *Endpoint) handler(t *talk) channel.Handler {
	return channel.Handler{Receive: e.cfg.Tap.Receiving(t.session.Addr, t.coap.Receive), Lost: func(reason error) { e.drop(t, reason) }}
}

// begin finds or opens a session with a peer, for one request. The caller must call finish.
func (e *Endpoint) begin(name string) (*talk, error) {
	peer, ok := e.cfg.Directory.Peer(name)
	if !ok {
		return nil, &UnknownPeerError{name}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if t := e.talks[name]; t != nil {
		t.requests++
		return t, nil
	}
	t, err := e.dial(name, peer)
	if err != nil {
		return nil, err
	}
	t.requests = 1
	e.talks[name] = t
	e.all[t] = struct{}{}
	return t, nil
}

// dial makes a session; with a peer whose key is not known, one that learns it.
func (e *Endpoint) dial(name string, peer Peer) (t *talk, err error) {
	begin := func(s *channel.Session) channel.Handler {
		t = e.newTalk(name, s)
		return e.handler(t)
	}
	truster, ok := e.cfg.Directory.(Truster)
	switch {
	case peer.Key != (channel.PublicKey{}):
		_, err = e.channel.Dial(peer.Key, peer.Addr, begin)
	case !ok:
		err = &UnknownPeerError{name}
	default:
		_, err = e.channel.Meet(peer.Addr, func(k channel.PublicKey) error { return truster.Trust(name, k) }, begin)
	}
	return t, err
}

// finish gives back what begin has given.
func (e *Endpoint) finish(t *talk) {
	e.mu.Lock()
	t.requests--
	idle := t.retired && t.requests == 0
	e.mu.Unlock()
	if idle {
		go e.drop(t, channel.ErrLost) // it waits for handlers, and the caller may be one of them
	}
}

// refused is why a session ended, if another one would end alike: its peer is not the one that it should be.
func (e *Endpoint) refused(t *talk) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if errors.Is(t.reason, channel.ErrLost) || errors.Is(t.reason, ErrClosed) {
		return nil
	}
	return t.reason
}

// drop ends a session and what is under way in it, for a reason.
func (e *Endpoint) drop(t *talk, reason error) {
	e.mu.Lock()
	if t.reason == nil {
		t.reason = reason
	}
	if e.talks[t.peer] == t {
		delete(e.talks, t.peer)
	}
	delete(e.all, t)
	e.mu.Unlock()
	t.session.Close()
	t.coap.Close()
}
