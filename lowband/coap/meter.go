package coap

import "context"

type meterKey struct{}

// WithMeter returns a context with which Do calls passed with the length of every datagram of the exchange, repetitions and
// acknowledgements included, as it is sent or received. passed is called with the association's lock held: it must neither
// block nor call the association.
func WithMeter(ctx context.Context, passed func(sent bool, length int)) context.Context {
	return context.WithValue(ctx, meterKey{}, passed)
}

// meterOf is what WithMeter was given; a function that does nothing where it was not.
func meterOf(ctx context.Context) func(sent bool, length int) {
	if passed, ok := ctx.Value(meterKey{}).(func(bool, int)); ok {
		return passed
	}
	return func(bool, int) {}
}
