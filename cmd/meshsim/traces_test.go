package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"meshsim/api"
)

// collected is a span as a collector is told of it.
type collected struct{ service, span, trace string }

// spans are what a collector was told.
type spans struct {
	t    *testing.T
	url  string
	told chan collected
	all  map[collected]bool
}

// collect serves a collector until the test ends.
func collect(t *testing.T) *spans {
	t.Helper()
	s := &spans{t: t, told: make(chan collected, 10_000), all: make(map[collected]bool)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		request := new(collector.ExportTraceServiceRequest)
		if err := proto.Unmarshal(body, request); err != nil {
			t.Error(err)
		}
		for _, of := range request.ResourceSpans {
			service := ""
			for _, a := range of.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					s.told <- collected{service, span.Name, string(span.TraceId)}
				}
			}
		}
	}))
	t.Cleanup(receiver.Close)
	s.url = receiver.URL
	return s
}

// until waits until the spans tell something.
func (s *spans) until(what string, patience time.Duration, told func() bool) {
	s.t.Helper()
	end := time.After(patience)
	for !told() {
		select {
		case c := <-s.told:
			s.all[c] = true
		case <-end:
			var all []string
			for c := range s.all {
				all = append(all, c.service+": "+c.span)
			}
			s.t.Fatalf("no trace told of %s, only %s", what, strings.Join(all, ", "))
		}
	}
}

// A collector is told of a message: the servers are services, its way is in one trace.
func TestTracesOfAMessage(t *testing.T) {
	told := collect(t)
	p := start(t, "--otlp", told.url)
	p.running(3)
	var room api.Room
	p.do("POST", "/api/v1/rooms", `{"creator":0,"members":[1,2]}`, &room)
	for rooms := []api.Room(nil); len(rooms) == 0 || !allJoined(t, rooms[0]); {
		p.do("GET", "/api/v1/rooms", "", &rooms)
	}
	p.do("POST", "/api/v1/rooms/"+url.PathEscape(room.ID)+"/messages", `{"server":0,"body":"traced"}`, nil)
	told.until("an event's way to hs2", time.Minute, func() bool {
		for s := range told.all {
			link := collected{"hs0", "link hs0-hs2", s.trace}
			if s.span == "handle at hs2" && s.service == "hs2" && (told.all[link] || told.all[collected{"hs1", "link hs1-hs2", s.trace}]) {
				return true
			}
		}
		return false
	})
}
