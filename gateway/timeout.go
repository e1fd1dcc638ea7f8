package gateway

import (
	"math"
	"time"

	"meshsim/link"
)

// Time-outs derive from the size of what is sent and from the path in force, so that they mean the same on every
// mesh: the exchange had several times the time it needs on an undisturbed path, and then some. 450 bytes at
// 100 bit/s are 36 s on the wire; a constant would either cut such links off or hide failures on fast ones.
const (
	// grace covers what does not depend on the path: the peer's work, and the first retransmissions after losses
	// (TCP waits 1 s for a lost SYN, then 2 s, then 4 s).
	grace = 20 * time.Second
	// share is how many times the undisturbed duration is allowed. Links carry other traffic, losses cost
	// retransmissions, and a queue may hold 200 ms or 10,000 bytes of others' packets.
	share = 6
	// queueBytes is the smallest default queue of a link (CONTRACTS.md), which may be full when we arrive.
	queueBytes = 10_000

	// setupBytes is what a new connection sends in both directions before the request: SYNs and acknowledgements,
	// and a full TLS 1.3 handshake with one P-256 certificate, headers included. Measured: TestSetupBytes.
	setupBytes = 3000
	// setupTrips is how many round trips it takes: one for TCP, one for TLS 1.3, and the request's first half.
	setupTrips = 3
	// headBytes is allowed for the head of an answer and what of its body comes in the same record.
	headBytes = 1500
	// pieceBytes is allowed for each piece of an answer's body: the largest TLS record.
	pieceBytes = 16 << 10
	// packetOverhead is the share of headers in a stream of full packets, in percent, rounded up.
	packetOverhead = 5
)

// maxTimeout bounds what a hopeless path would ask for.
const maxTimeout = 24 * time.Hour

// wire is how long bytes take at a rate, without queueing.
func wire(bytes int64, rate link.BitRate) time.Duration {
	if rate == link.Unlimited {
		return 0
	}
	seconds := float64(bytes) * 8 * (100 + packetOverhead) / 100 / float64(rate)
	if seconds > maxTimeout.Seconds() {
		return maxTimeout
	}
	return time.Duration(math.Ceil(seconds * float64(time.Second)))
}

// allowance is the time allowed for round trips that move bytes over a path.
func (p Path) allowance(trips int, bytes int64) time.Duration {
	d := grace + share*(time.Duration(trips)*p.RTT+wire(bytes, p.Rate)) + wire(queueBytes, p.Rate)
	return min(d, maxTimeout)
}

// setupTimeout is allowed for opening a connection, TLS included.
func (p Path) setupTimeout() time.Duration { return p.allowance(setupTrips, setupBytes) }

// answerTimeout is allowed from the beginning of a request of some length until the head of its answer, on a
// connection that may have to be opened first.
func (p Path) answerTimeout(requestBytes int64) time.Duration {
	return p.allowance(setupTrips+1, setupBytes+requestBytes+headBytes)
}

// progressTimeout is allowed between two pieces of an answer's body.
func (p Path) progressTimeout() time.Duration { return p.allowance(1, pieceBytes) }
