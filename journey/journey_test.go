package journey_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"meshsim/journey"
	"meshsim/mesh"
	"meshsim/telemetry"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// row is a mesh of servers in a row, 10 ms from each to the next.
type row struct{}

func (row) NameOf(id int) (string, bool) { return fmt.Sprint("hs", id), id < 100 }

func (row) Crossings(_ uint64, from, to int) ([]mesh.Crossing, bool) {
	var all []mesh.Crossing
	for at := from; at < to; at++ {
		all = append(all, mesh.Crossing{From: at, To: at + 1, Delay: 10 * time.Millisecond})
	}
	return all, from < to
}

// span is what is checked of a span.
type span struct {
	Service, Name, Parent string
	Begin, End            time.Duration // since the first one of the test
	Failed                string
}

// receiver is a collector.
type receiver struct {
	server *httptest.Server

	mu    sync.Mutex // guards what follows
	paths []string
	got   []*collector.ExportTraceServiceRequest
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		exported := new(collector.ExportTraceServiceRequest)
		if err := proto.Unmarshal(body, exported); err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.paths = append(r.paths, req.URL.Path)
		r.got = append(r.got, exported)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.server.Close)
	return r
}

// each visits the spans that were received, with the service that each belongs to.
func (r *receiver) each(visit func(service string, s *tracepb.Span)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.got {
		for _, of := range request.ResourceSpans {
			service := ""
			for _, a := range of.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					visit(service, s)
				}
			}
		}
	}
}

// trace returns the spans of the trace whose first one has a name, ordered by their beginning.
func (r *receiver) trace(name string, zero time.Time) []span {
	names := make(map[string]string)
	id := ""
	r.each(func(_ string, s *tracepb.Span) {
		names[string(s.SpanId)] = s.Name
		if s.Name == name {
			id = string(s.TraceId)
		}
	})
	var all []span
	r.each(func(service string, s *tracepb.Span) {
		if string(s.TraceId) != id {
			return
		}
		all = append(all, span{
			Service: service, Name: s.Name, Parent: names[string(s.ParentSpanId)],
			Begin:  time.Unix(0, int64(s.StartTimeUnixNano)).Sub(zero),
			End:    time.Unix(0, int64(s.EndTimeUnixNano)).Sub(zero),
			Failed: s.Status.GetMessage(),
		})
	})
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.Name, b.Name)) })
	return all
}

// run traces what tell publishes, until everything is handed over, however busy the machine is.
func run(t *testing.T, exporter sdktrace.SpanExporter, log *slog.Logger, tell func(*telemetry.Hub)) {
	t.Helper()
	hub := telemetry.NewHub()
	done := make(chan error)
	subscribed := &watched{row: row{}, asked: make(chan struct{})}
	go func() {
		done <- journey.Run(t.Context(), journey.Config{
			Mesh: subscribed, Events: hub, Exporter: exporter, EndLimit: time.Minute, Logger: log,
		})
	}()
	// Until Run has subscribed, what is published is lost: this event, which was heard of before it was sent, says when.
	for probe := true; probe; {
		hub.Publish(telemetry.Received{At: time.Now(), Event: &telemetry.Event{ID: "$probe"}, From: 0, To: 99})
		select {
		case <-subscribed.asked:
			probe = false
		case <-time.After(time.Millisecond):
		}
	}
	tell(hub)
	hub.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// watched says when it was asked for the first time.
type watched struct {
	row
	once  sync.Once
	asked chan struct{}
}

func (w *watched) NameOf(id int) (string, bool) {
	w.once.Do(func() { close(w.asked) })
	return w.row.NameOf(id)
}

// An event is one trace: every time that it was sent, the links on the way, what the receivers made of it.
func TestOneTraceAnEvent(t *testing.T) {
	r := newReceiver(t)
	exporter, err := journey.NewExporter(t.Context(), r.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	zero := time.Now().Round(0)
	at := func(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }
	event := &telemetry.Event{ID: "$event", Type: "m.room.message", RoomID: "!room", Sender: "@a:hs0", Bytes: 500}
	run(t, exporter, nil, func(hub *telemetry.Hub) {
		hub.Publish(telemetry.Sent{At: at(0), Event: event, From: 0, To: 2, Txn: "1", Attempt: 1, Transport: telemetry.HTTPS})
		hub.Publish(telemetry.Sent{At: at(1), Event: event, From: 0, To: 1, Txn: "2", Attempt: 1, Transport: telemetry.HTTPS})
		hub.Publish(telemetry.Received{At: at(25), Event: event, From: 0, To: 2, Basis: telemetry.Processed, Outcome: telemetry.OutcomeAccepted})
		hub.Publish(telemetry.Failed{At: at(30), Events: []*telemetry.Event{event}, From: 0, To: 1, Txn: "2", Attempt: 1, Reason: "it was refused"})
	})
	ms := time.Millisecond
	want := []span{
		{Service: "hs0", Name: "link hs0-hs1", Parent: "send to hs2", Begin: 0, End: 10 * ms},
		{Service: "hs0", Name: "m.room.message", Begin: 0, End: 30 * ms},
		{Service: "hs0", Name: "send to hs2", Parent: "m.room.message", Begin: 0, End: 25 * ms},
		{Service: "hs0", Name: "send to hs1", Parent: "m.room.message", Begin: ms, End: 30 * ms, Failed: "it was refused"},
		{Service: "hs1", Name: "link hs1-hs2", Parent: "send to hs2", Begin: 10 * ms, End: 20 * ms},
		{Service: "hs2", Name: "handle at hs2", Parent: "send to hs2", Begin: 20 * ms, End: 25 * ms},
	}
	if diff := gocmp.Diff(want, r.trace("m.room.message", zero)); diff != "" {
		t.Error(diff)
	}
	for _, p := range r.paths {
		if p != "/v1/traces" {
			t.Errorf("traces were sent to %s", p)
		}
	}
}

// A collector that is not there is warned of once, and nothing waits for it.
func TestNoCollector(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	exporter, err := journey.NewExporter(t.Context(), gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	run(t, exporter, slog.New(slog.NewTextHandler(&log, nil)), func(hub *telemetry.Hub) {
		for i := range 1_000 {
			event := &telemetry.Event{ID: fmt.Sprint("$", i), Type: "m.room.message"}
			hub.Publish(telemetry.Sent{At: time.Now(), Event: event, From: 0, To: 2})
			hub.Publish(telemetry.Received{At: time.Now(), Event: event, From: 0, To: 2})
		}
	})
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "takes no traces") {
		t.Errorf("%d warnings: %s", n, log.String())
	}
}

func TestBadAddressOfACollector(t *testing.T) {
	for _, address := range []string{"", "localhost:4318", "ftp://localhost", "http://"} {
		if _, err := journey.NewExporter(t.Context(), address); err == nil || !strings.Contains(err.Error(), "http://localhost:4318") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// stuck is a collector that takes for ever.
type stuck struct{ exports chan int }

func (s *stuck) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	select {
	case s.exports <- len(spans):
	default:
	}
	<-ctx.Done()
	return ctx.Err()
}

func (*stuck) Shutdown(context.Context) error { return nil }

// A journey that is over is told of after a while; a collector that hangs holds nothing up, and the end is in time.
func TestStuckCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := telemetry.NewHub()
		s := &stuck{exports: make(chan int, 1000)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- journey.Run(ctx, journey.Config{Mesh: row{}, Events: hub, Exporter: s})
		}()
		synctest.Wait()
		begun := time.Now()
		for i := range 100 {
			event := &telemetry.Event{ID: fmt.Sprint("$", i), Type: "m.room.message"}
			hub.Publish(telemetry.Sent{At: time.Now(), Event: event, From: 0, To: 1})
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("the mesh was held up for %v", took)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if told := <-s.exports; told != 100 {
			t.Errorf("%d first spans were told of, want 100", told)
		}
		cancel()
		ending := time.Now()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(ending); took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
		hub.Close()
	})
}
