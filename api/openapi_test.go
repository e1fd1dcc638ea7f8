package api

import (
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write openapi.json")

func TestOpenAPIIsCurrent(t *testing.T) {
	want, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("openapi.json is not what the types say; run: go test ./api -run OpenAPI -update\n%s", diff)
	}
}

// TestPathParametersAreDeclared finds operations that never see a part of their address: huma does not look
// into embedded structs that are not exported.
func TestPathParametersAreDeclared(t *testing.T) {
	document := newV1(http.NewServeMux(), &v1{}).OpenAPI()
	for path, item := range document.Paths {
		for method, op := range map[string]*huma.Operation{
			"GET": item.Get, "PUT": item.Put, "POST": item.Post, "PATCH": item.Patch, "DELETE": item.Delete,
		} {
			if op == nil {
				continue
			}
			declared := 0
			for _, p := range op.Parameters {
				if p.In == "path" {
					declared++
				}
			}
			if want := strings.Count(path, "{"); declared != want {
				t.Errorf("%s %s declares %d path parameters, want %d", method, path, declared, want)
			}
		}
	}
}
