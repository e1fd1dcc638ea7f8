package homeserver

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Config says which server to run. It is not changed after [New].
type Config struct {
	Name    string             // Matrix server name, e.g. "hs3"
	KeyID   string             // e.g. "ed25519:1"
	Key     ed25519.PrivateKey // signs events and requests
	Commons *Commons           // shared with other servers of the process; nil for a private one
	Remote  Remote             // other servers; nil for a server without federation
	Outbox  Outbox             // takes events for other servers; nil for a server without federation
	Keys    Keys               // verify keys of other servers; nil for a server without federation

	Store Store // keeps what the server does; nil for memory alone

	Passwords *Passwords // of accounts, shared with other servers of the process; nil for private ones

	// RegistrationToken is what clients must show to register (client-server, "Token-authenticated registration").
	// Empty leaves registration open to everybody.
	RegistrationToken string

	// Presence says whether the server tells other servers and clients who is there. It is off by default, as in
	// most deployments: its traffic grows with the square of the users.
	Presence bool

	Observer Observer     // told about PDUs from other servers; may be nil
	Logger   *slog.Logger // nil discards
}

// Outcome is what the server made of a PDU that another server sent: the checks performed on receipt of a
// PDU (server-server specification).
type Outcome string

// The outcomes. Dropped PDUs (no valid event, or wrong signature) have no outcome.
const (
	Accepted   Outcome = "accepted"
	SoftFailed Outcome = "soft_failed"
	Rejected   Outcome = "rejected"
)

// Observer learns of every PDU that was received over federation, once it has been processed. It is called
// with a room's lock held: it must be quick and must not call the server.
type Observer interface {
	EventProcessed(origin string, pdu *event.PDU, outcome Outcome)
}

// Server is one homeserver. Its methods are safe for concurrent use.
//
//	New -> (serves) -> Close
//
// New starts nothing; the server holds no goroutine while it is idle.
type Server struct {
	cfg     Config
	commons *Commons
	log     *slog.Logger
	ctx     context.Context // of background work, ended by Close
	cancel  context.CancelFunc
	work    sync.WaitGroup // background work under way

	stream  stream
	aliases aliases
	members memberships
	users   users // the user side, see user.go
	garbage garbage

	mu      sync.RWMutex
	rooms   map[matrix.RoomID]*room
	joining map[matrix.RoomID]chan struct{} // rooms that are being joined remotely; closed when that is over
	closed  bool
	created time.Time // of the last room created here
}

// New returns a server without rooms and users.
func New(cfg Config) *Server {
	s := &Server{
		cfg: cfg, commons: cfg.Commons, log: cfg.Logger,
		rooms: map[matrix.RoomID]*room{}, joining: map[matrix.RoomID]chan struct{}{},
	}
	if s.commons == nil {
		s.commons = NewCommons()
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Store != nil {
		s.stream.reserve = func(ceiling Position) { s.Keep(kindCeiling, ceiling, "") }
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Name is the server's Matrix server name.
func (s *Server) Name() string { return s.cfg.Name }

// Close ends background work and waits for it. Requests still under way fail or finish. It is idempotent.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	for _, view := range s.Rooms() {
		view.r.mu.Lock()
		if timer := view.r.parked.timer; timer != nil {
			timer.Stop()
		}
		view.r.mu.Unlock()
	}
}

// background runs work that Close waits for, unless the server is closed.
func (s *Server) background(work func(context.Context)) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()
	work(s.ctx)
}
