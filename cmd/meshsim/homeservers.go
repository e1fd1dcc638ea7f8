package main

import (
	"context"
	"errors"
	"net"

	"meshsim/gateway"
	"meshsim/homeserver"
	"meshsim/homeserver/store"
	"meshsim/lowband"
	"meshsim/node"
	"meshsim/node/embedded"
)

// surroundings is what the drivers of one mesh share.
type surroundings struct {
	ca          *gateway.CA
	rooms       *gateway.Rooms
	connections *gateway.Connections
	lowbandTap  func(own net.Addr) lowband.Tap // nil for nobody
}

// newDrivers makes a driver of each kind of homeserver that this system has.
func (w *wiring) newDrivers(o *options) ([]node.Driver, error) {
	ca, err := gateway.NewCA()
	if err != nil {
		return nil, err
	}
	commons := homeserver.NewCommons()
	if o.ownWork {
		commons = nil
	}
	if o.data != "" {
		if w.store, err = store.Open(o.data, w.log); err != nil {
			return nil, err
		}
	}
	s := surroundings{
		ca: ca, rooms: gateway.NewRooms(), connections: gateway.NewConnections(gateway.DefaultConnections),
		lowbandTap: w.traffic.tap(),
	}
	containers, err := w.containerDrivers(o, s)
	if err != nil {
		return nil, err
	}
	return append([]node.Driver{embedded.New(embedded.Config{
		Fabric:            w.fabric,
		CA:                s.ca,
		Rooms:             s.rooms,
		Publisher:         w.hub,
		RegistrationToken: o.token,
		Transports:        w.transports,
		LowbandTap:        s.lowbandTap,
		CoAP:              o.coap.offer(),
		Connections:       s.connections,
		Presence:          o.presence,
		Commons:           commons,
		Store:             w.store,
		Logger:            w.log,
	})}, containers...), nil
}

// checker is a driver that can tell whether its servers could be started.
type checker interface {
	Check(ctx context.Context) error
}

// checkDefault says at once, and not only at the first click, what the default kind of homeserver lacks.
func (w *wiring) checkDefault(ctx context.Context) error {
	if c, ok := w.drivers[w.mesh.Kinds()[0]].(checker); ok {
		return c.Check(ctx)
	}
	return nil
}

func closeDrivers(drivers []node.Driver) error {
	var errs []error
	for _, d := range drivers {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}
