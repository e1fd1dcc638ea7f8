package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
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

// That a homeserver sends events past its gateway is noticed where they are received: not by what carries none, nor what the
// receiver refuses, and never where some have passed.
func TestBypassIsNoticed(t *testing.T) {
	const send = "/_matrix/federation/v1/send/1"
	for _, c := range []struct {
		slug, method, path, from string
		status                   int
		through                  bool
		noticed                  bool
	}{
		{slug: "events", method: "PUT", path: send, from: "hs0", status: 200, noticed: true},
		{slug: "join", method: "PUT", path: "/_matrix/federation/v2/send_join/!r/$e", from: "hs0", status: 200, noticed: true},
		{slug: "refused", method: "PUT", path: send, from: "hs0", status: 401},
		{slug: "others", method: "PUT", path: send, from: "hs2", status: 200},
		{slug: "nobody", method: "PUT", path: send, status: 200},
		{slug: "passed-before", method: "PUT", path: send, from: "hs0", status: 200, through: true},
		{slug: "keys", method: "GET", path: "/_matrix/key/v2/server", status: 200},
		{slug: "well-known", method: "GET", path: "/.well-known/matrix/server", status: 200},
		{slug: "question", method: "GET", path: "/_matrix/federation/v1/event/$e", from: "hs0", status: 200},
	} {
		for _, reports := range []bool{false, true} {
			t.Run(fmt.Sprint(c.slug, "-", reports), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					h := func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(c.status) }
					sender, stop := w.gateway(0, nil)
					defer stop()
					receiver, stopPeer := w.gateway(1, h, func(cfg *Config) { cfg.ReportReceived = reports })
					defer stopPeer()
					if c.through {
						if _, err := sendTxn(t, sender, "hs1", "t"); err != nil {
							t.Fatal(err)
						}
					}
					req := httptest.NewRequest(c.method, c.path, strings.NewReader("{}"))
					if c.from != "" {
						req.Header.Set("Authorization", `X-Matrix origin="`+c.from+`",key="ed25519:1",sig="x"`)
					}
					receiver.observeHandler(http.HandlerFunc(h)).ServeHTTP(httptest.NewRecorder(), req)
					noticed := false
					select {
					case <-sender.Bypassed():
						noticed = true
					default:
					}
					if noticed != c.noticed {
						t.Errorf("noticed: %v, want %v", noticed, c.noticed)
					}
				})
			})
		}
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

// A body that is too long to be looked at reaches the homeserver all the same, and nothing of it is kept.
func TestLongBodiesPassUnobserved(t *testing.T) {
	const length = 2 * maxObserved
	g := &Gateway{log: slog.New(slog.DiscardHandler)}
	var got int64
	var most int64
	h := http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		most = g.budget.kept.Load()
		got, _ = io.Copy(io.Discard, req.Body)
	})
	body := io.LimitReader(endless{}, length)
	g.reportReceived(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/_matrix/federation/v1/send/1", body), h)
	if got != length {
		t.Errorf("the homeserver got %d bytes, want %d", got, length)
	}
	if left := g.budget.kept.Load(); most != maxObserved || left != 0 {
		t.Errorf("%d bytes were kept and then %d, want %d and none", most, left, maxObserved)
	}
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A gateway keeps no more of all bodies than its budget, whatever is under way; what is beyond passes on.
func TestKeptBodiesAreBounded(t *testing.T) {
	var b budget
	var kept []body
	for range 2 * maxKept / maxObserved {
		begun, err := b.keep(io.LimitReader(endless{}, maxObserved), maxObserved)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, begun)
		if now := b.kept.Load(); now > maxKept {
			t.Fatalf("%d bytes are kept, the bound is %d", now, maxKept)
		}
	}
	for _, begun := range kept {
		if n, err := io.Copy(io.Discard, begun.reader()); n != maxObserved || err != nil {
			t.Errorf("%d bytes can be read, %v", n, err)
		}
		begun.release()
	}
	if left := b.kept.Load(); left != 0 {
		t.Errorf("%d bytes are kept for nothing", left)
	}
}

// An answer of /send to 50 PDUs that were all refused is read to its end.
func TestLongAnswerIsRead(t *testing.T) {
	results := map[string]map[string]string{}
	for i := range 50 {
		results[fmt.Sprint("$", i)] = map[string]string{"error": strings.Repeat("x", 4<<10)}
	}
	rec := &recorder{ResponseWriter: httptest.NewRecorder(), budget: &budget{}}
	if err := json.NewEncoder(rec).Encode(map[string]any{"pdus": results}); err != nil {
		t.Fatal(err)
	}
	if refused := refusedEvents(rec.body.Bytes()); len(refused) != 50 {
		t.Errorf("%d events are known to be refused, want 50", len(refused))
	}
}
