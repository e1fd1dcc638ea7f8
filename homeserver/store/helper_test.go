package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"meshsim/homeserver"
	"meshsim/homeserver/federation"
	"meshsim/homeserver/store"
	"meshsim/matrix"
)

// passwords is shared: the tests hash few different ones.
var passwords = sync.OnceValue(homeserver.NewPasswords)

// mesh are homeservers that reach each other by name, in memory, and whose data is in one directory.
type mesh struct {
	t       testing.TB
	dir     string
	db      *store.DB
	commons *homeserver.Commons
	log     *slog.Logger // of the database; may be nil

	mu    sync.Mutex
	peers map[string]*federation.Peer
	away  map[string]bool // cannot be reached
	muted map[string]bool // its transactions reach nobody

	answered func(server string, req *http.Request, body []byte, status int) // told of every request; may be nil
}

func newMesh(t testing.TB, dir string, names ...string) *mesh {
	t.Helper()
	m := &mesh{t: t, dir: dir, away: map[string]bool{}, muted: map[string]bool{}}
	m.open(names...)
	t.Cleanup(m.close)
	return m
}

func (m *mesh) open(names ...string) {
	m.t.Helper()
	db, err := store.Open(m.dir, m.log)
	if err != nil {
		m.t.Fatal(err)
	}
	m.db, m.commons, m.peers = db, homeserver.NewCommons(), map[string]*federation.Peer{}
	for _, name := range names {
		m.add(name)
	}
}

func (m *mesh) add(name string) {
	kept, err := m.db.Server(name)
	m.must(err)
	p := federation.New(federation.Config{
		Server: homeserver.Config{
			Name: name, KeyID: "ed25519:1", Key: kept.Key(), Commons: m.commons, Store: kept,
			Passwords: passwords(), Logger: slog.New(slog.DiscardHandler),
		},
		Transport: wire{m, name},
		Retry:     federation.Retry{First: time.Millisecond, Most: 10 * time.Millisecond, Factor: 2},
	})
	m.must(p.Restore())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peers[name] = p // who is not restored yet cannot be reached
}

func (m *mesh) close() {
	m.mu.Lock()
	peers := m.peers
	m.peers = nil
	m.mu.Unlock()
	for _, p := range peers {
		p.Close()
	}
	if m.db != nil {
		if err := m.db.Close(); err != nil {
			m.t.Error(err)
		}
	}
	m.db = nil
}

// restart ends all servers and makes them again out of what is kept.
func (m *mesh) restart(names ...string) {
	m.t.Helper()
	m.close()
	m.open(names...)
}

func (m *mesh) server(name string) *homeserver.Server { return m.peers[name].Server }

// user registers a user and logs in.
func (m *mesh) user(server, name string) (user string, device *homeserver.Device, token string) {
	m.t.Helper()
	s := m.server(server)
	user, err := s.AddAccount(homeserver.Credential{Localpart: name, PasswordHash: "x"})
	if err == nil {
		device, token, err = s.Login(user, "PHONE", "a phone")
	}
	m.must(err)
	return user, device, token
}

func (m *mesh) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *mesh) reach(name string, reachable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away[name] = !reachable
}

func (m *mesh) mute(name string, muted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted[name] = muted
}

// wire carries the requests of a server.
type wire struct {
	m    *mesh
	from string
}

func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.m.mu.Lock()
	peer, away := w.m.peers[req.URL.Host], w.m.away[req.URL.Host] || w.m.muted[w.from] && strings.Contains(req.URL.Path, "/send/")
	w.m.mu.Unlock()
	if peer == nil || away {
		return nil, fmt.Errorf("there is no way to %s", req.URL.Host)
	}
	in := req.Clone(context.WithoutCancel(req.Context()))
	in.RequestURI = req.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	in.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	peer.Handler.ServeHTTP(rec, in)
	if w.m.answered != nil {
		w.m.answered(req.URL.Host, req, body, rec.Code)
	}
	return &http.Response{
		StatusCode: rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())), Request: req,
	}, nil
}

func (m *mesh) say(server, room, user, text string) string {
	m.t.Helper()
	pdu, err := m.server(server).Send(m.t.Context(), homeserver.Draft{
		RoomID: room, Sender: user, Type: matrix.TypeMessage, Content: fmt.Appendf(nil, `{"body":%q,"msgtype":"m.text"}`, text),
	})
	m.must(err)
	return string(pdu.ID())
}

// eventually waits until a condition is met that other goroutines bring about.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func (m *mesh) has(server, room, event string) bool {
	r, ok := m.server(server).Room(room)
	if !ok {
		return false
	}
	_, ok = r.Event(event)
	return ok
}
