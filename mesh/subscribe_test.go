package mesh

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"meshsim/fabric"
	"meshsim/link"
	"meshsim/node"
	"meshsim/topo"
)

func TestSubscriptionCoalesces(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(3, 50)
		ctx, s := b.t.Context(), b.Subscribe()
		for i := range 100 {
			b.must(b.Move(ctx, 1, 50, float64(i)))
		}
		c, err := s.Next(ctx)
		b.must(err)
		if len(c.Servers) != 1 || c.Servers[0].ID != 1 || c.Servers[0].Y != 99 || c.Settings != nil {
			t.Errorf("change: %+v", c)
		}
		if len(c.Links) != 2 || len(c.Removed) != 0 {
			t.Errorf("links set %v, removed %v", c.Links, c.Removed)
		}
		waiting, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := s.Next(waiting); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing changed and Next says %v", err)
		}
	})
}

func TestSubscriptionTellsOfPinsThatChangeNoParameter(t *testing.T) {
	inBubble(t, nil, func(b *bed) {
		b.place(2, 50)
		ctx, s, p := b.t.Context(), b.Subscribe(), topo.Pair{A: 0, B: 1}
		for _, edit := range []func() error{
			func() error { return b.PinParams(ctx, p, topo.Pin{Latency: new(pixels(50))}) },
			func() error { return b.PinLink(ctx, p, topo.LinkPins{}) },
		} {
			b.must(edit())
			c, err := s.Next(ctx)
			b.must(err)
			if len(c.Links) != 1 || c.Links[0].Pair != p {
				t.Errorf("links: %v", c.Links)
			}
		}
	})
}

func TestSubscriptionEndsWithTheMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, nil)
		go b.Run(t.Context())
		b.place(2, 10)
		s := b.Subscribe()
		b.must(b.Close())
		c, err := s.Next(t.Context())
		b.must(err)
		if c.Snapshot.Servers[0].State != Stopped || len(c.Removed) != 1 {
			t.Errorf("last change: %+v", c)
		}
		_, err = s.Next(t.Context())
		b.wantKind(err, Closed)
	})
}

// replica is what a reader of changes knows.
type replica struct {
	settings topo.Settings
	servers  map[int]Server
	links    map[topo.Pair]topo.Link
}

func newReplica(s *Snapshot) *replica {
	r := &replica{settings: s.Settings, servers: make(map[int]Server), links: make(map[topo.Pair]topo.Link)}
	for _, server := range s.Servers {
		r.servers[server.ID] = server
	}
	for _, l := range s.Graph.Links {
		r.links[l.Pair] = l
	}
	return r
}

func (r *replica) apply(c Change) {
	if c.Settings != nil {
		r.settings = *c.Settings
	}
	for _, s := range c.Servers {
		r.servers[s.ID] = s
	}
	for _, p := range c.Removed {
		delete(r.links, p)
	}
	for _, l := range c.Links {
		r.links[l.Pair] = l
	}
}

// TestAnythingGoes issues random commands while servers start, fail, die and stop at random, and compares
// what subscribers of different speed know, and the fabric, with the mesh.
func TestAnythingGoes(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			dice := rand.New(rand.NewPCG(seed, 2))
			inBubble(t, func(c *Config, d *fakeDriver) {
				c.StartLimit = 4
				d.stopTime = 30 * time.Millisecond
				d.startTime = func(id int) time.Duration { return time.Duration(id%7) * 10 * time.Millisecond }
				d.fail = func(id int) error {
					d.mu.Lock()
					defer d.mu.Unlock()
					if dice.IntN(5) == 0 {
						return errBroken
					}
					return nil
				}
			}, func(b *bed) {
				readers := []*bedReader{b.read(0), b.read(7 * time.Millisecond), b.read(time.Second)}
				for range 400 {
					b.anything(r)
					if r.IntN(3) == 0 {
						time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				b.fabric.check(b.Snapshot())
				for _, reader := range readers {
					reader.check(b)
				}
			})
		})
	}
}

// anything does something to the mesh, possible or not.
func (b *bed) anything(r *rand.Rand) {
	ctx, id := b.t.Context(), r.IntN(max(len(b.Snapshot().Servers), 1))
	pair := topo.PairOf(id, r.IntN(max(len(b.Snapshot().Servers), 1)))
	if links := b.Snapshot().Graph.Links; len(links) > 0 && r.IntN(3) > 0 {
		pair = links[r.IntN(len(links))].Pair
	}
	var err error
	switch r.IntN(14) {
	case 0, 1, 2:
		_, err = b.Add(ctx, AddServer{X: r.Float64() * 500, Y: r.Float64() * 500})
	case 3, 4:
		err = b.Move(ctx, id, r.Float64()*500, r.Float64()*500)
	case 5:
		err = b.Start(ctx, id)
	case 6:
		err = b.Stop(ctx, id)
	case 7:
		err = b.Pause(ctx, id)
	case 8:
		err = b.Resume(ctx, id)
	case 9:
		err = b.Remove(ctx, id)
	case 10:
		err = b.Restore(ctx, id)
	case 11:
		err = b.PinParams(ctx, pair, topo.Pin{Latency: new(pixels(float64(r.IntN(300))))})
	case 12:
		if n := b.driver.node(id); n != nil && r.IntN(3) == 0 {
			n.end(errBroken)
		}
	case 13:
		s := b.Snapshot().Settings
		s.Neighbours = 1 + r.IntN(6)
		s.ClientBandwidth = link.BitRate(1000 + r.IntN(1000))
		err = b.SetSettings(ctx, s)
	}
	if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Kind == Internal || e.Kind == Closed) {
		b.t.Errorf("a command failed: %v", err)
	}
}

// ask asks what others may ask at any time, and checks that the answers fit together.
func (b *bed) ask(s *Snapshot) {
	for _, from := range s.Servers {
		to := s.Servers[len(s.Servers)-1]
		b.Client(from.ID)
		if id, ok := b.Lookup(from.Name); ok && id != from.ID {
			b.t.Errorf("%s is server %d, not %d", from.Name, id, from.ID)
		}
		if p, ok := b.Path(from.ID, to.ID); ok && from.ID != to.ID && p.Hops == 0 {
			b.t.Errorf("the path from %d to %d has no links", from.ID, to.ID)
		}
		nodes, ok := b.PathNodes(s.Routes, from.ID, to.ID)
		if ok && (nodes[0] != from.ID || nodes[len(nodes)-1] != to.ID) {
			b.t.Errorf("the path from %d to %d is %v", from.ID, to.ID, nodes)
		}
	}
}

// bedReader applies all changes, pausing in between.
type bedReader struct {
	replica *replica
	ended   chan struct{}
	stop    context.CancelFunc
}

func (b *bed) read(pause time.Duration) *bedReader {
	ctx, stop := context.WithCancel(b.t.Context())
	s := b.Subscribe()
	r := &bedReader{replica: newReplica(s.Snapshot()), ended: make(chan struct{}), stop: stop}
	go func() {
		defer close(r.ended)
		for {
			c, err := s.Next(ctx)
			if err != nil {
				return
			}
			r.replica.apply(c)
			b.ask(c.Snapshot)
			time.Sleep(pause)
		}
	}()
	return r
}

func (r *bedReader) check(b *bed) {
	b.t.Helper()
	r.stop()
	<-r.ended
	want := newReplica(b.Snapshot())
	if diff := cmp.Diff(want, r.replica, cmp.AllowUnexported(replica{}), cmpopts.EquateEmpty()); diff != "" {
		b.t.Errorf("a reader knows something else (-mesh +reader):\n%s", diff)
	}
}

// BenchmarkDrag is how long a move of one of many servers takes until the fabric has it.
func BenchmarkDrag(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			network := fabric.New(fabric.Config{Seed: 1})
			defer network.Close()
			r := rand.New(rand.NewPCG(1, 1))
			size := 60 * math.Sqrt(float64(n))
			config := Config{Drivers: []node.Driver{newFakeDriver(b, "fake")}, Fabric: network, Clients: newFakeClients(b)}
			for id := range n {
				config.Servers = append(config.Servers, Planned{ID: id, X: r.Float64() * size, Y: r.Float64() * size})
			}
			m, err := New(config)
			if err != nil {
				b.Fatal(err)
			}
			go m.Run(b.Context())
			defer m.Close()
			if _, err := m.WaitRunning(b.Context(), n-1); err != nil {
				b.Fatal(err)
			}
			x := 0.0
			for b.Loop() {
				x = math.Mod(x+1, size)
				if err := m.Move(b.Context(), 0, x, x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
