//go:build linux && docker

package docker_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/matrix"
	"meshsim/node"
	"meshsim/node/docker"
	"meshsim/node/embedded"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

// pair is a Synapse (hs0) and an embedded server (hs1), one link apart.
type pair struct {
	mesh    *nodetest.Mesh
	nodes   [2]node.Node
	clients [2]*nodetest.Client
}

func newPair(t *testing.T, publisher telemetry.Publisher) *pair {
	t.Helper()
	return newPairWith(t, publisher, docker.Options{})
}

// newPairWith starts both with options that Synapse and the embedded server have in common.
func newPairWith(t *testing.T, publisher telemetry.Publisher, options docker.Options) *pair {
	t.Helper()
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, publisher)
	cfg.Options = options
	d := driver(t, cfg)
	t.Cleanup(func() { d.Close() })
	e := embedded.New(embedded.Config{Fabric: m.Fabric, CA: cfg.CA, Rooms: cfg.Rooms, Publisher: cfg.Publisher, Presence: options.Presence})
	t.Cleanup(func() { e.Close() })
	p := &pair{mesh: m}
	for i, by := range []node.Driver{d, e} {
		spec := node.Spec{ID: i, Name: fmt.Sprint("hs", i), Kind: by.Kind()}
		m.Name(spec)
		n, err := by.Start(t.Context(), spec, m)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Stop(context.Background()) })
		p.nodes[i], p.clients[i] = n, &nodetest.Client{API: n.Client()}
		if err := p.clients[i].Login(t.Context(), node.AccountUser, node.AccountPassword); err != nil {
			t.Fatal(err)
		}
	}
	p.join()
	return p
}

// join links the two.
func (p *pair) join() { p.mesh.Link(0, 1, link.Params{}) }

type object = map[string]any

// do does a request that has to work.
func do(t *testing.T, c *nodetest.Client, method, path string, in, out any) {
	t.Helper()
	if _, err := c.Do(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// create makes a room of a version.
func create(t *testing.T, c *nodetest.Client, version string, more object) string {
	t.Helper()
	body := object{"preset": "public_chat", "room_version": version}
	maps.Copy(body, more)
	var answer struct {
		RoomID string `json:"room_id"`
	}
	do(t, c, http.MethodPost, "/createRoom", body, &answer)
	return answer.RoomID
}

// eventually waits for what the servers do in their own time.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	nodetest.Eventually(t, patience, what, f)
}

// shows waits until a client shows a text in a room.
func shows(t *testing.T, c *nodetest.Client, room, text string) {
	t.Helper()
	eventually(t, c.User+" shows "+text, func() bool { return slices.Contains(c.Texts(t, room), text) })
}

// agree waits until both have the same state of a room.
func (p *pair) agree(t *testing.T, room string) {
	t.Helper()
	eventually(t, "both servers have the same state", func() bool {
		return maps.Equal(p.clients[0].State(t, room), p.clients[1].State(t, room))
	})
}

// A Synapse and an embedded server do together what two of either kind do, whichever of them has the room.
func TestSynapseWithEmbedded(t *testing.T) {
	p := newPair(t, discard{})
	cases := []struct {
		slug string
		run  func(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string)
	}{
		{"by-id", joinedByID},
		{"by-alias", joinedByAlias},
		{"by-invite", joinedByInvite},
		{"redaction", redaction},
		{"leaves-and-comes-back", leavesAndComesBack},
		{"partition", partition},
		{"sleeps", sleeps},
	}
	for i, host := range p.clients {
		for _, version := range matrix.RoomVersions() {
			for _, c := range cases {
				t.Run(fmt.Sprintf("room-of-hs%d/version-%s/%s", i, version, c.slug), func(t *testing.T) {
					c.run(t, p, host, p.clients[1-i], fmt.Sprint("hs", i), version)
				})
			}
		}
	}
}

// joinedByID: messages both ways, a state change, and what was said before.
func joinedByID(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	host.Send(t, room, "before")
	guest.Join(t, room, hostName)
	shows(t, guest, room, "before")
	host.Send(t, room, "from the host")
	shows(t, guest, room, "from the host")
	guest.Send(t, room, "from the guest")
	shows(t, host, room, "from the guest")
	host.SetTopic(t, room, "a topic")
	p.agree(t, room)
}

func joinedByAlias(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	local := "alias-" + version
	room := create(t, host, version, object{"room_alias_name": local})
	alias := fmt.Sprintf("#%s:%s", local, hostName)
	do(t, guest, http.MethodPost, "/join/"+url.PathEscape(alias), object{}, nil)
	guest.Send(t, room, "by alias")
	shows(t, host, room, "by alias")
	p.agree(t, room)
}

func joinedByInvite(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, object{"preset": "private_chat"})
	do(t, host, http.MethodPost, "/rooms/"+url.PathEscape(room)+"/invite", object{"user_id": guest.User}, nil)
	guest.Join(t, room, hostName)
	guest.Send(t, room, "by invite")
	shows(t, host, room, "by invite")
	p.agree(t, room)
}

func redaction(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	guest.Join(t, room, hostName)
	for i, c := range []*nodetest.Client{host, guest} {
		other := []*nodetest.Client{guest, host}[i]
		text := "regretted by " + c.User
		event := c.Send(t, room, text)
		shows(t, other, room, text)
		path := fmt.Sprintf("/rooms/%s/redact/%s/r%d", url.PathEscape(room), url.PathEscape(event), i)
		do(t, c, http.MethodPut, path, object{}, nil)
		eventually(t, other.User+" no longer shows it", func() bool { return !slices.Contains(other.Texts(t, room), text) })
	}
}

func leavesAndComesBack(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	guest.Join(t, room, hostName)
	do(t, guest, http.MethodPost, "/rooms/"+url.PathEscape(room)+"/leave", object{}, nil)
	eventually(t, "the host is alone", func() bool { return host.Members(t, room) == 1 })
	host.Send(t, room, "meanwhile")
	guest.Join(t, room, hostName)
	shows(t, guest, room, "meanwhile")
	p.agree(t, room)
}

// partition: both sides write and change the state; when the link is back they agree.
func partition(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	guest.Join(t, room, hostName)
	guest.Send(t, room, "together")
	shows(t, host, room, "together")
	p.mesh.Cut(0, 1)
	p.drift(t, room, host, guest)
	p.join()
	p.heal(t, room, host, guest)
}

// drift has both write and one change the state, with nobody hearing of it.
func (p *pair) drift(t *testing.T, room string, host, guest *nodetest.Client) {
	t.Helper()
	host.SetTopic(t, room, "the host's topic")
	host.Send(t, room, "alone at the host")
	guest.Send(t, room, "alone at the guest")
}

// heal waits until both have what was written apart.
func (p *pair) heal(t *testing.T, room string, host, guest *nodetest.Client) {
	t.Helper()
	shows(t, guest, room, "alone at the host")
	shows(t, host, room, "alone at the guest")
	p.agree(t, room)
}

// failures notes which servers' attempts to send events have failed.
type failures struct {
	mu   sync.Mutex
	from map[int]bool
}

// Publish implements telemetry.Publisher.
func (f *failures) Publish(n telemetry.Notification) {
	failed, ok := n.(telemetry.Failed)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from[failed.From] = true
}

func (f *failures) all(servers int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.from) == servers
}

// A partition lasts until both servers have given up an attempt, which takes Synapse its time-out of 60 s. When it is
// over they find each other again by themselves.
func TestPartitionThatOutlastsARetry(t *testing.T) {
	seen := &failures{from: make(map[int]bool)}
	p := newPair(t, seen)
	host, guest := p.clients[0], p.clients[1]
	room := create(t, host, "11", nil)
	guest.Join(t, room, "hs0")
	host.Send(t, room, "together")
	shows(t, guest, room, "together")
	p.mesh.Cut(0, 1)
	p.drift(t, room, host, guest)
	nodetest.Eventually(t, 2*patience, "both servers have given up an attempt", func() bool { return seen.all(2) })
	for i, missing := range []string{"alone at the guest", "alone at the host"} {
		if slices.Contains(p.clients[i].Texts(t, room), missing) {
			t.Errorf("hs%d has %q, across a partition", i, missing)
		}
	}
	begun := time.Now()
	p.join()
	p.heal(t, room, host, guest)
	t.Logf("healed after %v", time.Since(begun).Round(time.Millisecond))
}

// sleeps: the guest's server is frozen while the host writes.
func sleeps(t *testing.T, p *pair, host, guest *nodetest.Client, hostName, version string) {
	room := create(t, host, version, nil)
	guest.Join(t, room, hostName)
	asleep := p.nodes[slices.Index(p.clients[:], guest)].(node.Pauser)
	if err := asleep.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	host.Send(t, room, "said to a sleeper")
	if err := asleep.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	shows(t, guest, room, "said to a sleeper")
	guest.Send(t, room, "awake")
	shows(t, host, room, "awake")
	p.agree(t, room)
}
