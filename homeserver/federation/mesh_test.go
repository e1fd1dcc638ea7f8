package federation

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"meshsim/homeserver"
)

// mesh is a network in memory: every server reaches every other by its name, after a delay, unless the two are
// parted or the request is lost.
type mesh struct {
	t      testing.TB
	common *homeserver.Commons

	mu    sync.Mutex
	rand  *rand.Rand
	peers map[string]*Peer
	names []string
	side  map[string]int                      // servers with different sides do not reach each other
	delay time.Duration                       // at most
	way   func(from, to string) time.Duration // what every way takes besides; nil for nothing
	loss  float64                             // of a request or its answer
	count int                                 // of requests
	asked map[string]int                      // requests, by the first word of the endpoint

	instead map[string]http.Handler // what answers in place of a server
}

var errLost = errors.New("lost")

func newMesh(t testing.TB, seed uint64, names ...string) *mesh {
	m := &mesh{
		t: t, common: homeserver.NewCommons(), rand: rand.New(rand.NewPCG(seed, 1)),
		peers: map[string]*Peer{}, side: map[string]int{}, instead: map[string]http.Handler{}, asked: map[string]int{},
	}
	for _, name := range names {
		m.add(name, m.common)
	}
	t.Cleanup(m.close)
	return m
}

func (m *mesh) add(name string, commons *homeserver.Commons) *Peer {
	seed := sha256.Sum256([]byte(name))
	logger := slog.New(slog.DiscardHandler)
	if os.Getenv("MESH_TEST_LOG") != "" {
		logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("at", name)
	}
	peer := New(Config{
		Server: homeserver.Config{
			Name: name, KeyID: "ed25519:1", Key: ed25519.NewKeyFromSeed(seed[:]), Commons: commons, Logger: logger,
		},
		Transport: &wire{m, name},
		Timeout:   func(string, int) time.Duration { return 20 * time.Second },
	})
	if _, err := peer.Server.AddAccount(homeserver.Credential{Localpart: "u"}); err != nil {
		m.t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peers[name] = peer
	m.names = append(m.names, name)
	return peer
}

func (m *mesh) close() {
	for _, p := range m.peers {
		p.Close()
	}
}

func (m *mesh) server(name string) *homeserver.Server { return m.peers[name].Server }

// wire is what one server's requests go through.
type wire struct {
	m    *mesh
	from string
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	m := w.m
	if err := m.pass(req.Context(), w.from, req.URL.Host); err != nil {
		return nil, err
	}
	m.mu.Lock()
	peer := m.peers[req.URL.Host]
	m.count++
	if words := strings.Split(req.URL.Path, "/"); len(words) > 4 {
		m.asked[words[4]]++
	}
	m.mu.Unlock()
	if peer == nil {
		return nil, fmt.Errorf("there is no server %s", req.URL.Host)
	}
	in := req.Clone(context.WithoutCancel(req.Context()))
	in.RequestURI = req.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	if other := m.instead[req.URL.Host]; other != nil {
		other.ServeHTTP(rec, in)
	} else {
		peer.Handler.ServeHTTP(rec, in)
	}
	if err := m.pass(req.Context(), req.URL.Host, w.from); err != nil {
		return nil, err
	}
	res := rec.Result()
	res.Body = io.NopCloser(bytes.NewReader(rec.Body.Bytes()))
	return res, nil
}

// pass is the way from one server to another.
func (m *mesh) pass(ctx context.Context, from, to string) error {
	m.mu.Lock()
	parted := m.side[from] != m.side[to]
	lost := m.loss > 0 && m.rand.Float64() < m.loss
	var delay time.Duration
	if m.delay > 0 {
		delay = time.Duration(m.rand.Int64N(int64(m.delay)))
	}
	if m.way != nil {
		delay += m.way(from, to)
	}
	m.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if parted || lost {
		return errLost
	}
	return nil
}

// part puts servers on sides that do not reach each other.
func (m *mesh) part(sides map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.side, sides)
}

// isolate cuts one server off; heal undoes all cuts.
func (m *mesh) isolate(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.side[name] = 1
}

func (m *mesh) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.side)
}

func (m *mesh) lose(part float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loss = part
}

func (m *mesh) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}
