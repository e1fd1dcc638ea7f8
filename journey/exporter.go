package journey

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// defaultPath is where collectors take traces (OTLP specification, "OTLP/HTTP Request").
const defaultPath = "/v1/traces"

// Endpoint is where a collector at an address takes traces: a URL such as http://localhost:4318, to which the usual path is
// added where it has none.
func Endpoint(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the collector's address is %q: it must be a URL such as http://localhost:4318", address)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = defaultPath
	}
	return u, nil
}

// NewExporter makes an exporter for a collector that speaks OTLP over HTTP, see [Endpoint]. It connects when there is
// something to tell.
func NewExporter(ctx context.Context, address string) (sdktrace.SpanExporter, error) {
	u, err := Endpoint(address)
	if err != nil {
		return nil, err
	}
	return otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(u.String()),
		otlptracehttp.WithTimeout(exportLimit),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}), // what is new is worth more than what waits
	)
}

// forgiving drops spans that its exporter cannot hand over, and says so once until it can again. It is called by one
// goroutine at a time.
type forgiving struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (f *forgiving) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := f.SpanExporter.ExportSpans(ctx, spans)
	switch before := f.failing.Swap(err != nil); {
	case err != nil && !before:
		f.log.Warn("the OpenTelemetry collector takes no traces; they are dropped until it does", "error", err)
	case err == nil && before:
		f.log.Info("the OpenTelemetry collector takes traces again")
	}
	return nil
}
