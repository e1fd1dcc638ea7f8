package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	cases := []struct{ slug, header, want string }{
		{"quoted", `X-Matrix origin="hs1",destination="hs2",key="ed25519:1",sig="abc"`, "hs1"},
		{"bare", `X-Matrix origin=hs1,key="ed25519:1",sig="abc"`, "hs1"},
		{"spaces-and-case", `X-Matrix key="ed25519:1", Origin="hs1", sig="abc"`, "hs1"},
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

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestBodyWithoutEndIsRefused(t *testing.T) {
	var g Gateway
	w := httptest.NewRecorder()
	g.reportReceived(w, httptest.NewRequest(http.MethodPut, "/_matrix/federation/v1/send/1", endless{}), http.NotFoundHandler())
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

// An answer of /send to 50 PDUs that were all refused is read to its end.
func TestLongAnswerIsRead(t *testing.T) {
	results := map[string]map[string]string{}
	for i := range 50 {
		results[fmt.Sprint("$", i)] = map[string]string{"error": strings.Repeat("x", 4<<10)}
	}
	rec := &recorder{ResponseWriter: httptest.NewRecorder()}
	if err := json.NewEncoder(rec).Encode(map[string]any{"pdus": results}); err != nil {
		t.Fatal(err)
	}
	if refused := refusedEvents(rec.body.Bytes()); len(refused) != 50 {
		t.Errorf("%d events are known to be refused, want 50", len(refused))
	}
}
