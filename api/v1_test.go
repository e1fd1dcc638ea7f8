package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServersLifeCycle(t *testing.T) {
	h := newHarness(t)
	var server Server
	h.must("POST", "/api/v1/servers", `{"x":10,"y":-20.5,"name":"alpha"}`, &server)
	want := Server{
		ID: 0, Name: "alpha", Kind: "fake", X: 10, Y: -20.5, State: server.State,
		ClientURL: "http://alpha.localhost:3000", IPv4: "10.0.0.1", IPv6: "fd6d:6573:6873::1",
	}
	if diff := cmp.Diff(want, server); diff != "" {
		t.Error(diff)
	}
	if _, err := h.mesh.WaitRunning(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		action string
		states string // that may follow
		status int
	}{
		{"pause", "paused", 200},
		{"pause", "", 409},
		{"resume", "running", 200},
		{"resume", "", 409},
		{"start", "", 409},
		{"restore", "", 409},
		{"stop", "stopping stopped", 200},
	} {
		status, answer := h.request("POST", "/api/v1/servers/0/"+step.action, "")
		if status != step.status {
			t.Fatalf("%s: %d %s", step.action, status, answer)
		}
		if status != 200 {
			continue
		}
		var now Server
		if err := json.Unmarshal([]byte(answer), &now); err != nil || !strings.Contains(step.states, now.State) {
			t.Errorf("%s: state is %q, want one of %q", step.action, now.State, step.states)
		}
	}
	h.must("PATCH", "/api/v1/servers/0", `{"x":99}`, &server)
	if server.X != 99 || server.Y != -20.5 {
		t.Errorf("moved to %v, %v", server.X, server.Y)
	}
	h.must("DELETE", "/api/v1/servers/0", "", &server)
	if err := h.mesh.WaitGone(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	h.must("POST", "/api/v1/servers/0/restore", "", &server)
	if server.Name != "alpha" {
		t.Errorf("restored as %+v", server)
	}
	var all []Server
	h.must("GET", "/api/v1/servers", "", &all)
	if len(all) != 1 {
		t.Errorf("%d servers, want 1", len(all))
	}
}

func TestFailedServerSaysWhy(t *testing.T) {
	h := newHarness(t)
	h.must("POST", "/api/v1/servers", `{"x":0,"y":0,"kind":"failing"}`, nil)
	if _, err := h.mesh.WaitRunning(t.Context(), 0); err == nil {
		t.Fatal("it runs")
	}
	var server Server
	h.must("GET", "/api/v1/servers/0", "", &server)
	if server.State != "failed" || server.Reason != "it never starts" || len(server.Log) != 2 {
		t.Errorf("server is %+v", server)
	}
}

func TestSettingsRoundTrip(t *testing.T) {
	h := newHarness(t)
	text := `{"bandwidth":"unlimited","decay_bandwidth":false,"max_latency_ms":250.5,"min_bandwidth":100,"jitter_pct":1.5,` +
		`"loss_pct":2,"cost_function":"cost_max_bandwidth","latency_scale_pct":50,"neighbours":3,"client_latency_ms":7,` +
		`"client_bandwidth":9600,"client_jitter_pct":4,"client_loss_pct":5}`
	h.must("PUT", "/api/v1/settings", text, nil)
	_, answer := h.request("GET", "/api/v1/settings", "")
	if got := compact(t, answer); got != text {
		t.Errorf("got    %s\nwanted %s", got, text)
	}
}

func TestPinsAreMirrored(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	pins := `{"pins_ab":{"latency_ms":5,"bandwidth":"unlimited","jitter_pct":2,"loss_pct":3,"jitter_distribution":"paretonormal",` +
		`"jitter_correlation_pct":29,"burst":{"p_pct":29,"r_pct":57,"loss_good_pct":0,"loss_bad_pct":58},"duplicate_pct":1,` +
		`"reorder_pct":2,"corrupt_pct":3,"queue_bytes":4000,"overhead_bytes":14,"mtu":1400},"pins_ba":{"latency_ms":7},"cut":true,"linked":true}`
	_, answer := h.request("PUT", "/api/v1/links/1/0", pins)
	if got := compact(t, answer); got != pins {
		t.Errorf("got    %s\nwanted %s", got, pins)
	}
	var link Link
	h.must("GET", "/api/v1/links/1/0", "", &link)
	if link.A != 0 || link.B != 1 || *link.PinsAB.LatencyMS != 7 || *link.PinsBA.LatencyMS != 5 || !link.Cut {
		t.Errorf("link is %+v", link)
	}
	back, err := json.Marshal(link.PinsBA)
	if err != nil || !strings.Contains(pins, string(back)) {
		t.Errorf("the pins from 1 to 0 came back as %s", back)
	}
	h.must("PATCH", "/api/v1/servers/1", `{"x":60}`, nil)
	h.must("PUT", "/api/v1/links/0/1", `{}`, nil)
	h.must("GET", "/api/v1/links/0/1", "", &link)
	if link.Cut || link.AB.LatencyMS != 60 {
		t.Errorf("link is %+v", link)
	}
}

func TestPinThatUnmakesItsLinkIsFoundAndUndone(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	h.must("PUT", "/api/v1/links/0/1", `{"pins_ab":{"latency_ms":1500},"pins_ba":{"latency_ms":1500}}`, nil)
	status, answer := h.request("GET", "/api/v1/links/0/1", "")
	if status != 404 || !strings.Contains(answer, "PUT {} here") {
		t.Errorf("the pinned pair: %d %s", status, answer)
	}
	h.must("PUT", "/api/v1/links/0/1", `{}`, nil)
	h.must("GET", "/api/v1/links/0/1", "", nil)
}

func TestPathsAndCounters(t *testing.T) {
	h := newHarness(t)
	h.servers(3)
	h.must("PUT", "/api/v1/links/0/2", `{"cut":true}`, nil)
	var path PathInfo
	h.must("GET", "/api/v1/paths/0/2", "", &path)
	if diff := cmp.Diff([]int{0, 1, 2}, path.Nodes); diff != "" || path.RTTMS != 200 {
		t.Errorf("path is %+v", path)
	}
	var counters []LinkCounters
	h.must("GET", "/api/v1/links/1/0/counters", "", &counters)
	if diff := cmp.Diff([]LinkCounters{{From: 1, To: 0}, {From: 0, To: 1}}, counters); diff != "" {
		t.Error(diff)
	}
}

func TestTalk(t *testing.T) {
	h := newHarness(t)
	h.servers(3)
	var room Room
	h.must("POST", "/api/v1/rooms", `{"name":"lobby","creator":1,"members":[0,2,0,1]}`, &room)
	if room.Creator != 1 || room.Version != "12" || len(room.Members) != 3 {
		t.Errorf("room is %+v", room)
	}
	var rooms []Room
	for {
		changed := h.talk.Changed()
		h.must("GET", "/api/v1/rooms", "", &rooms)
		if strings.Count(mustJSON(t, rooms), `"joined"`) == 3 {
			break
		}
		within(t, changed)
	}
	address := "/api/v1/rooms/" + url.PathEscape(room.ID)
	var sent SentMessage
	h.must("POST", address+"/messages", `{"server":2,"body":"hello"}`, &sent)
	h.must("POST", address+"/messages", `{"server":0,"body":"hi"}`, nil)
	var messages []Message
	h.must("GET", address+"/messages?server=1&limit=10", "", &messages)
	want := []Message{
		{EventID: sent.EventID, Type: "m.room.message", Sender: "@matthew:hs2", Body: "hello", TS: 1700000000000},
		{EventID: "$event1", Type: "m.room.message", Sender: "@matthew:hs0", Body: "hi", TS: 1700000000001},
	}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Error(diff)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPinsOfUnlinkedPairsAreListed(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	var moved Server
	h.must("PATCH", "/api/v1/servers/1", `{"x":5000}`, &moved)
	h.must("PUT", "/api/v1/links/0/1", `{"pins_ab":{"loss_pct":3},"linked":true}`, nil)
	var link Link
	h.must("GET", "/api/v1/links/0/1", "", &link)
	if !link.Linked || link.AB.LatencyMS != 5000 {
		t.Errorf("the pair that is pinned as linked: %+v", link)
	}
	h.must("PUT", "/api/v1/links/1/0", `{"pins_ab":{"loss_pct":3}}`, nil)
	if status, _ := h.request("GET", "/api/v1/links/0/1", ""); status != 404 {
		t.Errorf("the link is still there: %d", status)
	}
	_, pins := h.request("GET", "/api/v1/pins", "")
	want := `[{"a":0,"b":1,"pins_ab":{},"pins_ba":{"loss_pct":3},"cut":false,"linked":false}]`
	if got := compact(t, pins); got != want {
		t.Errorf("got    %s\nwanted %s", got, want)
	}
}
