package federation

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
