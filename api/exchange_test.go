package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

func asJSON(t *testing.T, text string) string {
	t.Helper()
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const meshnetTriangle = `{"links": [{"source": "a", "target": "b", "latency": 20},
	{"source": "b", "target": "hs1"}, {"source": "hs1", "target": "hs1"}]}`

func TestImportIsPreviewedAndDone(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	file := `{"text":` + asJSON(t, meshnetTriangle)
	var preview ImportPreview
	h.must("POST", "/api/v1/import/preview", file+"}", &preview)
	if preview.Format != "meshnet-lab" || len(preview.Servers) != 3 || len(preview.Links) != 2 || len(preview.Notes) != 2 {
		t.Errorf("preview: %+v", preview)
	}
	if l := preview.Links[0]; l.LatencyMS != 20 || !l.Pinned || preview.Settings.Neighbours != 0 {
		t.Errorf("preview: %+v", preview)
	}
	var servers []Server
	h.must("GET", "/api/v1/servers", "", &servers)
	if len(servers) != 2 {
		t.Fatalf("a preview has left %d servers", len(servers))
	}
	var done Imported
	h.must("POST", "/api/v1/import", file+`,"x":5000,"y":-50,"settings":true}`, &done)
	if len(done.Servers) != 3 || done.Servers[0].Name != "a" || done.Servers[2].Name != "hs4" {
		t.Fatalf("imported: %+v", done)
	}
	low, high := done.Servers[0].X, done.Servers[0].X
	for _, s := range done.Servers {
		low, high = min(low, s.X), max(high, s.X)
		if _, err := h.mesh.WaitRunning(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
	}
	if (low+high)/2 != 5000 {
		t.Errorf("the middle is at %v", (low+high)/2)
	}
	var links []Link
	h.must("GET", "/api/v1/links", "", &links)
	if len(links) != 2 || links[0].A != 2 || links[0].B != 3 || links[0].BA.LatencyMS != 20 || !links[0].Linked {
		t.Errorf("links: %+v", links)
	}
}

func TestExportsAreImportedAlike(t *testing.T) {
	for _, format := range []string{"meshsim", "meshnet-lab", "graphml", "containerlab"} {
		t.Run(format, func(t *testing.T) {
			h := newHarness(t)
			h.servers(3)
			h.must("PUT", "/api/v1/links/0/1", `{"pins_ab":{"loss_pct":3,"bandwidth":9600}}`, nil)
			status, file := h.request("GET", "/api/v1/export?format="+format, "")
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, file)
			}
			other := newHarness(t)
			other.must("POST", "/api/v1/import", `{"settings":true,"x":50,"text":`+asJSON(t, file)+"}", nil)
			for id := range 3 {
				if _, err := other.mesh.WaitRunning(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			var want, got []Link
			h.must("GET", "/api/v1/links", "", &want)
			other.must("GET", "/api/v1/links", "", &got)
			if len(got) != len(want) {
				t.Fatalf("links: %+v, want %+v", got, want)
			}
			for i := range want {
				if got[i].AB != want[i].AB || got[i].BA != want[i].BA {
					t.Errorf("link %+v, want %+v", got[i], want[i])
				}
			}
		})
	}
}

func TestImportsThatAreRefused(t *testing.T) {
	h := newHarness(t)
	for _, c := range []struct{ body, says string }{
		{`{"text":"servers: 5"}`, "meshsim: line 1"},
		{`{"text":""}`, "no servers"},
		{`{"text":"{","format":"dot"}`, "format"},
		{`{"text":"servers: [{at: [0, 0], kind: mainframe}]"}`, "mainframe"},
		{`{}`, "text"},
	} {
		for _, path := range []string{"/api/v1/import/preview", "/api/v1/import"} {
			status, answer := h.request("POST", path, c.body)
			if status/100 != 4 || !strings.Contains(answer, c.says) {
				t.Errorf("%s %s: %d %s, want %q in it", path, c.body, status, answer, c.says)
			}
		}
	}
	far := `{"x":1000000,"text":"servers: [{at: [0, 0]}, {at: [9000, 0]}]"}`
	if status, answer := h.request("POST", "/api/v1/import", far); status != 422 || !strings.Contains(answer, "1.0045e+06") {
		t.Errorf("off the canvas: %d %s", status, answer)
	}
	if status, _ := h.request("GET", "/api/v1/export?format=dot", ""); status != 422 {
		t.Errorf("export as dot: %d", status)
	}
	var servers []Server
	h.must("GET", "/api/v1/servers", "", &servers)
	if len(servers) != 0 {
		t.Errorf("something was added: %+v", servers)
	}
}

func TestImportsAreReadFewAtATime(t *testing.T) {
	h := newHarness(t)
	slots := h.front.streams.v1.imports
	for range maxImports {
		if !slots.enter() {
			t.Fatal("no slot is free at first")
		}
	}
	body := `{"text":"servers: [{at: [0, 0]}]"}`
	if status, answer := h.request("POST", "/api/v1/import/preview", body); status != http.StatusTooManyRequests {
		t.Errorf("while others are read: %d %s", status, answer)
	}
	for range maxImports {
		slots.leave()
	}
	h.must("POST", "/api/v1/import/preview", body, nil)
}

func TestReadingEndsWithItsRequest(t *testing.T) {
	v := newHarness(t).front.streams.v1
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	source := ImportSource{Text: `{"links": [{"source": "a", "target": "b"}]}`}
	if _, err := v.previewImport(gone, &struct{ Body ImportSource }{source}); err == nil || err.(huma.StatusError).GetStatus() != http.StatusServiceUnavailable {
		t.Errorf("a preview that nobody waits for: %v", err)
	}
	if _, err := v.doImport(gone, &struct{ Body NewImport }{NewImport{ImportSource: source}}); err == nil {
		t.Error("an import that nobody waits for was made")
	}
	if len(v.imports) > 0 || len(v.mesh.Snapshot().Servers) > 0 {
		t.Errorf("%d are still read, the mesh has %d servers", len(v.imports), len(v.mesh.Snapshot().Servers))
	}
}

func TestPreviewOfTooManyLinksIsRefused(t *testing.T) {
	h := newHarness(t)
	file := "settings: {neighbours: 1000, max_latency: 24h}\nservers:\n" + strings.Repeat("  - {at: [0, 0]}\n", 700)
	status, answer := h.request("POST", "/api/v1/import/preview", `{"text":`+asJSON(t, file)+"}")
	if status != http.StatusUnprocessableEntity || !strings.Contains(answer, "link 244650 pairs") {
		t.Errorf("%d %s", status, answer)
	}
}

func TestExamplesCanBeImported(t *testing.T) {
	h := newHarness(t)
	var examples []Example
	h.must("GET", "/api/v1/examples", "", &examples)
	if len(examples) == 0 {
		t.Fatal("there are none")
	}
	for _, e := range examples {
		var preview ImportPreview
		h.must("POST", "/api/v1/import/preview", `{"text":`+asJSON(t, e.Text)+"}", &preview)
		if len(preview.Servers) == 0 || len(preview.Links) == 0 {
			t.Errorf("%s: %+v", e.Name, preview)
		}
	}
}
