// Package probe asks a network how it carries packets: Ping and Trace, as the tools ping and traceroute do it, with ICMP
// echo requests (RFC 792, RFC 4443).
//
// Whose packets they are is the [Conn]'s matter: a stack in this process, or a socket in another network namespace. The
// questions are the same for both, and real packets ask them.
package probe

import (
	"net/netip"
	"time"
)

// Conn is a socket for the ICMP messages of one address. Send and Receive may be called side by side, and each by one
// goroutine at a time.
type Conn interface {
	// Local is the address.
	Local() netip.Addr
	// Send sends an ICMP message, without its IP header, with a TTL (or hop limit).
	Send(message []byte, to netip.Addr, ttl int) error
	// Receive waits for the next message for Local that has a right checksum, whoever it is for. It fails with
	// net.ErrClosed after Close.
	Receive() (Message, error)
	// Close releases the socket. It is idempotent.
	Close() error
}

// Message is an ICMP message as it was received.
type Message struct {
	Data []byte // without the IP header
	From netip.Addr
	At   time.Time
}

// Outcome is what became of one request.
type Outcome string

// The outcomes.
const (
	Replied     Outcome = "reply"        // the destination answered
	TTLExceeded Outcome = "ttl_exceeded" // a node on the way says that the TTL was used up
	Unreachable Outcome = "unreachable"  // a node on the way knows no way on
	TooBig      Outcome = "too_big"      // a link on the way does not take packets of this size
	Lost        Outcome = "lost"         // no answer in time
)

// Reply is the answer to one request, or that there was none.
type Reply struct {
	Seq     int // of the request, from 1
	Outcome Outcome
	From    netip.Addr    // who answered; the zero value for Lost
	RTT     time.Duration // until the answer; 0 for Lost
}

// Hop is what the nodes that are so many links away have answered.
type Hop struct {
	TTL     int
	Replies []Reply // in the order of the requests
}

// Arrived says whether the trace need not go on: the destination answered, or somebody knows no way to it.
func (h Hop) Arrived() bool {
	for _, r := range h.Replies {
		if r.Outcome == Replied || r.Outcome == Unreachable {
			return true
		}
	}
	return false
}
