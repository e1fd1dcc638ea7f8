package coap

import "context"

type progressKey struct{}

// WithProgress returns a context with which Do calls moved whenever the peer has answered a part of the request, such as
// one block. moved must not block.
func WithProgress(ctx context.Context, moved func()) context.Context {
	return context.WithValue(ctx, progressKey{}, moved)
}

// progress tells who asked for it that something has arrived.
func progress(ctx context.Context) {
	if moved, ok := ctx.Value(progressKey{}).(func()); ok {
		moved()
	}
}
