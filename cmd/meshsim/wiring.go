package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"meshsim/api"
	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/homeserver/store"
	"meshsim/mesh"
	"meshsim/mesh/coapports"
	"meshsim/mesh/meshfile"
	"meshsim/node"
	"meshsim/node/clientside"
	"meshsim/talk"
	"meshsim/telemetry"
	"meshsim/web"
)

// wiring is a mesh with all that it stands on, from the ground up.
type wiring struct {
	fabric     *fabric.Fabric
	hub        *telemetry.Hub
	clients    *clientside.Clients
	drivers    map[string]node.Driver // by kind
	store      *store.DB              // nil without --data
	mesh       *mesh.Mesh
	transports *gateway.Transports
	talk       *talk.Talk
	frontend   *api.Frontend
	collector  sdktrace.SpanExporter // nil without --otlp
	coapPorts  int                   // UDP port of server 0's CoAP for clients; 0 for none
	savings    api.MemorySavings     // nil without --ksm
	traffic    *lowbandCapture       // nil without --lowband-capture; its opener closes it
	file       string                // kept up to date; empty for none
	log        *slog.Logger
}

// newWiring makes everything; nothing runs yet. What was made is closed again where something cannot be.
func newWiring(o *options, plan meshfile.Plan, listeners []net.Listener, traffic *lowbandCapture, log *slog.Logger) (*wiring, error) {
	w := &wiring{
		fabric:     fabric.New(fabric.Config{Seed: plan.Seed, Logger: log}),
		hub:        telemetry.NewHub(),
		coapPorts:  o.coap.first,
		file:       o.file,
		transports: gateway.NewTransports(plan.Transport.Choice),
		traffic:    traffic,
		log:        log,
	}
	if err := w.build(o, plan); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.newFrontend(o, listeners)
	log.Info("network ready", "scheduler", w.fabric.Privileges(), "seed", plan.Seed)
	return w, nil
}

// build makes what can fail: the mesh and what it stands on.
func (w *wiring) build(o *options, plan meshfile.Plan) (err error) {
	if w.collector, err = o.collector(); err != nil {
		return err
	}
	if err := w.transports.SetBelow(plan.Transport.Below); err != nil {
		return err
	}
	if w.clients, err = clientside.New(w.fabric); err != nil {
		return err
	}
	drivers, err := w.newDrivers(o)
	if err != nil {
		return err
	}
	w.drivers = make(map[string]node.Driver)
	for _, d := range drivers {
		w.drivers[d.Kind()] = d
	}
	if err := w.newMesh(o, plan, drivers); err != nil {
		return errors.Join(err, closeDrivers(drivers))
	}
	return nil
}

// newMesh makes the mesh of a plan. The drivers are the mesh's from then on, which closes them.
func (w *wiring) newMesh(o *options, plan meshfile.Plan, drivers []node.Driver) (err error) {
	w.mesh, err = mesh.New(mesh.Config{
		Seed:        plan.Seed,
		Settings:    plan.Settings,
		Servers:     plan.Servers,
		Pins:        plan.Pins,
		Drivers:     drivers,
		DefaultKind: o.homeserver,
		StopTimeout: o.stopTimeout,
		KeepRemoved: o.keepRemoved,
		Fabric:      w.fabric,
		Clients:     w.clients,
		Logger:      w.log,
	})
	return err
}

// newFrontend makes what users see: talk, the API and the page.
func (w *wiring) newFrontend(o *options, listeners []net.Listener) {
	w.talk = talk.New(talk.Config{
		Servers:  servers{w.mesh},
		User:     node.AccountUser,
		Password: node.AccountPassword,
		NamesFew: func(id int) bool {
			server, ok := w.mesh.Snapshot().Server(id)
			return ok && o.containers.namesFew(server.Kind)
		},
	})
	w.frontend = api.New(api.Config{
		Mesh:        w.mesh,
		Talk:        w.talk,
		Events:      w.hub,
		Fabric:      w.fabric,
		Dial:        w.clients.Dial,
		Transports:  w.transports,
		Savings:     w.savings,
		Page:        web.Files(),
		Authority:   authority(listeners),
		Names:       names(o.listen),
		Token:       o.token,
		ClientPorts: o.clientPorts,
		CoAP:        api.CoAPPorts{First: o.coap.first, Insecure: o.coap.insecure},
		Version:     version(),
		Logger:      w.log,
	})
}

// run serves until the context ends, and then closes everything.
func (w *wiring) run(ctx context.Context, listeners []net.Listener) error {
	err := runAll(ctx,
		w.mesh.Run,
		w.keepFile,
		w.recallRooms,
		w.trace,
		w.endTalk,
		w.serveCoAP,
		func(ctx context.Context) error { return w.frontend.Serve(ctx, listeners...) },
	)
	return errors.Join(err, w.close())
}

func (w *wiring) serveCoAP(ctx context.Context) error {
	if w.coapPorts == 0 {
		<-ctx.Done()
		return nil
	}
	return coapports.Run(ctx, coapports.Config{Mesh: w.mesh, First: w.coapPorts, Dial: w.clients.DialCoAP, Logger: w.log})
}

func (w *wiring) keepFile(ctx context.Context) error {
	if w.file == "" {
		<-ctx.Done()
		return nil
	}
	return meshfile.Keep(ctx, w.mesh, w.transports, w.file, w.log)
}

// recallRooms shows the rooms of servers that have run before, as each server comes to run.
func (w *wiring) recallRooms(ctx context.Context) error {
	if w.store == nil {
		<-ctx.Done()
		return nil
	}
	changes := w.mesh.Subscribe()
	recalled := map[int]bool{}
	for servers := changes.Snapshot().Servers; ; {
		for _, server := range servers {
			if server.State != mesh.Running || recalled[server.ID] {
				continue
			}
			recalled[server.ID] = true
			if err := w.talk.Recall(ctx, server.ID); err != nil && ctx.Err() == nil {
				w.log.Warn("the rooms of a server cannot be shown", "server", server.Name, "error", err)
			}
		}
		change, err := changes.Next(ctx)
		if err != nil {
			return nil // the end
		}
		servers = change.Servers
	}
}

// endTalk gives up the joins under way when the end has come.
func (w *wiring) endTalk(ctx context.Context) error {
	<-ctx.Done()
	w.talk.Close()
	return nil
}

// close releases what the mesh stood on, from the top down.
func (w *wiring) close() error {
	w.hub.Close()
	var err error
	if w.clients != nil {
		err = w.clients.Close()
	}
	w.fabric.Close()
	if w.store != nil {
		err = errors.Join(err, w.store.Close())
	}
	return err
}

// servers shows the mesh as talk wants to see it.
type servers struct{ mesh *mesh.Mesh }

// Name implements talk.Servers.
func (s servers) Name(id int) (string, bool) {
	server, ok := s.mesh.Snapshot().Server(id)
	return server.Name, ok
}

// Client implements talk.Servers.
func (s servers) Client(id int) (http.Handler, error) {
	handler, ok := s.mesh.Client(id)
	if !ok {
		server, _ := s.mesh.Snapshot().Server(id)
		return nil, fmt.Errorf("it is %s", server.State)
	}
	return handler, nil
}
