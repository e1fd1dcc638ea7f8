package embedded_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/clientside"
	"meshsim/node/nodetest"
	"meshsim/port/netstack/virtualtime"
	"meshsim/telemetry"
)

// ledger keeps who has received which event.
type ledger struct {
	mu       sync.Mutex
	received map[string]map[int]bool // event id -> server ids
	over     map[telemetry.Transport]int
	sent     int
	failed   int
	carried  func(telemetry.Carried) // nil for nobody
}

// follow tells f what is carried from now on.
func (l *ledger) follow(f func(telemetry.Carried)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.carried = f
}

func (l *ledger) Publish(n telemetry.Notification) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := n.(type) {
	case telemetry.Sent:
		l.sent++
		l.over[n.Transport]++
	case telemetry.Failed:
		l.failed++
	case telemetry.Carried:
		if l.carried != nil {
			l.carried(n)
		}
	case telemetry.Received:
		if l.received[n.Event.ID] == nil {
			l.received[n.Event.ID] = make(map[int]bool)
		}
		l.received[n.Event.ID][n.To] = true
	}
}

func (l *ledger) reached(event string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.received[event])
}

// mesh is a number of running servers in virtual time.
type mesh struct {
	nodetest.Subject
	t       *testing.T
	ledger  *ledger
	nodes   []node.Node
	clients []*nodetest.Client
}

func startMesh(t *testing.T, servers int, p link.Params) *mesh {
	return startMeshSeeded(t, servers, p, 1)
}

func startMeshSeeded(t *testing.T, servers int, p link.Params, seed uint64) *mesh {
	t.Helper()
	return startMeshOver(t, servers, p, seed, nil)
}

func startMeshOver(t *testing.T, servers int, p link.Params, seed uint64, transports *gateway.Transports) *mesh {
	t.Helper()
	m := &mesh{t: t, ledger: &ledger{received: make(map[string]map[int]bool), over: make(map[telemetry.Transport]int)}}
	m.Subject = newSubjectOver(t, m.ledger, fabric.TimerClock(), seed, transports)
	t.Cleanup(func() { m.Driver.Close() })
	for i := range servers {
		m.nodes = append(m.nodes, nil)
		m.clients = append(m.clients, nil)
		m.start(i)
	}
	m.Mesh.LinkAll(servers, p)
	return m
}

// start starts a server and logs in there.
func (m *mesh) start(i int) {
	m.t.Helper()
	spec := node.Spec{ID: i, Name: fmt.Sprintf("hs%d", i), Kind: m.Driver.Kind()}
	m.Mesh.Name(spec)
	n, err := m.Driver.Start(m.t.Context(), spec, m.Mesh)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			m.t.Error(err)
		}
	})
	c := &nodetest.Client{API: n.Client()}
	if err := c.Login(m.t.Context(), node.AccountUser, node.AccountPassword); err != nil {
		m.t.Fatal(err)
	}
	m.nodes[i], m.clients[i] = n, c
}

// room makes a room on server 0 that all others join.
func (m *mesh) room() string {
	m.t.Helper()
	room := m.clients[0].CreateRoom(m.t)
	for _, c := range m.clients[1:] {
		c.Join(m.t, room, "hs0")
	}
	nodetest.Eventually(m.t, time.Hour, "every server sees every member", func() bool {
		return m.all(func(c *nodetest.Client) bool { return c.Members(m.t, room) == len(m.clients) })
	})
	return room
}

func (m *mesh) all(f func(*nodetest.Client) bool) bool {
	return !slices.ContainsFunc(m.clients, func(c *nodetest.Client) bool { return !f(c) })
}

// agree tells whether all servers have the same state and the same messages.
func (m *mesh) agree(room string, texts []string) bool {
	want := m.clients[0].State(m.t, room)
	return m.all(func(c *nodetest.Client) bool {
		got := c.Texts(m.t, room)
		slices.Sort(got)
		return maps.Equal(c.State(m.t, room), want) && slices.Equal(got, texts)
	})
}

func TestMeshHealsAfterAPartition(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			virtualtime.Test(t, func(t *testing.T) { partAndHeal(t, 5, seed, nil) })
		})
	}
}

// partAndHeal lets servers talk, parts two of them from the others for ten minutes, and judges the outcome.
func partAndHeal(t *testing.T, servers int, seed uint64, transports *gateway.Transports) *ledger {
	params := link.Params{Rate: 64_000, Delay: 50 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.03}
	m := startMeshOver(t, servers, params, seed, transports)
	room := m.room()
	var texts []string
	say := func(c *nodetest.Client, text string) string {
		texts = append(texts, text)
		return c.Send(t, room, text)
	}
	start := time.Now()
	for i, c := range m.clients {
		say(c, fmt.Sprintf("1 whole %d", i))
	}
	slices.Sort(texts)
	nodetest.Eventually(t, 10*time.Minute, "all have all messages", func() bool { return m.agree(room, texts) })
	t.Logf("a message of each was everywhere after %v", time.Since(start))

	across := func(f func(a, b int)) {
		for a := range 2 {
			for b := 2; b < servers; b++ {
				f(a, b)
			}
		}
	}
	across(m.Mesh.Cut)
	for i, c := range m.clients {
		say(c, fmt.Sprintf("2 parted %d", i))
		time.Sleep(time.Minute)
	}
	m.clients[0].SetTopic(t, room, "of one side")
	time.Sleep(5 * time.Minute)
	across(func(a, b int) { m.Mesh.Link(a, b, params) })
	healed := time.Now()
	last := say(m.clients[servers-1], "3 healed")
	slices.Sort(texts)
	nodetest.Eventually(t, time.Hour, "all have the same messages and state again", func() bool { return m.agree(room, texts) })
	t.Logf("one state and %d messages everywhere %v after healing; %d sendings, %d failures",
		len(texts), time.Since(healed), m.ledger.sent, m.ledger.failed)
	if n := m.ledger.reached(last); n != servers-1 {
		t.Errorf("telemetry says that %d servers received the last message, want %d", n, servers-1)
	}
	if m.ledger.failed == 0 {
		t.Error("telemetry knows of no failure during the partition")
	}
	return m.ledger
}

// A server that was stopped or paused while others spoke hears of it afterwards, and says what it had to say.
func TestAbsentServerCatchesUp(t *testing.T) {
	cases := []struct {
		slug  string
		leave func(*mesh) error
		back  func(*mesh) error
	}{
		{"stopped",
			func(m *mesh) error { return m.nodes[2].Stop(m.t.Context()) },
			func(m *mesh) error { m.start(2); return nil }},
		{"paused",
			func(m *mesh) error { return m.nodes[2].(node.Pauser).Pause(m.t.Context()) },
			func(m *mesh) error { return m.nodes[2].(node.Pauser).Resume(m.t.Context()) }},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			virtualtime.Test(t, func(t *testing.T) {
				m := startMesh(t, 3, link.Params{Rate: 512_000, Delay: 30 * time.Millisecond})
				room := m.room()
				m.clients[2].Send(t, room, "last words")
				if err := c.leave(m); err != nil {
					t.Fatal(err)
				}
				m.clients[0].Send(t, room, "while you were out")
				time.Sleep(20 * time.Minute)
				if err := c.back(m); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				texts := []string{"last words", "while you were out"}
				nodetest.Eventually(t, 10*time.Minute, "all have both messages", func() bool { return m.agree(room, texts) })
				t.Logf("caught up after %v", time.Since(start))
			})
		})
	}
}

// A mesh at 1 kbit/s: a join takes minutes and works, a message takes seconds.
func TestMeshOverSlowLinks(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		m := startMesh(t, 3, link.Params{Rate: 1000, Delay: 200 * time.Millisecond})
		start := time.Now()
		room := m.room()
		t.Logf("three servers were in the room after %v", time.Since(start))
		start = time.Now()
		m.clients[1].Send(t, room, "hello")
		nodetest.Eventually(t, time.Hour, "all have the message", func() bool { return m.agree(room, []string{"hello"}) })
		t.Logf("a message was everywhere after %v", time.Since(start))
	})
}

func TestClientsCrossTheirLink(t *testing.T) {
	virtualtime.Test(t, func(t *testing.T) {
		m := startMesh(t, 1, link.Params{})
		clients, err := clientside.New(m.Mesh.Fabric)
		if err != nil {
			t.Fatal(err)
		}
		defer clients.Close()
		if _, err := clients.Dial(t.Context(), 0); err == nil {
			t.Error("a client side that was not added can dial")
		}
		for range 2 {
			if err := clients.Add(0); err != nil {
				t.Fatal(err)
			}
		}
		const delay = 300 * time.Millisecond
		m.Mesh.LinkClient(0, link.Params{Delay: delay})
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return clients.Dial(ctx, 0)
		}}
		defer transport.CloseIdleConnections()
		start := time.Now()
		resp, err := (&http.Client{Transport: transport}).Get("http://hs0/_matrix/client/versions")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s, %v", resp.StatusCode, body, err)
		}
		if took, want := time.Since(start), 4*delay; took < want || took > want+10*time.Millisecond {
			t.Errorf("a handshake and a request took %v over a link of %v, want %v", took, delay, want)
		}
		clients.Remove(0)
		if _, err := clients.Dial(t.Context(), 0); err == nil {
			t.Error("a client side that was removed can dial")
		}
	})
}
