package proxy

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
	"meshsim/lowband/airtest"
	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
)

// direct is a RoundTripper to a handler of the same process.
type direct struct{ http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := req.Clone(req.Context())
	in.RequestURI = req.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	d.ServeHTTP(w, in)
	return w.Result(), nil
}

// both starts a near and a far side on an air, in front of a handler.
func both(t *testing.T, air *airtest.Air, h http.Handler) *Near {
	t.Helper()
	key, err := channel.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	path := coap.Path{RTT: 2 * air.Delay, Rate: air.Rate}
	far := NewFar(FarConfig{Conn: air.Open("far"), Key: key, Target: &url.URL{Scheme: "http", Host: "hs"}, Path: path, Transport: direct{h}})
	near, err := NewNear(NearConfig{Conn: air.Open("near"), Far: airtest.Addr("far"), Key: key.Public(), Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []interface {
		Serve() error
		Close() error
	}{far, near} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Serve()
		}()
		t.Cleanup(func() {
			s.Close()
			<-done
		})
	}
	return near
}

// client talks to the near side.
type client struct {
	t     *testing.T
	near  http.Handler
	token string
}

func (c *client) do(method, target, body string) map[string]any {
	c.t.Helper()
	req := httptest.NewRequest(method, "http://localhost:8888"+target, strings.NewReader(body))
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (something long that nobody needs to know)")
	w := httptest.NewRecorder()
	c.near.ServeHTTP(w, req)
	if w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		c.t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		c.t.Fatal(err)
	}
	return answer
}

func newHomeserver(t *testing.T) http.Handler {
	t.Helper()
	server := homeserver.New(homeserver.Config{
		Name: "localhost", KeyID: "ed25519:1", Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Passwords: homeserver.NewPasswords(),
	})
	t.Cleanup(server.Close)
	hash, err := homeserver.NewPasswords().Hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.AddAccount(homeserver.Credential{Localpart: "matthew", PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	return clientapi.Handler(server)
}

func TestPreflightStaysNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		near := both(t, air, http.NotFoundHandler())
		w := httptest.NewRecorder()
		near.ServeHTTP(w, httptest.NewRequest("OPTIONS", "/_matrix/client/v3/sync", nil))
		if n, _ := air.Used(); w.Code != http.StatusOK || n != 0 {
			t.Errorf("status %d, %d datagrams", w.Code, n)
		}
	})
}

func TestFarSideIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		near := both(t, air, http.NotFoundHandler())
		air.Set(1)
		w := httptest.NewRecorder()
		near.ServeHTTP(w, httptest.NewRequest("GET", "/_matrix/client/versions", nil))
		if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "M_UNKNOWN") {
			t.Errorf("status %d %s", w.Code, w.Body)
		}
	})
}

// TestOverRealSockets learns the key at the first contact, as one does that was not given it.
func TestOverRealSockets(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.ToUpper(body))
	}))
	defer target.Close()
	to, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	listen := func() net.PacketConn {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	key, err := channel.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	farConn, nearConn := listen(), listen()
	far := NewFar(FarConfig{Conn: farConn, Key: key, Target: to})
	defer far.Close()
	go func() { _ = far.Serve() }()
	trusted := make(chan channel.PublicKey, 1)
	near, err := NewNear(NearConfig{Conn: nearConn, Far: farConn.LocalAddr(), Trust: func(k channel.PublicKey) error {
		trusted <- k
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	go func() { _ = near.Serve() }()
	w := httptest.NewRecorder()
	near.ServeHTTP(w, httptest.NewRequest("POST", "/x", strings.NewReader(`{"a":"`+strings.Repeat("b", 3000)+`"}`)))
	if want := `{"A":"` + strings.Repeat("B", 3000) + `"}`; w.Body.String() != want {
		t.Errorf("got %d %.100s", w.Code, w.Body)
	}
	if got := <-trusted; got != key.Public() {
		t.Errorf("was told the key %v", got)
	}
}

// TestAChangedKeyIsSaid: the client hears both keys and what to do.
func TestAChangedKeyIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		both(t, air, http.NotFoundHandler())
		other, err := channel.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		near, err := NewNear(NearConfig{
			Conn: air.Open("other"), Far: airtest.Addr("far"), Key: other.Public(),
			Changed: func(e *channel.KeyChangedError) string { return "Ask the one with " + e.Now.String() },
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = near.Serve()
		}()
		defer func() {
			near.Close()
			<-done
		}()
		w := httptest.NewRecorder()
		near.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/x", nil))
		if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), other.Public().String()) || !strings.Contains(w.Body.String(), "Ask the one with") {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	})
}

// A token belongs to the requests that bring it, though it crosses the link once.
func TestRequestsWithoutATokenHaveNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{t: t, near: both(t, &airtest.Air{Rate: 100_000}, newHomeserver(t))}
		login(c)
		nobody := httptest.NewRecorder()
		c.near.ServeHTTP(nobody, httptest.NewRequestWithContext(t.Context(), "GET", "/_matrix/client/v3/account/whoami", nil))
		if nobody.Code != http.StatusUnauthorized {
			t.Errorf("answered %d %s", nobody.Code, nobody.Body)
		}
	})
}
