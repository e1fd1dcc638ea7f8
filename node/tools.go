package node

import (
	"context"
	"io"
	"net/netip"
	"time"

	"meshsim/port/probe"
)

// What follows are powers that a Node, or a Driver, may have besides, each an interface of its own. Whoever wants one asks for it with a
// type assertion and says so where it is missing. All methods are safe for concurrent use.

// Killer is a Node whose process can be ended at once, as kill -9 would: it dies, with the reason, and can be started
// again with its data.
type Killer interface {
	Kill(ctx context.Context) error
}

// LogReader is a Node that keeps what it writes.
type LogReader interface {
	// ReadLog calls each with the last lines that the server has written, at most so many and oldest first, and with
	// follow then with every new one, until each fails, ctx ends (nil) or the server does (nil). Lines have no newline
	// and are cut at MaxLogLine bytes.
	ReadLog(ctx context.Context, lines int, follow bool, each func(line string) error) error
}

// StartWatcher is a Driver whose servers write before they answer.
type StartWatcher interface {
	// StartingLog is the log of the server with an id while Start has not returned for it, and false where it writes
	// nothing yet. It ends with the server, not with its start.
	StartingLog(id int) (LogReader, bool)
}

// LogKeeper is a Driver that keeps what its servers wrote last.
type LogKeeper interface {
	// LastLog is the end of the log of the server with an id, whose run has ended, until it is started again, and false where
	// nothing of that is kept. It is not asked of one that runs.
	LastLog(id int) (LogReader, bool)
}

// LastWords are the last lines of a log that has ended, oldest first. They implement LogReader.
type LastWords []string

// ReadLog implements LogReader.
func (w LastWords) ReadLog(_ context.Context, lines int, _ bool, each func(string) error) error {
	for _, line := range w[max(0, len(w)-lines):] {
		if err := each(line); err != nil {
			return err
		}
	}
	return nil
}

// MaxLogLine bounds a line of ReadLog, in bytes.
const MaxLogLine = 16 << 10

// Peer is another server as one server sees it: what waits to be sent there.
type Peer struct {
	Server  string        // its Matrix server name
	Rooms   int           // that both are in
	PDUs    int           // that wait, those under way included
	EDUs    int           // the same
	Sending bool          // a transaction is under way
	NextTry time.Time     // after a failure; zero otherwise
	Wait    time.Duration // between the last try and the next: the backoff; 0 where none has failed
	Failure string        // of the last try; empty where none has failed

	DroppedPDUs int // that came from there and are no events, are not signed right, or are of rooms that this server is not in
	DroppedEDUs int // that came from there and make no sense
	Rejected    int // events from there that the rules refuse
	SoftFailed  int // events from there that the rules refuse now
	BadRequests int // requests from there whose bodies are not of the right form
}

// PeerLister is a Node that tells what waits for the servers it shares rooms with.
type PeerLister interface {
	Peers() []Peer
}

// Usage is what a server uses of the machine. A nil field is not known.
type Usage struct {
	Memory      *int64         // bytes, without the page cache
	MemoryLimit *int64         // bytes; nil for none
	Merged      *int64         // bytes that the kernel has merged with equal pages; nil where it merges none
	CPU         *time.Duration // used since the server was started
	// Note says in a sentence what is not known, and why; empty where all is.
	Note string
}

// MemorySavings are what merging equal pages saves on the whole machine, in bytes.
type MemorySavings struct {
	Saved  int64 // what the pages would take besides those that are kept
	Profit int64 // Saved without what the kernel spends to find them
}

// Meter is a Node that knows what it uses.
type Meter interface {
	Usage(ctx context.Context) (Usage, error)
}

// TerminalSize is the size of a terminal in characters.
type TerminalSize struct{ Rows, Columns uint16 }

// Shell is a shell with a terminal: what is written is typed, what is read is shown. Read fails with io.EOF once the shell
// has ended. Close ends it.
type Shell interface {
	io.ReadWriteCloser
	Resize(ctx context.Context, size TerminalSize) error
}

// ShellHost is a Node in which a shell can be opened. The shell ends with ctx.
type ShellHost interface {
	OpenShell(ctx context.Context, size TerminalSize) (Shell, error)
}

// Prober is a Node that lends its place in the network to tools: its addresses and its route to others.
type Prober interface {
	// OpenICMP opens a socket for ICMP messages from local, which is one of the node's addresses.
	OpenICMP(local netip.Addr) (probe.Conn, error)
}
