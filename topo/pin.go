package topo

import (
	"time"

	"meshsim/link"
)

// Pin holds what is fixed for one direction of one link; nil is derived from the canvas and the settings. What
// is pointed at never changes: pins are shared between graphs, snapshots and readers.
type Pin struct {
	Latency   *time.Duration
	Bandwidth *link.BitRate
	Jitter    *Percent // of the link's latency
	Loss      *Percent

	JitterDistribution *link.Distribution
	JitterCorrelation  *Percent
	Burst              *link.GilbertElliott // instead of independent loss
	Duplicate          *Percent
	Reorder            *Percent
	Corrupt            *Percent
	Queue              *int // bytes
	Overhead           *int // bytes added to every packet
	MTU                *int // bytes
}

// LinkPins are the pins of a link: AB holds for packets from A to B.
type LinkPins struct {
	AB, BA Pin
	Cut    bool // the link exists and carries nothing
	Linked bool // the link exists wherever its ends stand
}

// PinOf pins what a link's parameters say of latency, bandwidth, jitter and loss.
func PinOf(p link.Params) Pin {
	jitter := Percent(0)
	if p.Delay > 0 {
		jitter = PercentOf(float64(p.Jitter) / float64(p.Delay))
	}
	return Pin{Latency: &p.Delay, Bandwidth: &p.Rate, Jitter: &jitter, Loss: new(PercentOf(p.Loss))}
}

// Merge takes over what is set in q.
func (p *Pin) Merge(q Pin) {
	merge(&p.Latency, q.Latency)
	merge(&p.Bandwidth, q.Bandwidth)
	merge(&p.Jitter, q.Jitter)
	merge(&p.Loss, q.Loss)
	merge(&p.JitterDistribution, q.JitterDistribution)
	merge(&p.JitterCorrelation, q.JitterCorrelation)
	merge(&p.Burst, q.Burst)
	merge(&p.Duplicate, q.Duplicate)
	merge(&p.Reorder, q.Reorder)
	merge(&p.Corrupt, q.Corrupt)
	merge(&p.Queue, q.Queue)
	merge(&p.Overhead, q.Overhead)
	merge(&p.MTU, q.MTU)
}

func merge[T any](p **T, q *T) {
	if q != nil {
		*p = q
	}
}

// Clear unpins what is set in q, whatever the values.
func (p *Pin) Clear(q Pin) {
	unset(&p.Latency, q.Latency)
	unset(&p.Bandwidth, q.Bandwidth)
	unset(&p.Jitter, q.Jitter)
	unset(&p.Loss, q.Loss)
	unset(&p.JitterDistribution, q.JitterDistribution)
	unset(&p.JitterCorrelation, q.JitterCorrelation)
	unset(&p.Burst, q.Burst)
	unset(&p.Duplicate, q.Duplicate)
	unset(&p.Reorder, q.Reorder)
	unset(&p.Corrupt, q.Corrupt)
	unset(&p.Queue, q.Queue)
	unset(&p.Overhead, q.Overhead)
	unset(&p.MTU, q.MTU)
}

func unset[T any](p **T, q *T) {
	if q != nil {
		*p = nil
	}
}
