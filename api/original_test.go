package api

import (
	"strings"
	"testing"

	"github.com/coder/websocket"

	"meshsim/mesh"
)

// TestOriginalGolden plays what the old page and its scripts do, and compares every answer word by word.
func TestOriginalGolden(t *testing.T) {
	h := newHarness(t)
	steps := []struct {
		method, path, body string
		status             int
		answer             string // of 200: exactly
	}{
		{"GET", "/data", "", 200, `{"links":[],"nodes":[]}`},
		{"POST", "/server", `{"x":120,"y":562}`, 200, `{"id":0}`},
		{"POST", "/server", `{"x":"220","y":562.5}`, 200, `{"id":1}`},
		{"GET", "/data", "", 200, `{"links":[{"source":0,"target":1,"bandwidth":341331,"latency":100.001,"jitter":0,"packet_loss":0}],` +
			`"nodes":[{"name":0,"x":120,"y":562},{"name":1,"x":220,"y":562.5}]}`},
		{"PUT", "/server/1/position", `{"x":130,"y":562}`, 200, ""},
		{"PUT", "/link/1/0/latency", `{"latency":"50"}`, 200, ""},
		{"PUT", "/link/0/1/bandwidth", `{"bandwidth":9600}`, 200, ""},
		{"PUT", "/link/0/1/jitter", `{"jitter":"12.5"}`, 200, ""},
		{"PUT", "/link/0/1/packet_loss", `{"packet_loss":3}`, 200, ""},
		{"GET", "/data", "", 200, `{"links":[{"source":0,"target":1,"bandwidth":9600,"latency":50,"jitter":12.5,"packet_loss":3,` +
			`"overrides":{"bandwidth":true,"jitter":true,"latency":true,"packet_loss":true}}],` +
			`"nodes":[{"name":0,"x":120,"y":562},{"name":1,"x":130,"y":562}]}`},
		{"GET", "/costs", "", 200, `{"0":{"0":0,"1":50},"1":{"0":50,"1":0}}`},
		{"DELETE", "/link/1/0/latency", "", 200, ""},
		{"DELETE", "/link/0/1/bandwidth", "", 200, ""},
		{"DELETE", "/link/0/1/jitter", "", 200, ""},
		{"GET", "/data", "", 200, `{"links":[{"source":0,"target":1,"bandwidth":494933,"latency":10,"jitter":0,"packet_loss":3,` +
			`"overrides":{"packet_loss":true}}],"nodes":[{"name":0,"x":120,"y":562},{"name":1,"x":130,"y":562}]}`},
		{"GET", "/defaults", "", 200, `{"bandwidth":512000,"decay_bandwidth":true,"max_latency":300,"min_bandwidth":0,"jitter":0,` +
			`"packet_loss":0,"cost_function":"cost_min_latency","latency_scale":100,"client_latency":0,"client_bandwidth":512000,` +
			`"client_jitter":0,"client_loss":0}`},
		{"PUT", "/defaults", `{"bandwidth":"256000","decay_bandwidth":false,"max_latency":"400","min_bandwidth":"100","jitter":"1",` +
			`"packet_loss":"2.5","cost_function":"cost_max_bandwidth","latency_scale":"200","client_latency":"5",` +
			`"client_bandwidth":"100000000000","client_jitter":"6","client_loss":"7"}`, 200, ""},
		{"GET", "/defaults", "", 200, `{"bandwidth":256000,"decay_bandwidth":false,"max_latency":400,"min_bandwidth":100,"jitter":1,` +
			`"packet_loss":2.5,"cost_function":"cost_max_bandwidth","latency_scale":200,"client_latency":5,` +
			`"client_bandwidth":100000000000,"client_jitter":6,"client_loss":7}`},
		{"PUT", "/defaults", `{"jitter":0}`, 200, ""},
		{"GET", "/", "", 200, "<title>meshsim</title>"},
	}
	for _, step := range steps {
		status, answer := h.request(step.method, step.path, step.body)
		if strings.HasPrefix(answer, "{") {
			answer = compact(t, answer)
		}
		if status != step.status || answer != step.answer {
			t.Errorf("%s %s %s\nanswered %d %s\nwanted   %d %s", step.method, step.path, step.body, status, answer, step.status, step.answer)
		}
	}
}

func TestOriginalKeepsTombstones(t *testing.T) {
	h := newHarness(t)
	h.servers(3)
	if err := h.mesh.Remove(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := h.mesh.WaitGone(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var data struct {
		Nodes []originalNode
		Links []originalLink
	}
	h.must("GET", "/data", "", &data)
	want := originalNode{Name: 1, X: tombstone, Y: tombstone, Removed: true}
	if len(data.Nodes) != 3 || data.Nodes[1] != want {
		t.Errorf("nodes are %+v, want three with %+v at 1", data.Nodes, want)
	}
	if len(data.Links) != 1 || data.Links[0].Source != 0 || data.Links[0].Target != 2 {
		t.Errorf("links are %+v, want one between 0 and 2", data.Links)
	}
}

func TestOriginalServerOfAKindThatFails(t *testing.T) {
	h := newHarness(t)
	status, answer := h.request("POST", "/server", `{"x":1,"y":2,"kind":"failing","name":"alpha"}`)
	if status != 409 || !strings.Contains(answer, "it never starts") {
		t.Errorf("answered %d %s", status, answer)
	}
	status, answer = h.request("POST", "/server", `{"x":1,"y":2,"kind":"fake","name":"beta"}`)
	if status != 200 || strings.TrimSpace(answer) != `{"id":1}` {
		t.Errorf("answered %d %s", status, answer)
	}
	if server, _ := h.mesh.Snapshot().Server(1); server.Name != "beta" || server.State != mesh.Running {
		t.Errorf("the server is %+v", server)
	}
}

func TestOriginalNotifications(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+h.addr+"/event_notifs", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()

	log := func(query string) {
		t.Helper()
		if status, answer := h.request("GET", "/log?"+query, ""); status != 200 || answer != "" {
			t.Fatalf("/log?%s answered %d %s", query, status, answer)
		}
	}
	log(`server=synapse0&msg=SendingPDU&event_id=$a&destinations=["synapse1"]`)
	want(t, conn, `{"event_type":"sending","source":"synapse0","target":"synapse1","path":[0,1],"event":"$a"}`)
	log(`server=synapse1&msg=ReceivedPDU&event_id=$a&origin=synapse0`)
	want(t, conn, `{"event_type":"receive","source":"synapse0","target":"synapse1","event":"$a"}`)
}

func want(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	_, got, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != message {
		t.Errorf("got    %s\nwanted %s", got, message)
	}
}
