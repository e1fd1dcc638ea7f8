// Package talk makes rooms and sends messages on behalf of whoever looks at the mesh from outside: the page
// and the programs that use the mesh's own interface.
//
// It is an ordinary client of each server, logged in as the account that exists on every one of them, and
// asks the homeserver directly: its requests cross no emulated link, while all that the homeservers say to
// each other because of them does. It knows the rooms that it made itself and, where homeservers keep
// theirs, those of earlier runs (Recall).
package talk

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Servers is what talk asks of the mesh. It must be safe for concurrent use.
type Servers interface {
	// Name returns the Matrix server name of a server, and false for an id that was never given.
	Name(id int) (string, bool)
	// Client returns a running server's client-server API. The error is a sentence for the user.
	Client(id int) (http.Handler, error)
}

// Config says how to talk.
type Config struct {
	Servers  Servers
	User     string // localpart of the account that exists on every server
	Password string

	// JoinsAtOnce bounds how many joins are under way at a time, 0 is 128: each waits for half a dozen round trips. In
	// rooms of more than 250 servers, whose joins take the more work the larger they are, it is the fewer (see slots).
	JoinsAtOnce int
	// NamesFew is true for a server that names only some of many branches of a room in what it sends next, and sends that
	// to those alone that these branches know of: Synapse names ten. See Talk.most. nil is no such server.
	NamesFew func(server int) bool
	// JoinTimeout is how long one join may take, 0 is a day: over the slowest links it really takes hours, and the
	// homeserver, whose gateway knows the path, gives up by itself.
	JoinTimeout time.Duration
}

// Talk holds the rooms that it made. It is safe for concurrent use.
//
//	New -> Close
type Talk struct {
	servers  Servers
	accounts *accounts
	joins    slots
	namesFew func(server int) bool
	turns    *turns
	timeout  time.Duration

	ctx   context.Context // ends with Close: joins outlive the request that asked for them
	close context.CancelFunc
	wait  sync.WaitGroup

	mu      sync.Mutex
	rooms   []*Room // in the order they were made; the rooms themselves are immutable
	babbles map[string]*babble
	changed chan struct{} // closed and replaced when rooms change
	closed  bool
}

// New returns a Talk without rooms.
func New(config Config) *Talk {
	if config.JoinsAtOnce == 0 {
		config.JoinsAtOnce = 128
	}
	if config.JoinTimeout == 0 {
		config.JoinTimeout = 24 * time.Hour
	}
	if config.NamesFew == nil {
		config.NamesFew = func(int) bool { return false }
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Talk{
		servers:  config.Servers,
		accounts: newAccounts(config),
		joins:    newSlots(config.JoinsAtOnce),
		namesFew: config.NamesFew,
		turns:    newTurns(),
		timeout:  config.JoinTimeout,
		ctx:      ctx,
		close:    cancel,
		babbles:  make(map[string]*babble),
		changed:  make(chan struct{}),
	}
}

// Close gives up the joins and the chatter that are under way and waits for them. It is idempotent.
func (t *Talk) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.close()
	t.wait.Wait()
}

// Rooms returns the rooms in the order they were made. The rooms are shared and must not be changed.
func (t *Talk) Rooms() []*Room {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.rooms)
}

// Room returns one room, or an [UnknownRoomError].
func (t *Talk) Room(id string) (*Room, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.indexLocked(id); i >= 0 {
		return t.rooms[i], nil
	}
	return nil, &UnknownRoomError{Room: id}
}

// Changed returns a channel that is closed when rooms change. Who looks at the rooms after asking for it misses
// nothing.
func (t *Talk) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

func (t *Talk) indexLocked(id string) int {
	return slices.IndexFunc(t.rooms, func(r *Room) bool { return r.ID == id })
}

func (t *Talk) notifyLocked() {
	close(t.changed)
	t.changed = make(chan struct{})
}
