package federation

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

// ask makes an unsigned request to server b.
func ask(m *mesh, method, uri, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	m.peers["b"].Handler.ServeHTTP(rec, httptest.NewRequest(method, uri, strings.NewReader(body)))
	return rec
}

// notarizedBy checks that an answer has the key documents of servers, each with its own and b's signature.
func notarizedBy(m *mesh, rec *httptest.ResponseRecorder, servers ...string) {
	m.t.Helper()
	var answer keyAnswer
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusOK {
		m.t.Fatalf("answered %d %s", rec.Code, rec.Body)
	}
	if len(answer.Servers) != len(servers) {
		m.t.Fatalf("keys of %d servers, want those of %v: %s", len(answer.Servers), servers, rec.Body)
	}
	for _, server := range servers {
		found := false
		for _, raw := range answer.Servers {
			var doc serverKeys
			if err := json.Unmarshal(raw, &doc); err != nil {
				m.t.Fatal(err)
			}
			if doc.ServerName != server {
				continue
			}
			found = true
			for _, signer := range []string{server, "b"} {
				id := m.peers[signer].Handler.identity
				if err := matrix.VerifyJSON(raw, matrix.ServerName(signer), matrix.KeyID(id.KeyID), id.Key.Public().(ed25519.PublicKey)); err != nil {
					m.t.Errorf("the keys of %s: %v", server, err)
				}
			}
		}
		if !found {
			m.t.Errorf("the keys of %s are missing", server)
		}
	}
}

func TestNotary(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		const many = `{"server_keys":{"a":{},"b":{},"c":{"ed25519:1":{"minimum_valid_until_ts":1}},"gone":{}}}`
		notarizedBy(m, ask(m, http.MethodPost, "/_matrix/key/v2/query", many), "a", "b", "c")
		notarizedBy(m, ask(m, http.MethodGet, "/_matrix/key/v2/query/a", ""), "a")
		notarizedBy(m, ask(m, http.MethodPost, "/_matrix/key/v2/query", `{"server_keys":{}}`))
		if n := m.requests(); n != 3 {
			t.Errorf("%d requests for the keys of a, c and a server that is not there", n)
		}
		// What is kept is worth something when the server is gone.
		m.isolate("a")
		time.Sleep(time.Hour)
		notarizedBy(m, ask(m, http.MethodGet, "/_matrix/key/v2/query/a", ""), "a")
		future := time.Now().Add(2 * keyValidity).UnixMilli()
		later := fmt.Sprintf("/_matrix/key/v2/query/a?minimum_valid_until_ts=%d", future)
		notarizedBy(m, ask(m, http.MethodGet, later, ""), "a")
		m.heal()
		// Who wants keys that are valid for longer than any are does not make the notary ask again and again.
		before := m.requests()
		time.Sleep(keyRetry)
		for range 10 {
			notarizedBy(m, ask(m, http.MethodGet, later, ""), "a")
		}
		if n := m.requests() - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
	}, "a", "b", "c")
}

// silence answers nothing, and counts who waits for it.
type silence struct {
	mu             sync.Mutex
	now, most, all int
}

func (s *silence) RoundTrip(req *http.Request) (*http.Response, error) {
	s.count(1)
	<-req.Context().Done()
	s.count(-1)
	return nil, req.Context().Err()
}

func (s *silence) count(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += by
	s.most, s.all = max(s.most, s.now), s.all+max(by, 0)
}

// TestNotaryAsksFewAtATime: nobody can make a notary open as many connections as they like.
func TestNotaryAsksFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far silence
		peer := New(Config{Server: homeserver.Config{Name: "b", KeyID: "ed25519:1", Key: testIdentity("b").Key}, Transport: &far})
		t.Cleanup(peer.Close)
		var group sync.WaitGroup
		for request := range 3 {
			names := make([]string, maxNotaryQuery)
			for i := range names {
				names[i] = fmt.Sprintf(`"s%d-%d":{}`, request, i)
			}
			body := strings.NewReader(`{"server_keys":{` + strings.Join(names, ",") + `}}`)
			group.Go(func() {
				rec := httptest.NewRecorder()
				peer.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/_matrix/key/v2/query", body))
				if rec.Code != http.StatusOK || strings.TrimSpace(rec.Body.String()) != `{"server_keys":[]}` {
					t.Errorf("answered %d %s", rec.Code, rec.Body)
				}
			})
		}
		group.Wait()
		if far.most != notaryWidth {
			t.Errorf("%d servers were asked at the same time, %d may be", far.most, notaryWidth)
		}
	})
}

// TestNotaryAsksOnceForMany: those who waited for their turn and find that somebody has asked meanwhile do not ask again. One who
// hangs up has learned nothing of the server.
func TestNotaryAsksOnceForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far silence
		peer := New(Config{Server: homeserver.Config{Name: "b", KeyID: "ed25519:1", Key: testIdentity("b").Key}, Transport: &far})
		t.Cleanup(peer.Close)
		ask := func(ctx context.Context, server string) {
			req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/_matrix/key/v2/query/"+server, nil)
			peer.Handler.ServeHTTP(httptest.NewRecorder(), req)
		}
		var group sync.WaitGroup
		for range 5 * notaryWidth {
			group.Go(func() { ask(t.Context(), "c") })
		}
		group.Wait()
		if far.all > notaryWidth {
			t.Errorf("a server was asked %d times", far.all)
		}
		before := far.all
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		ask(ctx, "d")
		ask(t.Context(), "d")
		if n := far.all - before; n != 2 {
			t.Errorf("after one who has hung up, a server was asked %d times", n)
		}
	})
}

func TestNotaryRefuses(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var names []string
		for i := range maxNotaryQuery + 1 {
			names = append(names, fmt.Sprintf(`"s%d":{}`, i))
		}
		for slug, body := range map[string]string{
			"no-json":        `{"server_keys":`,
			"wrong-form":     `{"server_keys":[]}`,
			"no-server-name": `{"server_keys":{"a b":{}}}`,
			"too-many":       `{"server_keys":{` + strings.Join(names, ",") + `}}`,
		} {
			if rec := ask(m, http.MethodPost, "/_matrix/key/v2/query", body); rec.Code != http.StatusBadRequest {
				t.Errorf("%s: answered %d %s", slug, rec.Code, rec.Body)
			}
		}
		if n := m.requests(); n != 0 {
			t.Errorf("%d servers were asked", n)
		}
	}, "a", "b")
}
