package measure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/homeserver"
	"meshsim/link"
	"meshsim/mesh"
	"meshsim/node"
	"meshsim/node/clientside"
	"meshsim/node/embedded"
	"meshsim/talk"
	"meshsim/telemetry"
	"meshsim/topo"
)

// The servers of a world: the measured one stands behind the link, all others have perfect links to the hub.
const (
	hub      = 0
	measured = 1
)

// world is a mesh with one measured server.
type world struct {
	fabric  *fabric.Fabric
	clients *clientside.Clients
	hub     *telemetry.Hub
	mesh    *mesh.Mesh
	talk    *talk.Talk

	stop  context.CancelFunc
	ended chan error
}

// newWorld starts servers, of which the measured one is linked as asked, and returns when all run.
func newWorld(ctx context.Context, c *Config, transport telemetry.Transport, servers int) (*world, error) {
	w := &world{fabric: fabric.New(fabric.Config{Seed: c.Seed, Clock: c.Clock}), hub: telemetry.NewHub(), ended: make(chan error, 1)}
	if err := w.build(c, transport, servers); err != nil {
		return nil, errors.Join(err, w.release())
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	go func() { w.ended <- w.mesh.Run(running) }()
	for id := range servers {
		if _, err := w.mesh.WaitRunning(ctx, id); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

func (w *world) build(c *Config, transport telemetry.Transport, servers int) error {
	ca, err := gateway.NewCA()
	if err != nil {
		return err
	}
	if w.clients, err = clientside.New(w.fabric); err != nil {
		return err
	}
	choice := gateway.AlwaysHTTPS
	if transport == telemetry.Lowband {
		choice = gateway.AlwaysLowband
	}
	driver := embedded.New(embedded.Config{
		Fabric: w.fabric, CA: ca, Rooms: gateway.NewRooms(), Publisher: w.hub,
		Transports: gateway.NewTransports(choice), Commons: homeserver.NewCommons(),
	})
	settings := topo.Defaults()
	settings.Neighbours, settings.Bandwidth, settings.DecayBandwidth = 0, link.Unlimited, false
	w.mesh, err = mesh.New(mesh.Config{
		Seed: c.Seed, Settings: settings, Servers: planned(servers), Pins: star(c.Link, servers),
		Drivers: []node.Driver{driver}, Fabric: w.fabric, Clients: w.clients,
	})
	if err != nil {
		return errors.Join(err, driver.Close())
	}
	w.talk = talk.New(talk.Config{Servers: homeservers{w.mesh}, User: node.AccountUser, Password: node.AccountPassword})
	return nil
}

func planned(servers int) []mesh.Planned {
	list := make([]mesh.Planned, servers)
	for id := range list {
		list[id] = mesh.Planned{ID: id}
	}
	return list
}

// star links the measured server to the hub as asked, and the hub to all others perfectly.
func star(p link.Params, servers int) map[topo.Pair]topo.LinkPins {
	pins := map[topo.Pair]topo.LinkPins{{A: hub, B: measured}: {AB: topo.PinOf(p), BA: topo.PinOf(p), Linked: true}}
	perfect := topo.PinOf(link.Params{})
	for id := measured + 1; id < servers; id++ {
		pins[topo.Pair{A: hub, B: id}] = topo.LinkPins{AB: perfect, BA: perfect, Linked: true}
	}
	return pins
}

// homeservers shows a mesh as talk wants to see it.
type homeservers struct{ mesh *mesh.Mesh }

// Name implements talk.Servers.
func (h homeservers) Name(id int) (string, bool) { return h.mesh.NameOf(id) }

// Client implements talk.Servers.
func (h homeservers) Client(id int) (http.Handler, error) {
	if handler, ok := h.mesh.Client(id); ok {
		return handler, nil
	}
	return nil, fmt.Errorf("server %d does not run", id)
}

// join lets servers join a room and waits until all of them have.
func (w *world) join(ctx context.Context, room string, ids []int) error {
	if _, err := w.talk.Join(room, ids); err != nil {
		return err
	}
	for {
		changed := w.talk.Changed()
		r, err := w.talk.Room(room)
		if err != nil {
			return err
		}
		if done, err := joined(r, ids); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func joined(r *talk.Room, ids []int) (bool, error) {
	states := make(map[int]talk.Member)
	for _, m := range r.Members {
		states[m.Server] = m
	}
	for _, id := range ids {
		switch m := states[id]; m.State {
		case talk.Failed:
			return false, fmt.Errorf("server %d did not join: %s", id, m.Reason)
		case talk.Joined:
		default:
			return false, nil
		}
	}
	return true, nil
}

// say sends a message as the measured server and waits until so many others have it.
func (w *world) say(ctx context.Context, room, text string, others int) error {
	events := w.hub.Subscribe()
	defer events.Close()
	id, err := w.talk.Send(ctx, room, measured, text)
	if err != nil {
		return err
	}
	has := make(map[int]bool)
	for len(has) < others {
		batch, err := events.Next(ctx)
		if err != nil {
			return err
		}
		for _, group := range batch.Received {
			if group.Event.ID != id {
				continue
			}
			for _, by := range group.By {
				has[by.To] = true
			}
		}
	}
	return nil
}

// close ends the servers and what they stood on.
func (w *world) close() error {
	w.stop()
	select {
	case err := <-w.ended:
		w.talk.Close()
		return errors.Join(err, w.release())
	case <-time.After(time.Minute):
		return errors.New("the servers did not stop within a minute")
	}
}

func (w *world) release() error {
	w.hub.Close()
	var err error
	if w.clients != nil {
		err = w.clients.Close()
	}
	w.fabric.Close()
	return err
}
