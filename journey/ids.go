package journey

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// rootOf gives the ids of an event's trace and of its first span.
func rootOf(event string) trace.SpanContext {
	sum := sha256.Sum256([]byte(event))
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID(sum[:16]),
		SpanID:     trace.SpanID(sum[16:24]),
		TraceFlags: trace.FlagsSampled,
	})
}

// rootKey is where a context has the ids of the first span of a trace.
type rootKey struct{}

// ids implements sdktrace.IDGenerator: the first span of a trace has the ids in its context.
type ids struct{}

func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	root := ctx.Value(rootKey{}).(trace.SpanContext)
	return root.TraceID(), root.SpanID()
}

func (ids) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	var id trace.SpanID
	for !id.IsValid() {
		for i, b := 0, rand.Uint64(); i < len(id); i, b = i+1, b>>8 {
			id[i] = byte(b)
		}
	}
	return id
}
