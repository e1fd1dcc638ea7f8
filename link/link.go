// Package link models one direction of one link: what happens to each packet that is sent over it.
//
// [Shaper.Admit] is given the time and the size of a packet and answers with its fate: when it leaves the
// queue, when it arrives, or why it does not. The model is pure: it starts no goroutine, reads no clock
// and draws from a generator of its own that is seeded from the mesh's seed and the link's name, so the
// same packets at the same times meet the same fate. The order of the impairments, and what each one
// matches in Linux's netem and tbf, is described at the functions that apply them.
package link

import "time"

// Instant is a moment on a fabric's clock, in nanoseconds since that clock's epoch. It is no wall-clock
// time: only a fabric's clock can make one.
type Instant int64

// Add returns t+d.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Sub returns t-u.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// BitRate is in bits per second. The zero value is [Unlimited].
type BitRate int64

// Unlimited is the rate of a link that takes no time to send. Outside the program it is written
// "unlimited"; the number 0 is refused there (CONTRACTS.md).
const Unlimited BitRate = 0

// DropReason says why a packet was lost. Every drop has exactly one.
type DropReason uint8

// The reasons a link or the fabric has to drop a packet.
const (
	NotDropped     DropReason = iota
	DropLoss                  // the loss model took it
	DropQueueFull             // the queue held its limit of bytes
	DropDown                  // the link is cut
	DropTooBig                // larger than the MTU with don't-fragment set; answered by ICMP
	DropTTL                   // hop limit exceeded; answered by ICMP
	DropNoRoute               // no next hop; answered by ICMP
	DropMalformed             // not a valid IP packet
	DropPortClosed            // the destination's port is gone
	DropPortFull              // the destination's port did not keep up
	DropRewired               // the link was removed while the packet waited or was on its way
	DropOverload              // no room in the host's memory: for all packets on their way, or for what one port has sent
	dropReasons
)

// DropReasons is how many values [DropReason] has, for arrays of counters.
const DropReasons = int(dropReasons)
