package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestImportAndExport(t *testing.T) {
	p := start(t)
	file := filepath.Join(t.TempDir(), "ring.json")
	ring := `{"links": [{"source": "a", "target": "b", "latency": 5}, {"source": "b", "target": "c"}, {"source": "c", "target": "a"}]}`
	if err := os.WriteFile(file, []byte(ring), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := p.remotely("import", "--settings", file); err != nil || out != "3 servers were added.\n" {
		t.Errorf("import: %q, %v", out, err)
	}
	for format, has := range map[string]string{"meshsim": "latency: 5ms", "graphml": "<graphml", "containerlab": "topology:", "meshnet-lab": `"nodes"`} {
		if out, err := p.remotely("export", "--format", format); err != nil || !strings.Contains(out, has) {
			t.Errorf("export as %s: %v, no %q in\n%s", format, err, has, out)
		}
	}
	for args, says := range map[string]string{
		"import nothing.json":         "no such file",
		"import --format dot nothing": `--format is "dot": it must be meshsim, meshnet-lab, graphml or containerlab`,
		"export --format dot":         `--format is "dot": it must be meshsim, meshnet-lab, graphml or containerlab`,
		"import exchange_test.go":     "this is no mesh file (line 13: ",
		"import":                      "accepts 1 arg",
	} {
		if out, err := p.remotely(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("meshsim %s: %q, %v, want %q", args, out, err, says)
		}
	}
}
