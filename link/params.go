package link

import "time"

// Distribution is the shape of a link's jitter.
type Distribution uint8

// Uniform jitter is spread evenly over [-Jitter, +Jitter]; for the others Jitter is the standard deviation,
// as in netem.
const (
	Uniform Distribution = iota
	Normal
	Pareto
	ParetoNormal
)

// GilbertElliott is the two-state loss model: bursts of loss in the bad state. All are probabilities, 0 to 1.
type GilbertElliott struct {
	P        float64 // from good to bad, per packet
	R        float64 // from bad to good, per packet
	LossGood float64 // loss in the good state
	LossBad  float64 // loss in the bad state
}

// Params are the parameters of one direction of a link. The zero value is a perfect link.
type Params struct {
	Rate  BitRate       // 0: unlimited
	Delay time.Duration // propagation delay, one way

	Jitter             time.Duration
	JitterDistribution Distribution
	JitterCorrelation  float64 // 0 to 1, of each packet's jitter with the one before

	Loss      float64         // independent, 0 to 1
	Burst     *GilbertElliott // when set, instead of Loss; immutable
	Duplicate float64         // 0 to 1
	Reorder   float64         // 0 to 1: the share of packets that skip the delay, as in netem
	Corrupt   float64         // 0 to 1: the share of packets with one bit flipped

	QueueLimit int  // bytes; 0: 200 ms at Rate, at least 10,000
	Overhead   int  // bytes charged for every packet besides its own
	MTU        int  // bytes of IP packet; 0: 1500
	Down       bool // nothing passes
}

// DefaultMTU is the MTU, in bytes, where none is set.
const DefaultMTU = 1500

// Unimpaired reports whether the link treats all packets alike: it only delays them, so that a superpacket
// may cross it whole.
func (p Params) Unimpaired() bool {
	return p.Rate == Unlimited && p.Jitter == 0 && p.Loss == 0 && p.Burst == nil &&
		p.Duplicate == 0 && p.Reorder == 0 && p.Corrupt == 0 && !p.Down
}

// EffectiveMTU is MTU with its default filled in, in bytes.
func (p Params) EffectiveMTU() int {
	if p.MTU == 0 {
		return DefaultMTU
	}
	return p.MTU
}

// minQueueLimit is the least a queue holds by default, in bytes.
const minQueueLimit = 10_000

// EffectiveQueueLimit is QueueLimit with its default filled in, in bytes: 200 ms at the link's rate, at
// least 10,000.
func (p Params) EffectiveQueueLimit() int {
	if p.QueueLimit != 0 {
		return p.QueueLimit
	}
	return int(min(max(int64(p.Rate)/8/5, minQueueLimit), MaxQueueLimit))
}
