package gateway

import (
	"fmt"
	"sync"

	"meshsim/link"
	"meshsim/telemetry"
)

// Choice says which transport requests between gateways take.
type Choice string

// The choices. Automatic takes the low-bandwidth transport where the slowest link of a path is slow.
const (
	AlwaysHTTPS   Choice = "https"
	AlwaysLowband Choice = "lowband"
	Automatic     Choice = "auto"
)

// DefaultSlow is the rate below which a path counts as slow unless told otherwise: an exchange on a new TLS connection is
// 4.7 KB, two seconds at this rate.
const DefaultSlow link.BitRate = 20_000

// RateError is returned for a rate below which no path can be.
type RateError struct{ Rate link.BitRate }

func (e *RateError) Error() string {
	return fmt.Sprintf("below is %v: it must be more than %v, and not unlimited (choose %s then)", e.Rate, link.MinRate, AlwaysLowband)
}

// ChoiceError is returned for a word that is no Choice.
type ChoiceError struct{ Word string }

func (e *ChoiceError) Error() string {
	return fmt.Sprintf("there is no transport %q: use %s, %s or %s", e.Word, AlwaysHTTPS, AlwaysLowband, Automatic)
}

// ParseChoice reads a Choice. The error is a *ChoiceError.
func ParseChoice(word string) (Choice, error) {
	switch c := Choice(word); c {
	case AlwaysHTTPS, AlwaysLowband, Automatic:
		return c, nil
	}
	return "", &ChoiceError{word}
}

// Transports decides for all gateways of a mesh how their requests travel, and can be told otherwise at any time:
// requests under way go on as they began. It knows which servers offer the low-bandwidth transport; to others, requests
// go over HTTPS whatever the choice. It is safe for concurrent use.
type Transports struct {
	mu      sync.Mutex // guards what follows
	choice  Choice
	below   link.BitRate    // what is slower is slow
	offers  map[string]bool // by server name
	slow    map[[2]string]bool
	changed chan struct{} // closed at the next change of choice or below
}

// NewTransports makes a Transports.
func NewTransports(c Choice) *Transports {
	return &Transports{
		choice: c, below: DefaultSlow, offers: make(map[string]bool), slow: make(map[[2]string]bool), changed: make(chan struct{}),
	}
}

// Changed returns a channel that is closed when the choice, or what is slow, is set the next time.
func (t *Transports) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// changedLocked begins anew after a change.
func (t *Transports) changedLocked() {
	clear(t.slow)
	close(t.changed)
	t.changed = make(chan struct{})
}

// Set changes the choice.
func (t *Transports) Set(c Choice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.choice = c
	t.changedLocked()
}

// Choice returns the choice.
func (t *Transports) Choice() Choice {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.choice
}

// Below is the rate below which the automatic choice takes the low-bandwidth transport.
func (t *Transports) Below() link.BitRate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.below
}

// SetBelow changes the rate below which the automatic choice takes the low-bandwidth transport. A path that took it goes
// back to HTTPS when it is half as fast again, so that one on the edge does not change with every move. The error is a
// *RateError; nothing has changed then.
func (t *Transports) SetBelow(rate link.BitRate) error {
	if err := CheckBelow(rate); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.below = rate
	t.changedLocked()
	return nil
}

// CheckBelow tells whether SetBelow takes a rate. The error is a *RateError.
func CheckBelow(rate link.BitRate) error {
	if rate <= link.MinRate { // unlimited is 0
		return &RateError{Rate: rate}
	}
	return nil
}

// offer notes that a server speaks the low-bandwidth transport. That it is stopped does not change it: a request to it
// must fail on the transport that it would take, not load the link with another.
func (t *Transports) offer(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offers[name] = true
}

// pick chooses the transport of a request.
func (t *Transports) pick(from, to string, path Path) telemetry.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	lowband := t.offers[from] && t.offers[to]
	switch t.choice {
	case AlwaysLowband:
	case Automatic:
		lowband = lowband && t.slowLocked([2]string{from, to}, path.Rate)
	default:
		lowband = false
	}
	if lowband {
		return telemetry.Lowband
	}
	return telemetry.HTTPS
}

func (t *Transports) slowLocked(way [2]string, rate link.BitRate) bool {
	limit := t.below
	if t.slow[way] {
		limit += limit / 2
	}
	if rate == link.Unlimited || rate >= limit {
		delete(t.slow, way)
		return false
	}
	t.slow[way] = true
	return true
}
