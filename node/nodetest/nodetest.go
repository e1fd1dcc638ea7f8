// Package nodetest is the conformance suite for drivers, with what tests of running servers need besides: a small
// mesh to put them into and a client of the client-server API.
package nodetest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"meshsim/link"
	"meshsim/node"
)

// Subject is the driver under test and the mesh that its servers are attached to.
type Subject struct {
	Driver node.Driver
	Mesh   *Mesh
	// Patience is how long a server may take for what takes an embedded one no time.
	Patience time.Duration
}

// Run runs the suite. Each case gets a subject of its own; Run closes the driver.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	cases := []struct {
		slug string
		run  func(t *testing.T, s Subject)
	}{
		{"answers-once-started", answersOnceStarted},
		{"has-the-account", hasTheAccount},
		{"stops-for-good", stopsForGood},
		{"comes-back-as-it-was", comesBackAsItWas},
		{"is-new-after-forget", isNewAfterForget},
		{"undoes-a-start-called-off", undoesAStartCalledOff},
		{"waits-while-paused", waitsWhilePaused},
		{"federates", federates},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			s := newSubject(t)
			t.Cleanup(func() {
				if err := s.Driver.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			c.run(t, s)
		})
	}
}

func (s Subject) spec(id int, name string) node.Spec {
	return node.Spec{ID: id, Name: name, Kind: s.Driver.Kind()}
}

// start starts a server that is stopped at the end of the test.
func (s Subject) start(t *testing.T, spec node.Spec) node.Node {
	t.Helper()
	s.Mesh.Name(spec)
	ctx, cancel := context.WithTimeout(t.Context(), s.Patience)
	defer cancel()
	n, err := s.Driver.Start(ctx, spec, s.Mesh)
	if err != nil {
		t.Fatalf("start %s: %v", spec.Name, err)
	}
	t.Cleanup(func() { s.stop(t, n) })
	return n
}

func (s Subject) stop(t *testing.T, n node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// login returns the account that every server has.
func login(t *testing.T, n node.Node) *Client {
	t.Helper()
	c := &Client{API: n.Client()}
	if err := c.Login(t.Context(), node.AccountUser, node.AccountPassword); err != nil {
		t.Fatal(err)
	}
	return c
}

// ended tells whether Done is closed.
func ended(n node.Node) bool {
	select {
	case <-n.Done():
		return true
	default:
		return false
	}
}

func answersOnceStarted(t *testing.T, s Subject) {
	if s.Driver.Kind() == "" {
		t.Error("the driver has no kind")
	}
	n := s.start(t, s.spec(0, "hs0"))
	c := &Client{API: n.Client()}
	if _, err := c.Do(t.Context(), http.MethodGet, "/login", nil, nil); err != nil {
		t.Error(err)
	}
	if ended(n) {
		t.Error("Done is closed while the server runs")
	}
}

func hasTheAccount(t *testing.T, s Subject) {
	c := login(t, s.start(t, s.spec(0, "hs0")))
	if want := "@" + node.AccountUser + ":hs0"; c.User != want {
		t.Errorf("user %q, want %q", c.User, want)
	}
}

func stopsForGood(t *testing.T, s Subject) {
	n := s.start(t, s.spec(0, "hs0"))
	s.stop(t, n)
	s.stop(t, n)
	if !ended(n) {
		t.Error("Done is open after Stop")
	}
	if err := n.Err(); err != nil {
		t.Errorf("Err after Stop: %v", err)
	}
	c := &Client{API: n.Client()}
	if status, _ := c.Do(t.Context(), http.MethodGet, "/login", nil, nil); status != http.StatusBadGateway {
		t.Errorf("the API of a stopped server answers %d, want %d", status, http.StatusBadGateway)
	}
}

func comesBackAsItWas(t *testing.T, s Subject) {
	spec := s.spec(3, "came-back")
	first := s.start(t, spec)
	room := login(t, first).CreateRoom(t)
	s.stop(t, first)
	again := login(t, s.start(t, spec))
	if n := again.Members(t, room); n != 1 {
		t.Errorf("the room has %d members after a restart, want 1", n)
	}
	again.Send(t, room, "back")
}

func isNewAfterForget(t *testing.T, s Subject) {
	spec := s.spec(0, "hs0")
	first := s.start(t, spec)
	room := login(t, first).CreateRoom(t)
	s.stop(t, first)
	for range 2 {
		if err := s.Driver.Forget(t.Context(), spec); err != nil {
			t.Errorf("Forget: %v", err)
		}
	}
	c := login(t, s.start(t, spec))
	if status, err := c.Do(t.Context(), http.MethodGet, "/rooms/"+room+"/joined_members", nil, nil); err == nil {
		t.Errorf("a room outlived Forget: %d", status)
	}
}

func undoesAStartCalledOff(t *testing.T, s Subject) {
	spec := s.spec(0, "hs0")
	s.Mesh.Name(spec)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := s.Driver.Start(ctx, spec, s.Mesh)
	var failed *node.StartError
	if !errors.As(err, &failed) || failed.Reason == "" {
		t.Errorf("Start with a context that has ended: %v, %v; want a *node.StartError", n, err)
	}
	login(t, s.start(t, spec))
}

func waitsWhilePaused(t *testing.T, s Subject) {
	n := s.start(t, s.spec(0, "hs0"))
	p, ok := n.(node.Pauser)
	if !ok {
		t.Skip("this driver's servers cannot be paused")
	}
	c := login(t, n)
	if err := p.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Do(brief, http.MethodGet, "/account/whoami", nil, nil); err == nil {
		t.Error("a paused server answered")
	}
	if err := p.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.must(t, http.MethodGet, "/account/whoami", nil, nil)
}

func federates(t *testing.T, s Subject) {
	a, b := s.start(t, s.spec(0, "hs0")), s.start(t, s.spec(1, "hs1"))
	s.Mesh.Link(0, 1, link.Params{})
	alice, bob := login(t, a), login(t, b)
	room := alice.CreateRoom(t)
	bob.Join(t, room, "hs0")
	alice.Send(t, room, "from hs0")
	bob.Send(t, room, "from hs1")
	for _, c := range []*Client{alice, bob} {
		Eventually(t, s.Patience, c.User+" has both messages", func() bool {
			texts := c.Texts(t, room)
			return slices.Contains(texts, "from hs0") && slices.Contains(texts, "from hs1")
		})
	}
}
