package journey

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"meshsim/telemetry"
)

const (
	// linger is how long after the last news of an event its first span is closed, if nothing is awaited.
	linger = 10 * time.Second
	// patience is the same where something is: a destination may be away for good.
	patience = time.Minute
	// maxJourneys and maxAwaited bound what is remembered; the oldest is forgotten first.
	maxJourneys = 1 << 14
	maxAwaited  = 1 << 17
)

// traveller makes spans of what telemetry tells. It is for one goroutine.
type traveller struct {
	mesh      Mesh
	processor sdktrace.SpanProcessor
	tracers   map[int]tracer // by server

	journeys map[string]*journey // by event
	order    []*journey          // as they began
	awaited  int                 // sum over all journeys
	past     forgotten
}

// tracer is a server as a service. It is made anew when the server was renamed by an import.
type tracer struct {
	trace.Tracer
	name string
}

// journey is one event on its way.
type journey struct {
	event *telemetry.Event
	root  trace.SpanContext
	from  int // the server at which it was seen first
	begun time.Time
	last  time.Time // end of the last span
	news  time.Time // when something was heard of it
	told  bool      // its first span is closed

	transport telemetry.Transport
	awaited   map[hop]telemetry.SentTo
}

// hop is a delivery, by the ids of both servers.
type hop struct{ from, to int }

func newTraveller(m Mesh, p sdktrace.SpanProcessor) *traveller {
	return &traveller{mesh: m, processor: p, tracers: make(map[int]tracer), journeys: make(map[string]*journey)}
}

// batch takes in what was told. What was sent comes first: it may have been received in the same few milliseconds.
func (t *traveller) batch(b telemetry.Batch) {
	for _, g := range b.Sent {
		for _, to := range g.To {
			t.sent(g, to)
		}
	}
	for _, f := range b.Failed {
		for _, e := range f.Events {
			t.failed(f, e)
		}
	}
	for _, g := range b.Received {
		for _, by := range g.By {
			t.received(g.Event, by)
		}
	}
}

// of returns an event's journey, which may begin now.
func (t *traveller) of(e *telemetry.Event, from int, at time.Time) *journey {
	j := t.journeys[e.ID]
	if j == nil {
		j = &journey{event: e, root: rootOf(e.ID), from: from, begun: at, awaited: make(map[hop]telemetry.SentTo)}
		j.told = t.past.has(j.root.SpanID())
		t.journeys[e.ID] = j
		t.order = append(t.order, j)
	}
	j.news = time.Now()
	if at.After(j.last) {
		j.last = at
	}
	if at.Before(j.begun) {
		j.begun = at
	}
	return j
}

func (t *traveller) sent(g telemetry.SentGroup, to telemetry.SentTo) {
	j := t.of(g.Event, g.From, to.At)
	j.transport = g.Transport
	key := hop{g.From, to.To}
	if _, again := j.awaited[key]; !again {
		t.awaited++
	}
	j.awaited[key] = to
}

// failed tells of an attempt that did not succeed. The delivery is awaited all the same: the sender will try again.
func (t *traveller) failed(f telemetry.Failed, e *telemetry.Event) {
	j := t.of(e, f.From, f.At)
	begun := f.At
	if sent, ok := j.awaited[hop{f.From, f.To}]; ok {
		begun = sent.At
	}
	_, span := t.start(j, f.From, "send to "+t.name(f.To), begun,
		attribute.Int("meshsim.attempt", f.Attempt), attribute.String("matrix.transaction_id", f.Txn))
	span.SetStatus(codes.Error, f.Reason)
	span.End(trace.WithTimestamp(f.At))
}

func (t *traveller) received(e *telemetry.Event, by telemetry.ReceivedBy) {
	if by.From == by.To {
		return
	}
	j := t.of(e, by.From, by.At)
	key := hop{by.From, by.To}
	sent, ok := j.awaited[key]
	if !ok { // told of after we began to listen, or handed over in an answer
		t.handle(trace.ContextWithSpanContext(context.Background(), j.root), by, by.At)
		return
	}
	delete(j.awaited, key)
	t.awaited--
	attributes := []attribute.KeyValue{
		attribute.Int("meshsim.attempt", sent.Attempt),
		attribute.String("matrix.transaction_id", sent.Txn),
		attribute.String("meshsim.transport", string(j.transport)),
	}
	crossings, known := t.mesh.Crossings(sent.Routes, by.From, by.To)
	if known {
		attributes = append(attributes, attribute.Int("meshsim.hops", len(crossings)))
	}
	ctx, span := t.start(j, by.From, "send to "+t.name(by.To), sent.At, attributes...)
	arrived := sent.At
	for _, c := range crossings {
		_, crossing := t.tracer(c.From).Start(ctx, fmt.Sprintf("link %s-%s", t.name(c.From), t.name(c.To)),
			trace.WithTimestamp(arrived), trace.WithAttributes(
				attribute.Float64("meshsim.link.latency_ms", float64(c.Delay)/float64(time.Millisecond)),
				attribute.Int64("meshsim.link.bits_per_second", int64(c.Rate)), // 0 is unlimited
				attribute.String("meshsim.basis", "propagation delay")))
		arrived = arrived.Add(c.Delay)
		crossing.End(trace.WithTimestamp(arrived))
	}
	if arrived.After(by.At) { // the link has become slower since
		arrived = by.At
	}
	t.handle(ctx, by, arrived)
	span.End(trace.WithTimestamp(by.At))
}

// handle tells of what the receiver made of an event.
func (t *traveller) handle(ctx context.Context, by telemetry.ReceivedBy, arrived time.Time) {
	_, span := t.tracer(by.To).Start(ctx, "handle at "+t.name(by.To), trace.WithTimestamp(arrived),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("meshsim.basis", string(by.Basis)),
			attribute.String("meshsim.outcome", string(by.Outcome))))
	if by.Outcome != telemetry.OutcomeAccepted && by.Outcome != "" {
		span.SetStatus(codes.Error, string(by.Outcome))
	}
	span.End(trace.WithTimestamp(by.At))
}

// start begins a span below the first of a journey.
func (t *traveller) start(j *journey, server int, name string, at time.Time, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	return t.tracer(server).Start(trace.ContextWithSpanContext(context.Background(), j.root), name,
		trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes...))
}

// finish closes the first spans of journeys that seem to be over, and forgets the oldest where there are too many.
func (t *traveller) finish(now time.Time) {
	for _, j := range t.order {
		quiet := now.Sub(j.news)
		if !j.told && (quiet >= patience || quiet >= linger && len(j.awaited) == 0) {
			t.tell(j)
		}
	}
	for len(t.order) > maxJourneys || t.awaited > maxAwaited && len(t.order) > 0 {
		oldest := t.order[0]
		t.order[0] = nil
		t.order = t.order[1:]
		t.tell(oldest)
		t.awaited -= len(oldest.awaited)
		delete(t.journeys, oldest.event.ID)
		t.past.add(oldest.root.SpanID())
	}
}

func (t *traveller) finishAll() {
	for _, j := range t.order {
		t.tell(j)
	}
}

// tell closes the first span of a journey, once.
func (t *traveller) tell(j *journey) {
	if j.told {
		return
	}
	j.told = true
	attributes := []attribute.KeyValue{
		attribute.String("matrix.event_id", j.event.ID),
		attribute.String("matrix.event_type", j.event.Type),
		attribute.String("matrix.room_id", j.event.RoomID),
		attribute.String("matrix.sender", j.event.Sender),
		attribute.Int("matrix.event_bytes", j.event.Bytes),
	}
	if j.event.StateKey != nil {
		attributes = append(attributes, attribute.String("matrix.state_key", *j.event.StateKey))
	}
	ctx := context.WithValue(context.Background(), rootKey{}, j.root)
	_, span := t.tracer(j.from).Start(ctx, j.event.Type, trace.WithNewRoot(), trace.WithTimestamp(j.begun), trace.WithAttributes(attributes...))
	span.End(trace.WithTimestamp(j.last))
}

// tracer returns the service that a server is.
func (t *traveller) tracer(server int) trace.Tracer {
	name := t.name(server)
	if known, ok := t.tracers[server]; ok && known.name == name {
		return known
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(t.processor),
		sdktrace.WithIDGenerator(ids{}),
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewSchemaless(
			semconv.ServiceName(name), semconv.ServiceNamespace("meshsim"), attribute.Int("meshsim.server", server))))
	t.tracers[server] = tracer{Tracer: provider.Tracer("meshsim"), name: name}
	return t.tracers[server]
}

func (t *traveller) name(server int) string {
	if name, ok := t.mesh.NameOf(server); ok {
		return name
	}
	return fmt.Sprintf("server %d", server)
}
