// Package node says what a homeserver of the mesh is: something that a [Driver] starts, that is attached to
// the fabric, speaks Matrix federation, and can be stopped.
//
// Drivers are in packages below this one (embedded, docker). The mesh knows only the interfaces here and
// serialises all calls for one server; calls for different servers run side by side. The conformance suite
// for drivers is package nodetest.
package node

import (
	"context"
	"net/http"
	"time"

	"meshsim/link"
)

// Spec says which server to start. It is immutable.
type Spec struct {
	ID   int    // from 0, never reused
	Name string // bare Matrix server name, e.g. "hs3"
	Kind string // the driver's kind, e.g. "embedded"
}

// Network is what a server's driver may ask of the mesh around it. It is safe for concurrent use and never
// blocks.
type Network interface {
	// Lookup returns the id of the server with a name, running or not.
	Lookup(name string) (id int, ok bool)
	// NameOf returns the name of a server, running or not.
	NameOf(id int) (name string, ok bool)
	// Path describes the path in force between two servers, and is false where there is none.
	Path(from, to int) (Path, bool)
}

// Path sums up the path from one server to another and back.
type Path struct {
	Routes uint64        // version of the route table
	Hops   int           // links there
	RTT    time.Duration // propagation delay there and back, without queueing and jitter
	Rate   link.BitRate  // of the slowest link in either direction
	// Slowest are the ends of that link, the first such one on the way there and back.
	Slowest [2]int
}

// Driver starts homeservers of one kind.
//
// A server's identity (signing key, accounts, rooms) belongs to its id and outlives Stop: starting the same
// id again brings it back. Forget ends it.
type Driver interface {
	// Kind is the name by which the driver is chosen, e.g. "embedded".
	Kind() string
	// Start attaches the server to the fabric, starts it and returns once it answers requests. When ctx ends
	// first, everything that was begun is undone. Errors are sentences for the user; see [StartError].
	Start(ctx context.Context, spec Spec, mesh Network) (Node, error)
	// Forget removes what is kept for a stopped server. It is idempotent.
	Forget(ctx context.Context, spec Spec) error
	// Close releases what the driver holds after all its nodes were stopped.
	Close() error
}

// Node is one running homeserver.
//
//	running --Stop--> stopped (Done is closed, Err is nil)
//	running --------> died    (Done is closed, Err says why)
type Node interface {
	// Stop ends the server and detaches it, waiting for it until ctx ends, then by force. It is idempotent.
	Stop(ctx context.Context) error
	// Done is closed when the server no longer runs, whoever ended it.
	Done() <-chan struct{}
	// Err is nil while the server runs and after Stop, and otherwise says why it died. Valid after Done.
	Err() error
	// Client is the homeserver's client-server API, asked directly: what passes here crosses no emulated
	// link. It answers 502 once the server has ended.
	Client() http.Handler
}

// Pauser is a Node that can be frozen: it keeps its memory and its connections but does nothing, like a
// process that was sent SIGSTOP.
type Pauser interface {
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
}

// Account is the account that exists on every server (ORIGINAL.md).
const (
	AccountUser     = "matthew"
	AccountPassword = "secret"
)

// StartError is returned by Driver.Start for a server that could not be started.
type StartError struct {
	Reason  string   // one sentence: what failed and what to do
	LogTail []string // the server's last log lines, oldest first; may be empty
}

func (e *StartError) Error() string { return e.Reason }
