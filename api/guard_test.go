package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestGuard(t *testing.T) {
	const token = "sesame"
	cases := []struct {
		name   string
		token  string
		path   string
		header map[string]string // Host is the request's
		status int
	}{
		{"localhost", "", "/data", map[string]string{"Host": "localhost:3000"}, 200},
		{"localhost-upper-case-and-dot", "", "/data", map[string]string{"Host": "LocalHost.:3000"}, 200},
		{"ipv4", "", "/data", map[string]string{"Host": "127.0.0.1:3000"}, 200},
		{"ipv6", "", "/data", map[string]string{"Host": "[::1]:3000"}, 200},
		{"ipv6-no-port", "", "/data", map[string]string{"Host": "[::1]"}, 200},
		{"configured-name", "", "/data", map[string]string{"Host": "lab:3000"}, 200},
		{"rebound-name", "", "/data", map[string]string{"Host": "evil.example:3000"}, 421},
		{"rebound-name-below-localhost", "", "/data", map[string]string{"Host": "localhost.evil.example"}, 421},
		{"client-host", "", "/data", map[string]string{"Host": "hs0.localhost:3000"}, 421},
		{"empty-host", "", "/data", map[string]string{"Host": ""}, 421},
		{"same-origin", "", "/data", map[string]string{"Host": "localhost:3000", "Origin": "http://localhost:3000"}, 200},
		{"other-port", "", "/data", map[string]string{"Host": "localhost:3000", "Origin": "http://localhost:8080"}, 403},
		{"client-page", "", "/data", map[string]string{"Host": "localhost:3000", "Origin": "http://hs0.localhost:3000"}, 403},
		{"other-page", "", "/data", map[string]string{"Host": "localhost:3000", "Origin": "https://evil.example"}, 403},
		{"null-origin", "", "/data", map[string]string{"Host": "localhost:3000", "Origin": "null"}, 403},
		{"broken-origin", "", "/data", map[string]string{"Host": "localhost:3000", "Origin": "http://[::1"}, 403},
		{"behind-a-proxy", "", "/data", map[string]string{"Host": "127.0.0.1:3000", "Origin": "http://localhost:8080", "X-Forwarded-Host": "localhost:8080"}, 200},
		{"behind-a-proxy-that-rewrites-host", "", "/data", map[string]string{"Host": "127.0.0.1:3000", "Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}, 200},
		{"fetched-by-another-page", "", "/data", map[string]string{"Host": "localhost:3000", "Sec-Fetch-Site": "cross-site"}, 403},
		{"fetched-by-a-client-page", "", "/data", map[string]string{"Host": "localhost:3000", "Sec-Fetch-Site": "same-site"}, 403},
		{"typed-address", "", "/", map[string]string{"Host": "localhost:3000", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200},
		{"followed-link-to-the-page", "", "/", map[string]string{"Host": "localhost:3000", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200},
		{"followed-link-to-something-else", "", "/log", map[string]string{"Host": "localhost:3000", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403},
		{"no-token", token, "/data", map[string]string{"Host": "10.1.2.3:3000"}, 401},
		{"wrong-token", token, "/data", map[string]string{"Host": "10.1.2.3:3000", "Authorization": "Bearer sesam"}, 401},
		{"basic-token", token, "/data", map[string]string{"Host": "10.1.2.3:3000", "Authorization": "Basic sesame"}, 401},
		{"token-in-the-address-of-something-else", token, "/data?token=sesame", map[string]string{"Host": "10.1.2.3:3000"}, 401},
		{"bearer", token, "/data", map[string]string{"Host": "10.1.2.3:3000", "Authorization": "bearer sesame"}, 200},
		{"cookie", token, "/data", map[string]string{"Host": "10.1.2.3:3000", "Cookie": "meshsim_token=sesame"}, 200},
		{"cookie-from-another-page", token, "/data", map[string]string{"Host": "10.1.2.3:3000", "Cookie": "meshsim_token=sesame", "Origin": "http://10.1.2.4"}, 403},
		{"cookie-from-a-page-at-a-client-port", token, "/data", map[string]string{"Host": "localhost:3000", "Cookie": "meshsim_token=sesame", "Origin": "http://localhost:18000"}, 403},
		{"cookie-under-any-name", token, "/data", map[string]string{"Host": "lab.example", "Cookie": "meshsim_token=sesame"}, 200},
		{"first-visit", token, "/?token=sesame", map[string]string{"Host": "10.1.2.3:3000"}, 303},
		{"first-visit-pasted-with-a-space", token, "/?token=sesame+", map[string]string{"Host": "10.1.2.3:3000"}, 303},
		{"first-visit-wrong", token, "/?token=open", map[string]string{"Host": "10.1.2.3:3000"}, 401},
		{"page-without-token", token, "/", map[string]string{"Host": "10.1.2.3:3000"}, 401},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := &guard{token: c.token, names: []string{"lab"}, next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
			r := httptest.NewRequest("GET", c.path, nil)
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			r.Host = c.header["Host"]
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("answered %d %s, want %d", w.Code, w.Body, c.status)
			}
		})
	}
}

func TestFirstVisitSetsACookieThatAdmits(t *testing.T) {
	g := &guard{token: "sesame", next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("GET", "http://10.1.2.3/?token=sesame", nil))
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite == http.SameSiteNoneMode || w.Header().Get("Location") != "/" {
		t.Fatalf("cookies are %v, location %q", cookies, w.Header().Get("Location"))
	}
	r := httptest.NewRequest("GET", "http://10.1.2.3/data", nil)
	r.AddCookie(cookies[0])
	w = httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("answered %d", w.Code)
	}
}

// A browser without the token gets a page with a field for it, whose address admits; programs get problem details.
func TestBrowsersAreAskedForTheToken(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	g := &guard{token: "sesame", next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	for _, c := range []struct {
		slug, method, path, accept string
		page, wrong                bool
	}{
		{"page", "GET", "/", browser, true, false},
		{"something-else", "GET", "/api/v1/servers", browser, true, false},
		{"wrong-token", "GET", "/?token=%3Cb%3Eopen", browser, true, true},
		{"program", "GET", "/", "*/*", false, false},
		{"nothing-said", "GET", "/", "", false, false},
		{"script", "GET", "/", "application/json", false, false},
		{"form-of-a-page", "POST", "/", browser, false, false},
	} {
		t.Run(c.slug, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://10.1.2.3:3000"+c.path, nil)
			r.Header.Set("Accept", c.accept)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			body := w.Body.String()
			isPage := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html")
			if w.Code != http.StatusUnauthorized || isPage != c.page || isPage != strings.Contains(body, `name="token"`) {
				t.Errorf("answered %d %v %s", w.Code, w.Header(), body)
			}
			if strings.Contains(body, "not the token") != c.wrong || strings.Contains(body, "<b>") || strings.Contains(body, "sesame") {
				t.Errorf("answered %s", body)
			}
			if policy := w.Header().Get("Content-Security-Policy"); c.page && (!strings.Contains(policy, "default-src 'none'") || strings.Contains(body, "<script")) {
				t.Errorf("the policy is %q of %s", policy, body)
			}
		})
	}
}

// TestGuardStandsBeforeEverything asks as another page would, over a real connection.
func TestGuardStandsBeforeEverything(t *testing.T) {
	h := newHarness(t)
	for _, address := range []string{
		"GET /", "GET /data", "POST /server", "GET /event_notifs", "GET /log", "GET /api/v1/stream",
		"GET /api/v1/servers", "POST /api/v1/servers", "GET /api/v1/openapi.json", "GET /api/v1/nothing",
	} {
		var method, path string
		for i := range address {
			if address[i] == ' ' {
				method, path = address[:i], address[i+1:]
			}
		}
		status, _ := h.request(method, path, `{"x":1,"y":1}`, "Origin", "https://evil.example",
			"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		if status != 403 {
			t.Errorf("%s from another page: %d, want 403", address, status)
		}
		if status, _ = h.request(method, path, `{"x":1,"y":1}`, "Host", "evil.example"); status != 421 {
			t.Errorf("%s under another name: %d, want 421", address, status)
		}
	}
	if n := len(h.mesh.Snapshot().Servers); n != 0 {
		t.Errorf("another page made %d servers", n)
	}
}

func TestTokenGuardsTheSockets(t *testing.T) {
	h := newHarness(t, withToken("sesame"))
	for _, path := range []string{"/api/v1/stream", "/event_notifs"} {
		_, response, err := websocket.Dial(t.Context(), "ws://"+h.addr+path, nil)
		if err == nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without the token: %v", path, err)
		}
		conn, _, err := websocket.Dial(t.Context(), "ws://"+h.addr+path, &websocket.DialOptions{
			HTTPHeader: http.Header{"Cookie": {tokenCookie + "=sesame"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		conn.CloseNow()
	}
}
