package journey

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"meshsim/mesh"
	"meshsim/telemetry"
)

// nowhere is a mesh whose paths nobody remembers.
type nowhere struct{}

func (nowhere) NameOf(id int) (string, bool)                       { return fmt.Sprint("hs", id), true }
func (nowhere) Crossings(uint64, int, int) ([]mesh.Crossing, bool) { return nil, false }

// An event that is heard of again after its journey was forgotten has one first span all the same.
func TestForgottenJourneysAreToldOfOnce(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	traveller := newTraveller(nowhere{}, recorder)
	begun := time.Unix(0, 0)
	hear := func(i int) {
		event := &telemetry.Event{ID: fmt.Sprint("$", i), Type: "m.room.message"}
		traveller.received(event, telemetry.ReceivedBy{From: 0, To: 1, At: begun})
	}
	for i := range maxJourneys + 1 {
		hear(i)
	}
	traveller.finish(begun)
	hear(0)
	traveller.finishAll()
	traces, roots := make(map[trace.TraceID]int), 0
	for _, span := range recorder.Ended() {
		if !span.Parent().IsValid() {
			traces[span.SpanContext().TraceID()]++
			roots++
		}
	}
	if len(traces) != maxJourneys+1 || roots != maxJourneys+1 {
		t.Errorf("%d traces have %d first spans, want %d of each", len(traces), roots, maxJourneys+1)
	}
}

func TestForgettingIsBounded(t *testing.T) {
	id := func(i int) (id trace.SpanID) {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		return id
	}
	var f forgotten
	for i := range 2*maxForgotten + 10 {
		f.add(id(i))
	}
	if len(f.known) != maxForgotten || len(f.ring) != maxForgotten {
		t.Errorf("%d are known and %d listed", len(f.known), len(f.ring))
	}
	if f.has(id(maxForgotten+9)) || !f.has(id(maxForgotten+10)) || !f.has(id(2*maxForgotten+9)) {
		t.Error("not the oldest is forgotten for good")
	}
}
