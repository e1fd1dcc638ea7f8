package gateway

import (
	"net/http"
	"testing"
)

func TestOrigin(t *testing.T) {
	cases := []struct{ slug, header, want string }{
		{"quoted", `X-Matrix origin="hs1",destination="hs2",key="ed25519:1",sig="abc"`, "hs1"},
		{"bare", `X-Matrix origin=hs1,key="ed25519:1",sig="abc"`, "hs1"},
		{"spaces-and-case", `X-Matrix key="ed25519:1", Origin="hs1"`, "hs1"},
		{"missing", `X-Matrix key="ed25519:1"`, ""},
		{"other-scheme", `Bearer origin="hs1"`, ""},
		{"empty", "", ""},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			req := &http.Request{Header: http.Header{"Authorization": {c.header}}}
			if got := origin(req); got != c.want {
				t.Errorf("origin %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add(`X-Matrix origin="hs1",destination="hs2"`)
	f.Fuzz(func(t *testing.T, header string) {
		_ = origin(&http.Request{Header: http.Header{"Authorization": {header}}})
	})
}

func FuzzRefusedEvents(f *testing.F) {
	f.Add([]byte(`{"pdus":{"$a":{"error":"no"},"$b":{}}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		for id, refused := range refusedEvents(answer) {
			if refused && id == "" && len(answer) < len(`{"pdus":{"":{"error":"x"}}}`) {
				t.Errorf("an event was refused by %q", answer)
			}
		}
	})
}
