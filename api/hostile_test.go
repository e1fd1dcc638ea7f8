package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHostileInput sends what no client should to every endpoint: the right status, a sentence that names
// what was wrong, and nothing changes.
func TestHostileInput(t *testing.T) {
	h := newHarness(t)
	h.servers(3)
	h.must("POST", "/api/v1/rooms", `{"creator":0}`, nil)
	before := h.state()
	for _, c := range append(hostileV1(), hostileOriginal()...) {
		status, answer := h.request(c.method, c.path, c.body)
		if status != c.status {
			t.Errorf("%s %s %.80s\nanswered %d %s, want %d", c.method, c.path, c.body, status, answer, c.status)
			continue
		}
		detail := answer
		if strings.HasPrefix(c.path, "/api/") {
			var problem struct {
				Status        int
				Title, Detail string
			}
			if err := json.Unmarshal([]byte(answer), &problem); err != nil || problem.Status != status || problem.Title == "" {
				t.Errorf("%s %s %.80s\nanswered %s, which is no problem: %v", c.method, c.path, c.body, answer, err)
			}
			detail = problem.Detail
		}
		if !strings.Contains(detail, c.says) {
			t.Errorf("%s %s %.80s\nsays  %q\nwants %q", c.method, c.path, c.body, detail, c.says)
		}
	}
	if diff := cmp.Diff(before, h.state()); diff != "" {
		t.Error("something changed:", diff)
	}
}

// state is everything that could change.
func (h *harness) state() []string {
	var state []string
	for _, path := range []string{"/api/v1/servers", "/api/v1/links", "/api/v1/settings", "/api/v1/rooms", "/data"} {
		_, answer := h.request("GET", path, "")
		state = append(state, answer)
	}
	return state
}

type hostile struct {
	method, path, body string
	status             int
	says               string
}

func hostileV1() []hostile {
	const v = "/api/v1"
	huge := `{"x":1,"y":1,"name":"` + strings.Repeat("a", 2<<20) + `"}`
	cases := []hostile{
		{"POST", v + "/servers", ``, 400, "body"},
		{"POST", v + "/servers", `{"x":1`, 400, "unexpected end"},
		{"POST", v + "/servers", `{"x":1,"y":2}{}`, 400, "after"},
		{"POST", v + "/servers", `[]`, 422, "expected object"},
		{"POST", v + "/servers", `null`, 422, "expected object"},
		{"POST", v + "/servers", `{"x":1}`, 422, "y"},
		{"POST", v + "/servers", `{"x":"1","y":2}`, 422, `x is "1": expected number`},
		{"POST", v + "/servers", `{"x":1e7,"y":2}`, 422, "expected number <= 1e+06"},
		{"POST", v + "/servers", `{"x":1e999,"y":2}`, 400, "1e999"},
		{"POST", v + "/servers", `{"x":NaN,"y":2}`, 400, "invalid character"},
		{"POST", v + "/servers", `{"x":1,"y":2,"colour":"red"}`, 422, "colour"},
		{"POST", v + "/servers", `{"x":1,"y":2,"kind":"unheard-of"}`, 422, "unheard-of"},
		{"POST", v + "/servers", `{"x":1,"y":2,"name":"Not A Host"}`, 422, "Not A Host"},
		{"POST", v + "/servers", `{"x":1,"y":2,"name":"hs7"}`, 422, "hs7"},
		{"POST", v + "/servers", `{"x":1,"y":2,"name":"` + strings.Repeat("a", 64) + `"}`, 422, "name"},
		{"POST", v + "/servers", huge, 413, "large"},
		{"POST", v + "/servers?x=1", `{"x":1,"y":2}`, 422, "unknown query parameter"},
		{"DELETE", v + "/servers", ``, 405, "DELETE"},
		{"GET", v + "/servers/99", ``, 404, "ids are 0 to 2"},
		{"GET", v + "/servers/-1", ``, 422, "id is -1"},
		{"GET", v + "/servers/one", ``, 422, "one"},
		{"GET", v + "/servers/99999999999999999999", ``, 422, "id"},
		{"GET", v + "/servers/1.5", ``, 422, "1.5"},
		{"PATCH", v + "/servers/0", `{"x":"left"}`, 422, `x is "left"`},
		{"PATCH", v + "/servers/0", `{"z":1}`, 422, "z"},
		{"PATCH", v + "/servers/99", `{"x":1}`, 404, "99"},
		{"POST", v + "/servers/0/explode", ``, 404, "explode"},
		{"POST", v + "/servers/99/stop", ``, 404, "99"},
		{"POST", v + "/servers/0/start", ``, 409, "running"},
		{"POST", v + "/servers/0/resume", ``, 409, "running"},
		{"POST", v + "/servers/0/restore", ``, 409, ""},
		{"DELETE", v + "/servers/99", ``, 404, "99"},
		{"PUT", v + "/settings", `{}`, 422, "bandwidth"},
		{"GET", v + "/links/0/0", ``, 422, "two different ends"},
		{"GET", v + "/links/0/99", ``, 404, "99"},
		{"PUT", v + "/links/0/0", `{}`, 422, "two different ends"},
		{"PUT", v + "/links/0/99", `{}`, 404, "99"},
		{"PUT", v + "/links/0/1", `{"pins":{}}`, 422, "pins"},
		{"PUT", v + "/links/0/1", `{"cut":"yes"}`, 422, `cut is "yes"`},
		{"GET", v + "/links/0/99/counters", ``, 404, "99"},
		{"GET", v + "/paths/0/99", ``, 404, "99"},
		{"GET", v + "/paths/0/x", ``, 422, "x"},
		{"POST", v + "/rooms", `{}`, 422, "creator"},
		{"POST", v + "/rooms", `{"creator":99}`, 404, "99"},
		{"POST", v + "/rooms", `{"creator":-1}`, 422, "creator is -1"},
		{"POST", v + "/rooms", `{"creator":0,"members":[1,99]}`, 404, "99"},
		{"POST", v + "/rooms", `{"creator":0,"members":["1"]}`, 422, "members"},
		{"POST", v + "/rooms", `{"creator":0,"name":7}`, 422, "name is 7"},
		{"POST", v + "/rooms/!none/members", `{"servers":[0]}`, 404, "!none"},
		{"POST", v + "/rooms/!room:hs0/members", `{"servers":[99]}`, 404, "99"},
		{"POST", v + "/rooms/!room:hs0/members", `{"servers":[]}`, 422, "servers"},
		{"POST", v + "/rooms/!room:hs0/messages", `{"server":99,"body":"x"}`, 404, "99"},
		{"POST", v + "/rooms/!room:hs0/messages", `{"server":0,"body":""}`, 422, "body"},
		{"POST", v + "/rooms/!room:hs0/messages", `{"server":0,"body":"` + strings.Repeat("a", 70_000) + `"}`, 422, "60000"},
		{"POST", v + "/rooms/!none/messages", `{"server":0,"body":"x"}`, 404, "!none"},
		{"GET", v + "/rooms/!room:hs0/messages", ``, 422, "server"},
		{"GET", v + "/rooms/!room:hs0/messages?server=99", ``, 404, "99"},
		{"GET", v + "/rooms/!room:hs0/messages?server=0&limit=0", ``, 422, "limit is 0"},
		{"GET", v + "/rooms/!room:hs0/messages?server=0&limit=100000", ``, 422, "limit is 100000"},
		{"GET", v + "/captures", ``, 422, "link=0-3"},
		{"GET", v + "/captures?link=0-1&server=0", ``, 422, "either"},
		{"GET", v + "/captures?link=0", ``, 422, "two ids"},
		{"GET", v + "/captures?link=0-99", ``, 404, "99"},
		{"GET", v + "/captures?server=99", ``, 404, "99"},
		{"GET", v + "/captures?server=0&seconds=-1", ``, 422, "seconds is -1"},
		{"GET", v + "/captures?server=0&seconds=NaN", ``, 422, "seconds is NaN"},
		{"GET", v + "/captures?server=0&packets=many", ``, 422, "many"},
		{"POST", v + "/stream", ``, 405, "POST"},
		{"GET", v + "/nothing", ``, 404, "/api/v1/nothing"},
		{"GET", v + "/", ``, 404, "/api/v1/"},
	}
	for _, bad := range []struct{ field, value, says string }{
		{"bandwidth", "0", "from 100 to"},
		{"bandwidth", "-5", "from 100 to"},
		{"bandwidth", "99", "from 100 to"},
		{"bandwidth", "512.5", "from 100 to"},
		{"bandwidth", "1e30", "from 100 to"},
		{"bandwidth", `"fast"`, `\"unlimited\"`},
		{"bandwidth", "null", "from 100 to"},
		{"max_latency_ms", "0", "> 0"},
		{"max_latency_ms", "-1", "> 0"},
		{"max_latency_ms", "1e12", "<="},
		{"min_bandwidth", "-1", ">= 0"},
		{"jitter_pct", "101", "<= 100"},
		{"loss_pct", "-0.1", ">= 0"},
		{"cost_function", `"cost_nothing"`, "cost_max_bandwidth"},
		{"latency_scale_pct", "0", "> 0"},
		{"neighbours", "-1", ">= 0"},
		{"neighbours", "2.5", "integer"},
		{"decay_bandwidth", `"true"`, "boolean"},
		{"client_bandwidth", "0", "from 100 to"},
		{"surprise", "1", "unexpected property"},
	} {
		cases = append(cases, hostile{"PUT", v + "/settings", settingsWith(bad.field, bad.value), 422, strings.ReplaceAll(bad.says, `\"`, `"`)})
	}
	for _, bad := range []struct{ field, value, says string }{
		{"latency_ms", "-1", ">= 0"},
		{"bandwidth", "0", "from 100 to"},
		{"jitter_pct", "101", "<= 100"},
		{"jitter_distribution", `"flat"`, "paretonormal"},
		{"burst", `{"p_pct":1}`, "r_pct"},
		{"queue_bytes", "0", ">= 1"},
		{"mtu", "20", ">= 68"},
		{"mtu", "1e6", "<= 65535"},
		{"overhead_bytes", "-1", ">= 0"},
		{"reorder_pct", `"all"`, "number"},
		{"surprise", "1", "unexpected property"},
	} {
		cases = append(cases, hostile{"PUT", v + "/links/0/1", fmt.Sprintf(`{"pins_ba":{"%s":%s}}`, bad.field, bad.value), 422, bad.says})
	}
	return cases
}

// settingsWith is the default settings with one field set to something.
func settingsWith(field, value string) string {
	fields := map[string]json.RawMessage{
		"bandwidth": json.RawMessage("512000"), "decay_bandwidth": json.RawMessage("true"),
		"max_latency_ms": json.RawMessage("300"), "min_bandwidth": json.RawMessage("0"),
		"jitter_pct": json.RawMessage("0"), "loss_pct": json.RawMessage("0"),
		"cost_function": json.RawMessage(`"cost_min_latency"`), "latency_scale_pct": json.RawMessage("100"),
		"neighbours": json.RawMessage("5"), "client_latency_ms": json.RawMessage("0"),
		"client_bandwidth": json.RawMessage("512000"), "client_jitter_pct": json.RawMessage("0"),
		"client_loss_pct": json.RawMessage("0"),
	}
	fields[field] = json.RawMessage(value)
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func hostileOriginal() []hostile {
	cases := []hostile{
		{"POST", "/server", ``, 400, "no JSON object"},
		{"POST", "/server", `{"x":1,`, 400, "no JSON object"},
		{"POST", "/server", `[1,2]`, 400, "no JSON object"},
		{"POST", "/server", `null`, 400, "null"},
		{"POST", "/server", `{"x":1,"y":2} trailing`, 400, "goes on"},
		{"POST", "/server", `{"x":1}`, 400, "y is missing"},
		{"POST", "/server", `{"x":"left","y":2}`, 400, `x is "left"`},
		{"POST", "/server", `{"x":true,"y":2}`, 400, "x is true"},
		{"POST", "/server", `{"x":"NaN","y":2}`, 400, "NaN"},
		{"POST", "/server", `{"x":"0x10","y":2}`, 400, "0x10"},
		{"POST", "/server", `{"x":1e99,"y":2}`, 400, "-1000000 to 1000000"},
		{"POST", "/server", `{"x":1,"y":2,"kind":"unheard-of"}`, 400, "unheard-of"},
		{"POST", "/server", `{"x":1,"y":2,"kind":7}`, 400, "kind is 7"},
		{"POST", "/server", `{"x":1,"y":2,"name":"hs9"}`, 400, "hs9"},
		{"POST", "/server", `{"x":1,"y":2,"colour":"red"}`, 400, "colour"},
		{"POST", "/server", `{"x":` + strings.Repeat(" ", 2<<20) + `1}`, 413, "large"},
		{"DELETE", "/server", ``, 405, "DELETE"},
		{"PUT", "/server/99/position", `{"x":1,"y":1}`, 404, "99"},
		{"PUT", "/server/-1/position", `{"x":1,"y":1}`, 404, "-1"},
		{"PUT", "/server/zero/position", `{"x":1,"y":1}`, 400, "zero"},
		{"PUT", "/server/0/position", `{"x":1}`, 400, "y is missing"},
		{"PUT", "/defaults", `{"bandwidth":0}`, 400, "bandwidth is 0"},
		{"PUT", "/defaults", `{"bandwidth":"-1"}`, 400, "bandwidth"},
		{"PUT", "/defaults", `{"bandwidth":""}`, 400, "bandwidth"},
		{"PUT", "/defaults", `{"bandwidth":1e13}`, 400, "1000000000000"},
		{"PUT", "/defaults", `{"max_latency":"0"}`, 400, "max_latency"},
		{"PUT", "/defaults", `{"jitter":"101"}`, 400, "0 to 100"},
		{"PUT", "/defaults", `{"jitter":5,"packet_loss":-1}`, 400, "packet_loss"},
		{"PUT", "/defaults", `{"decay_bandwidth":"maybe"}`, 400, "true or false"},
		{"PUT", "/defaults", `{"cost_function":"cost_nothing"}`, 400, "cost_max_bandwidth"},
		{"PUT", "/defaults", `{"cost_function":5}`, 400, "cost_function"},
		{"PUT", "/defaults", `{"latency_scale":0}`, 400, "latency_scale"},
		{"PUT", "/defaults", `{"surprise":1}`, 400, "surprise"},
		{"PUT", "/link/0/1/latency", `{"latency":"-5"}`, 400, "latency"},
		{"PUT", "/link/0/1/latency", `{"jitter":5}`, 400, "jitter"},
		{"PUT", "/link/0/1/latency", `{}`, 400, "latency is missing"},
		{"PUT", "/link/0/1/bandwidth", `{"bandwidth":0}`, 400, "bandwidth is 0"},
		{"PUT", "/link/0/1/packet_loss", `{"packet_loss":"100.5"}`, 400, "0 to 100"},
		{"PUT", "/link/0/1/colour", `{"colour":1}`, 400, "colour"},
		{"PUT", "/link/0/0/latency", `{"latency":5}`, 400, "two different ends"},
		{"PUT", "/link/0/99/latency", `{"latency":5}`, 404, "99"},
		{"PUT", "/link/a/1/latency", `{"latency":5}`, 400, `"a"`},
		{"DELETE", "/link/0/99/latency", ``, 404, "99"},
		{"DELETE", "/link/0/1/colour", ``, 400, "colour"},
		{"GET", "/log", ``, 400, "server"},
		{"GET", "/log?server=hs0&msg=ReceivedPDU&event_id=$a&origin=synapse1", ``, 400, "synapse0, synapse1"},
		{"GET", "/log?server=synapse99&msg=ReceivedPDU&event_id=$a&origin=synapse1", ``, 404, "99"},
		{"GET", "/log?server=synapse0&msg=ReceivedPDU&event_id=$a", ``, 400, "origin"},
		{"GET", "/log?server=synapse0&msg=ReceivedPDU&origin=synapse1", ``, 400, "event_id"},
		{"GET", "/log?server=synapse0&msg=Gossip&event_id=$a", ``, 400, "SendingPDU"},
		{"GET", "/log?server=synapse0&msg=SendingPDU&event_id=$a&destinations=synapse1", ``, 400, "JSON list"},
		{"GET", `/log?server=synapse0&msg=SendingPDU&event_id=$a&destinations=["synapse01"]`, ``, 400, "synapse01"},
		{"GET", "/nothing", ``, 404, "404"},
		{"GET", "/event_notifs", ``, 426, "WebSocket"},
	}
	return cases
}

func FuzzFields(f *testing.F) {
	f.Add(`{"latency":"50"}`, "latency")
	f.Add(`{"bandwidth":1e11}`, "bandwidth")
	f.Add(`{"jitter":" 7 "}`, "jitter")
	f.Add(`{"packet_loss":"1_0"}`, "packet_loss")
	f.Fuzz(func(t *testing.T, text, param string) {
		var body fields
		if json.Unmarshal([]byte(text), &body) != nil {
			return
		}
		pin, err := body.pin(param)
		if err == nil {
			if invalid := pin.Validate(); invalid != nil {
				t.Errorf("%s lets %s pass: %v", param, text, invalid)
			}
		} else if err.Error() == "" {
			t.Error("an error without a sentence")
		}
	})
}

func FuzzBandwidth(f *testing.F) {
	f.Add("512000")
	f.Add(`"unlimited"`)
	f.Add("0")
	f.Add("1e11")
	f.Fuzz(func(t *testing.T, text string) {
		var b Bandwidth
		if json.Unmarshal([]byte(text), &b) != nil {
			return
		}
		again, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var c Bandwidth
		if err := json.Unmarshal(again, &c); err != nil || c != b {
			t.Errorf("%s is %d, written %s, read %d (%v)", text, b, again, c, err)
		}
	})
}
