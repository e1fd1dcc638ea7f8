// Package embedded is the driver for homeservers that run inside this process, each on a network stack of its own.
//
// A running server is a stack at the server's mesh addresses, a gateway, and two listeners: federation over TLS on
// port 8448 and the client-server API in plain HTTP on port 8008, for IPv4 and IPv6. The homeserver itself (its key,
// accounts and rooms) is made when its id is first started and kept until Forget, so a stopped server comes back as
// it was. While it is stopped or paused, what it wants to send and what is asked of it waits (valve.go).
//
// Everything here runs in a testing/synctest bubble. What is not needed is not there: an idle server holds a stack, two
// goroutines that accept, and no buffers.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/homeserver"
	"meshsim/homeserver/federation"
	"meshsim/homeserver/store"
	"meshsim/lowband"
	"meshsim/lowband/msc3079"
	"meshsim/node"
	"meshsim/telemetry"
)

// Kind is the driver's name.
const Kind = "embedded"

// Config is what servers of one process share. All fields but the marked ones are needed.
type Config struct {
	Fabric    *fabric.Fabric
	CA        *gateway.CA
	Rooms     *gateway.Rooms
	Publisher telemetry.Publisher
	Passwords *homeserver.Passwords // optional

	// RegistrationToken is what clients must show to register; empty leaves registration open.
	RegistrationToken string

	// Transports chooses how requests between servers travel; nil for HTTPS alone.
	Transports *gateway.Transports
	// LowbandTap is each gateway's (gateway.Config); nil for nobody.
	LowbandTap func(own net.Addr) lowband.Tap
	// CoAP offers clients MSC3079 besides HTTP.
	CoAP msc3079.Offer
	// Connections bounds how many connections all servers keep open; nil for gateway.DefaultConnections.
	Connections *gateway.Connections
	// Retry says when servers try again to reach others; zero for federation.DefaultRetry.
	Retry federation.Retry
	// Presence has servers tell each other who is there.
	Presence bool
	// Commons is what the homeservers share of each other's work; nil makes every server do its own.
	Commons *homeserver.Commons
	// Store keeps what the homeservers do, by their names; nil for memory alone. It is closed after the driver.
	Store  *store.DB
	Logger *slog.Logger // optional
}

// Driver implements node.Driver.
type Driver struct {
	cfg     Config
	account func() (homeserver.Credential, error) // hashed on first use

	mu        sync.Mutex // guards what follows
	residents map[int]*resident
	closed    bool
}

var _ node.Driver = (*Driver)(nil)

// New makes a driver. It starts nothing.
func New(cfg Config) *Driver {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Passwords == nil {
		cfg.Passwords = homeserver.NewPasswords()
	}
	if cfg.Connections == nil {
		cfg.Connections = gateway.NewConnections(gateway.DefaultConnections)
	}
	return &Driver{
		cfg:       cfg,
		residents: make(map[int]*resident),
		account: sync.OnceValues(func() (homeserver.Credential, error) {
			hash, err := cfg.Passwords.Hash(context.Background(), node.AccountPassword)
			return homeserver.Credential{Localpart: node.AccountUser, PasswordHash: hash}, err
		}),
	}
}

// Kind implements node.Driver.
func (*Driver) Kind() string { return Kind }

// Start implements node.Driver.
func (d *Driver) Start(ctx context.Context, spec node.Spec, mesh node.Network) (node.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, &node.StartError{Reason: fmt.Sprintf("the start of %s was called off: %v", spec.Name, err)}
	}
	r, err := d.resident(spec)
	if err != nil {
		return nil, &node.StartError{Reason: err.Error()}
	}
	n, err := d.run(r, mesh)
	if err != nil {
		return nil, &node.StartError{Reason: err.Error()}
	}
	return n, nil
}

// errClosed is returned by Start after Close.
var errClosed = errors.New("the driver of embedded servers is closed")

// resident returns the homeserver with the id of spec, making it where it does not exist.
func (d *Driver) resident(spec node.Spec) (*resident, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	if r := d.residents[spec.ID]; r != nil {
		return r, nil
	}
	r, err := d.newResident(spec)
	if err != nil {
		return nil, fmt.Errorf("make homeserver %s: %w", spec.Name, err)
	}
	d.residents[spec.ID] = r
	return r, nil
}

// Forget implements node.Driver.
func (d *Driver) Forget(_ context.Context, spec node.Spec) error {
	d.mu.Lock()
	r := d.residents[spec.ID]
	delete(d.residents, spec.ID)
	d.mu.Unlock()
	if r != nil {
		r.close()
	}
	if d.cfg.Store != nil {
		return d.cfg.Store.Forget(spec.Name)
	}
	return nil
}

// Close implements node.Driver. It is idempotent.
func (d *Driver) Close() error {
	d.mu.Lock()
	residents := d.residents
	d.residents = nil
	d.closed = true
	d.mu.Unlock()
	for _, r := range residents {
		r.close()
	}
	return nil
}
