package federation

import (
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/matrix"
)

// signedFrom is a request of server "a" to server "b", signed over what the arguments say.
func signedFrom(m *mesh, method, uri, destination, body string) *http.Request {
	id := m.peers["a"].Handler.identity
	var content []byte
	if body != "" {
		content, _ = matrix.CanonicalJSONLenient([]byte(body))
	}
	message, err := signedRequest(method, uri, "a", destination, content)
	if err != nil {
		m.t.Fatal(err)
	}
	req := httptest.NewRequest(method, uri, strings.NewReader(body))
	req.Header.Set("Authorization", matrix.XMatrix{
		Origin: "a", Destination: destination, Key: id.KeyID, Signature: matrix.EncodeBase64(ed25519.Sign(id.Key, message)),
	}.String())
	return req
}

func status(m *mesh, req *http.Request) int {
	rec := httptest.NewRecorder()
	m.peers["b"].Handler.ServeHTTP(rec, req)
	return rec.Code
}

func TestRequestsAreAuthenticated(t *testing.T) {
	const uri, body = "/_matrix/federation/v1/send/1?x=%20y", `{"pdus":[]}`
	tests := map[string]struct {
		want   int
		change func(m *mesh, req *http.Request) *http.Request
	}{
		"right": {200, func(_ *mesh, req *http.Request) *http.Request { return req }},
		"without-destination": {200, func(_ *mesh, req *http.Request) *http.Request {
			req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), `destination="b",`, "", 1))
			return req
		}},
		"one-of-two-headers": {200, func(_ *mesh, req *http.Request) *http.Request {
			right := req.Header.Get("Authorization")
			req.Header.Set("Authorization", `X-Matrix origin="a",key="ed25519:0",sig="AAAA"`)
			req.Header.Add("Authorization", right)
			return req
		}},
		"no-header": {401, func(_ *mesh, req *http.Request) *http.Request {
			req.Header.Del("Authorization")
			return req
		}},
		"for-another-server": {401, func(m *mesh, _ *http.Request) *http.Request {
			return signedFrom(m, http.MethodPut, uri, "c", body)
		}},
		"another-path": {401, func(_ *mesh, req *http.Request) *http.Request {
			other := httptest.NewRequest(http.MethodPut, "/_matrix/federation/v1/send/2", strings.NewReader(body))
			other.Header = req.Header
			return other
		}},
		"another-body": {401, func(_ *mesh, req *http.Request) *http.Request {
			other := httptest.NewRequest(http.MethodPut, uri, strings.NewReader(`{"pdus":[],"edus":[]}`))
			other.Header = req.Header
			return other
		}},
		"origin-without-keys": {401, func(_ *mesh, req *http.Request) *http.Request {
			req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), `origin="a"`, `origin="gone"`, 1))
			return req
		}},
		"unknown-key": {401, func(_ *mesh, req *http.Request) *http.Request {
			req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), `ed25519:1`, `ed25519:2`, 1))
			return req
		}},
		"no-json": {400, func(m *mesh, _ *http.Request) *http.Request {
			req := signedFrom(m, http.MethodPut, uri, "b", "")
			other := httptest.NewRequest(http.MethodPut, uri, strings.NewReader(`{"pdus":`))
			other.Header = req.Header
			return other
		}},
		"too-large": {413, func(m *mesh, _ *http.Request) *http.Request {
			return signedFrom(m, http.MethodPut, uri, "b", `"`+strings.Repeat("x", maxBody)+`"`)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t, 1, "a", "b")
				req := test.change(m, signedFrom(m, http.MethodPut, uri, "b", body))
				if got := status(m, req); got != test.want {
					t.Errorf("status %d, want %d", got, test.want)
				}
			})
		})
	}
}

func TestExpiredKeyIsFetchedAgain(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		const uri = "/_matrix/federation/v1/query/profile?user_id=%40u%3Ab"
		for range 3 {
			if got := status(m, signedFrom(m, http.MethodGet, uri, "b", "")); got != 200 {
				t.Fatalf("status %d", got)
			}
			time.Sleep(keyValidity + time.Hour)
		}
		if n := m.requests(); n != 3 {
			t.Errorf("the key was fetched %d times in three weeks, want once a week", n)
		}
	}, "a", "b")
}

func TestUnknownEndpointsAndMethods(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, test := range []struct {
			method, path string
			want         int
		}{
			{http.MethodGet, "/_matrix/federation/v1/version", 200},
			{http.MethodGet, "/_matrix/key/v2/server", 200},
			{http.MethodGet, "/_matrix/key/v2/query/a", 200},
			{http.MethodGet, "/_matrix/federation/v1/nothing", 404},
			{http.MethodGet, "/", 404},
			{http.MethodDelete, "/_matrix/federation/v1/version", 405},
			{http.MethodGet, "/_matrix/federation/v1/send/1", 405},
		} {
			rec := httptest.NewRecorder()
			m.peers["b"].Handler.ServeHTTP(rec, httptest.NewRequest(test.method, test.path, nil))
			if rec.Code != test.want {
				t.Errorf("%s %s: status %d, want %d", test.method, test.path, rec.Code, test.want)
			}
			if rec.Code >= 400 && !strings.Contains(rec.Body.String(), "M_UNRECOGNIZED") {
				t.Errorf("%s %s: body %s", test.method, test.path, rec.Body)
			}
		}
	}, "a", "b")
}
