package coap

import "time"

// Path is what is known of the way to the peer before anything was measured.
type Path struct {
	RTT  time.Duration // propagation there and back, 0 for unknown
	Rate int64         // bit/s of the slowest link, 0 for unlimited or unknown
	// Setup is how much longer an exchange takes that begins now, because the channel is still being set up.
	Setup time.Duration
	// SetupBytes is how much longer datagrams are meanwhile.
	SetupBytes int
	// Line is the link with that rate, which other associations may use, too; nil where none does.
	Line *Line
}

const (
	// initialRTO holds when nothing is known of the path (RFC 7252, ACK_TIMEOUT).
	initialRTO = 2 * time.Second
	// minRTO is for the round trip alone, without ackDelay.
	minRTO = 300 * time.Millisecond
	// ackDelay is how long an end waits for its answer before it acknowledges without it; the other end waits for that
	// much longer.
	ackDelay = 500 * time.Millisecond
	// datagramOverhead is what surrounds a message on the wire: IPv4, UDP and the secure channel.
	datagramOverhead = 28 + 21
)

// wire is how long a message of n bytes takes at the path's rate.
func (p Path) wire(n int) time.Duration {
	if p.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(n+datagramOverhead+p.SetupBytes) * 8 / float64(p.Rate) * float64(time.Second))
}

// estimator derives retransmission timeouts from round trips as CoCoA does (RFC 9006, section 4.2;
// draft-ietf-core-cocoa): a strong estimate from exchanges without a retransmission, a weak one from those with one or
// two, both blended into one timeout. Round trips are given without the time that the bytes take.
type estimator struct {
	strong, weak moving
	rto          time.Duration
}

// moving is a smoothed mean with its deviation (RFC 6298).
type moving struct {
	mean, deviation time.Duration
	known           bool
}

func newEstimator(p Path) estimator {
	if p.RTT <= 0 {
		return estimator{rto: initialRTO}
	}
	return estimator{rto: max(minRTO, p.RTT*3/2)}
}

func (m *moving) add(rtt time.Duration) {
	if !m.known {
		*m = moving{mean: rtt, deviation: rtt / 2, known: true}
		return
	}
	m.deviation += ((m.mean - rtt).Abs() - m.deviation) / 4
	m.mean += (rtt - m.mean) / 8
}

// measured takes the round trip of an exchange that was sent so many times; for repeated ones it is counted from the
// first time.
func (e *estimator) measured(rtt time.Duration, sent int) {
	rtt = max(rtt, 0)
	switch {
	case sent == 1:
		e.strong.add(rtt)
		e.blend(e.strong.mean+4*e.strong.deviation, 2)
	case sent <= 3:
		e.weak.add(rtt)
		e.blend(e.weak.mean+e.weak.deviation, 4)
	}
}

func (e *estimator) blend(sample time.Duration, share int) {
	e.rto = max(minRTO, e.rto+(sample-e.rto)/time.Duration(share))
}

// maxBackoff bounds the wait between two tries, the wire time not counted.
const maxBackoff = 2 * time.Minute

// backoff is the timeout that follows on one that expired: the variable factor of CoCoA, by the first timeout.
func backoff(rto time.Duration) time.Duration {
	switch {
	case rto < time.Second:
		rto *= 3
	case rto <= 3*time.Second:
		rto *= 2
	default:
		rto += rto / 2
	}
	return min(rto, maxBackoff)
}
