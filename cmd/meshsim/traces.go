package main

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"meshsim/journey"
)

// checkCollector looks at the address that --otlp names.
func (o *options) checkCollector() error {
	if o.otlp == "" {
		return nil
	}
	if _, err := journey.Endpoint(o.otlp); err != nil {
		return fmt.Errorf("--otlp: %w", err)
	}
	return nil
}

// collector is where --otlp sends traces, nil where nobody wants them.
func (o *options) collector() (sdktrace.SpanExporter, error) {
	if o.otlp == "" {
		return nil, nil
	}
	exporter, err := journey.NewExporter(context.Background(), o.otlp)
	if err != nil {
		return nil, fmt.Errorf("--otlp: %w", err)
	}
	return exporter, nil
}

// trace tells the collector of events, where there is one.
func (w *wiring) trace(ctx context.Context) error {
	if w.collector == nil {
		<-ctx.Done()
		return nil
	}
	return journey.Run(ctx, journey.Config{Mesh: w.mesh, Events: w.hub, Exporter: w.collector, Logger: w.log})
}
