package journey

import "go.opentelemetry.io/otel/trace"

// maxForgotten bounds how many journeys are known to have been told of after they were forgotten, for some ten megabytes.
const maxForgotten = 1 << 17

// forgotten knows journeys by their first spans, which must not be told of again when somebody hears of an old event. The
// zero value is ready.
type forgotten struct {
	known map[trace.SpanID]struct{}
	ring  []trace.SpanID // in the order of forgetting, from next on
	next  int
}

func (f *forgotten) add(id trace.SpanID) {
	if f.known == nil {
		f.known = make(map[trace.SpanID]struct{})
	}
	if len(f.ring) < maxForgotten {
		f.ring = append(f.ring, id)
	} else {
		delete(f.known, f.ring[f.next])
		f.ring[f.next] = id
		f.next = (f.next + 1) % maxForgotten
	}
	f.known[id] = struct{}{}
}

func (f *forgotten) has(id trace.SpanID) bool {
	_, known := f.known[id]
	return known
}
