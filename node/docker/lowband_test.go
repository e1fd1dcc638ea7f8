//go:build linux && docker

package docker_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/link"
	"meshsim/node"
	"meshsim/node/embedded"
	"meshsim/node/nodetest"
	"meshsim/telemetry"
)

// crossings counts the events that were sent, by transport and sender.
type crossings struct {
	mu   sync.Mutex
	sent map[telemetry.Transport]map[int]int
}

// Publish implements telemetry.Publisher.
func (c *crossings) Publish(n telemetry.Notification) {
	sent, ok := n.(telemetry.Sent)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent == nil {
		c.sent = make(map[telemetry.Transport]map[int]int)
	}
	if c.sent[sent.Transport] == nil {
		c.sent[sent.Transport] = make(map[int]int)
	}
	c.sent[sent.Transport][sent.From]++
}

func (c *crossings) of(t telemetry.Transport) map[int]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.sent[t])
}

// A Synapse, unmodified, with three embedded servers over the low-bandwidth transport: joins, messages both ways, and a
// partition that heals.
func TestSynapseOverLowband(t *testing.T) {
	seen := &crossings{}
	m := nodetest.NewMesh(t, fabric.RealClock(), 1)
	cfg := config(t, m, seen)
	cfg.Transports = gateway.NewTransports(gateway.AlwaysLowband)
	d := driver(t, cfg)
	t.Cleanup(func() { d.Close() })
	e := embedded.New(embedded.Config{
		Fabric: m.Fabric, CA: cfg.CA, Rooms: cfg.Rooms, Publisher: cfg.Publisher, Transports: cfg.Transports,
	})
	t.Cleanup(func() { e.Close() })
	drivers := []node.Driver{d, e, e, e}
	clients := make([]*nodetest.Client, len(drivers))
	for i, by := range drivers {
		spec := node.Spec{ID: i, Name: fmt.Sprint("hs", i), Kind: by.Kind()}
		m.Name(spec)
		n, err := by.Start(t.Context(), spec, m)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Stop(context.Background()) })
		clients[i] = &nodetest.Client{API: n.Client()}
		if err := clients[i].Login(t.Context(), node.AccountUser, node.AccountPassword); err != nil {
			t.Fatal(err)
		}
	}
	slow := link.Params{Rate: 50_000, Delay: 50 * time.Millisecond}
	m.LinkAll(len(drivers), slow)
	same := func(room string) func() bool {
		return func() bool {
			first := clients[0].State(t, room)
			return !slices.ContainsFunc(clients[1:], func(c *nodetest.Client) bool { return !maps.Equal(first, c.State(t, room)) })
		}
	}
	rooms := []string{create(t, clients[0], "12", nil), create(t, clients[1], "11", nil)}
	for host, room := range rooms {
		for i, c := range clients {
			if i != host {
				do(t, c, http.MethodPost, joining(room, fmt.Sprint("hs", host)), object{}, nil)
			}
		}
		eventually(t, "all four have the same state", same(room))
		for i, c := range clients {
			c.Send(t, room, fmt.Sprint("hello from ", i))
		}
		for i := range clients {
			for _, c := range clients {
				shows(t, c, room, fmt.Sprint("hello from ", i))
			}
		}
	}
	for other := 1; other < len(drivers); other++ {
		m.Cut(0, other)
	}
	for _, room := range rooms {
		clients[0].Send(t, room, "alone")
		clients[2].Send(t, room, "without")
		shows(t, clients[3], room, "without")
	}
	m.LinkAll(len(drivers), slow)
	for _, room := range rooms {
		shows(t, clients[0], room, "without")
		for _, c := range clients[1:] {
			shows(t, c, room, "alone")
		}
		eventually(t, "all four have the same state again", same(room))
	}
	if https := seen.of(telemetry.HTTPS); len(https) != 0 {
		t.Errorf("events were sent over HTTPS, by server: %v", https)
	}
	for id, count := range seen.of(telemetry.Lowband) {
		t.Logf("server %d sent %d events over the low-bandwidth transport", id, count)
	}
	if len(seen.of(telemetry.Lowband)) != len(drivers) {
		t.Error("not every server has sent events")
	}
}
