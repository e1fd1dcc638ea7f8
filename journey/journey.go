// Package journey tells an OpenTelemetry collector of each event's way through the mesh: one trace an event, with a span
// for every time that it was sent, for every link on the way, and for what the receiver made of it.
//
// Every server is a service of its own. Ids of traces follow from ids of events, so that whoever has an event's id finds its
// trace, and what is told late belongs to the same one. Nothing here holds up the mesh: the telemetry hub drops what is not
// read in time, and spans that the collector does not take are dropped too.
//
// Limits: when a link was crossed is not observed. Its span begins when those before it on the path are over and lasts as
// long as the link's propagation delay; queueing shows as a longer "handle".
package journey

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"meshsim/mesh"
	"meshsim/telemetry"
)

// Mesh is what is asked of the mesh. It must be safe for concurrent use.
type Mesh interface {
	// NameOf returns the name of a server.
	NameOf(id int) (string, bool)
	// Crossings spells out the path between two servers by the route table of a version.
	Crossings(routes uint64, from, to int) ([]mesh.Crossing, bool)
}

// Config is what tracing stands on. Mesh, Events and Exporter are needed.
type Config struct {
	Mesh     Mesh
	Events   *telemetry.Hub
	Exporter sdktrace.SpanExporter // see NewExporter; Run shuts it down
	// EndLimit is how long the collector may take for what is left at the end, when somebody waits at the terminal; 0 is a
	// second.
	EndLimit time.Duration
	Logger   *slog.Logger // nil discards
}

// The bounds of what waits for the collector, in spans.
const (
	maxQueue = 1 << 15
	maxBatch = 1 << 11
)

const (
	// batchPause is how long spans wait for others to be sent with.
	batchPause = time.Second
	// exportLimit is how long the collector may take for a batch.
	exportLimit = 5 * time.Second
	// defaultEndLimit is what Config.EndLimit is when it is 0.
	defaultEndLimit = time.Second
	// lookPause is the time between two looks for journeys that are over.
	lookPause = time.Second
)

// Run tells of events until ctx ends or the hub is closed, hands over what waits, and returns.
func Run(ctx context.Context, c Config) error {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.EndLimit == 0 {
		c.EndLimit = defaultEndLimit
	}
	told := c.Events.Subscribe()
	defer told.Close()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the library's own word goes to standard error otherwise
		c.Logger.Debug("OpenTelemetry", "error", err)
	}))
	exporter := &forgiving{SpanExporter: c.Exporter, log: c.Logger}
	processor := sdktrace.NewBatchSpanProcessor(exporter,
		sdktrace.WithMaxQueueSize(maxQueue), sdktrace.WithMaxExportBatchSize(maxBatch),
		sdktrace.WithBatchTimeout(batchPause), sdktrace.WithExportTimeout(exportLimit))
	t := newTraveller(c.Mesh, processor)
	err := follow(ctx, t, told)
	t.finishAll()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.EndLimit)
	defer cancel()
	if failed := processor.Shutdown(ending); failed != nil && !exporter.failing.Load() {
		c.Logger.Warn("the last traces could not be handed over", "error", failed)
	}
	return err
}

// follow reads the event stream. That it ends is no error.
func follow(ctx context.Context, t *traveller, told *telemetry.Subscription) error {
	var looked time.Time
	for {
		looking, cancel := context.WithTimeout(ctx, lookPause)
		batch, err := told.Next(looking)
		cancel()
		switch {
		case err == nil:
			t.batch(batch)
		case errors.Is(err, telemetry.ErrClosed) || ctx.Err() != nil:
			return nil
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		if now := time.Now(); now.Sub(looked) >= lookPause {
			looked = now
			t.finish(now)
		}
	}
}
