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

// A collector is told of a message: the servers are services, its way is in one trace.
func TestTracesOfAMessage(t *testing.T) {
	type named struct{ service, span, trace string }
	told := make(chan named, 10_000)
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
				for _, s := range scope.Spans {
					told <- named{service, s.Name, string(s.TraceId)}
				}
			}
		}
	}))
	defer receiver.Close()
	p := start(t, "--otlp", receiver.URL)
	p.running(3)
	var room api.Room
	p.do("POST", "/api/v1/rooms", `{"creator":0,"members":[1,2]}`, &room)
	for rooms := []api.Room(nil); len(rooms) == 0 || !allJoined(t, rooms[0]); {
		p.do("GET", "/api/v1/rooms", "", &rooms)
	}
	p.do("POST", "/api/v1/rooms/"+url.PathEscape(room.ID)+"/messages", `{"server":0,"body":"traced"}`, nil)
	spans := make(map[named]bool)
	handled := func() bool {
		for s := range spans {
			link := named{"hs0", "link hs0-hs2", s.trace}
			if s.span == "handle at hs2" && s.service == "hs2" && (spans[link] || spans[named{"hs1", "link hs1-hs2", s.trace}]) {
				return true
			}
		}
		return false
	}
	patience := time.After(time.Minute)
	for !handled() {
		select {
		case s := <-told:
			spans[s] = true
		case <-patience:
			var all []string
			for s := range spans {
				all = append(all, s.service+": "+s.span)
			}
			t.Fatalf("no event's way to hs2 was told of, only %s", strings.Join(all, ", "))
		}
	}
}
