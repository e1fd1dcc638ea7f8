package embedded

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"meshsim/gateway"
	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
	"meshsim/homeserver/federation"
	"meshsim/matrix/event"
	"meshsim/node"
	"meshsim/telemetry"
)

// keyID names the one signing key that a server has.
const keyID = "ed25519:1"

// resident is one homeserver, running or not. It is what outlives Stop.
type resident struct {
	spec   node.Spec
	driver *Driver
	valve  *valve // open while the server runs and is not paused

	journal *node.Journal // what it did last

	peer   *federation.Peer
	client http.Handler

	mu      sync.Mutex // guards what follows
	gateway *gateway.Gateway
	mesh    node.Network // as of the last start
}

// newResident makes a homeserver: the one that the store has, or a new one with a fresh key and the account that every
// server has.
func (d *Driver) newResident(spec node.Spec) (*resident, error) {
	key, kept, err := d.identity(spec)
	if err != nil {
		return nil, err
	}
	account, err := d.account()
	if err != nil {
		return nil, err
	}
	r := &resident{spec: spec, driver: d, valve: newValve(), journal: node.NewJournal(journalLines)}
	r.build(key, kept)
	if err := r.furnish(account); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// identity returns the key of a server and where what it does is kept, nil for nowhere.
func (d *Driver) identity(spec node.Spec) (ed25519.PrivateKey, homeserver.Store, error) {
	if d.cfg.Store != nil {
		kept, err := d.cfg.Store.Server(spec.Name)
		if err != nil {
			return nil, nil, err
		}
		return kept.Key(), kept, nil
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make its signing key: %w", err)
	}
	return key, nil, nil
}

// furnish gives the homeserver what is kept of it, and the account that it must have.
func (r *resident) furnish(account homeserver.Credential) error {
	if err := r.peer.Restore(); err != nil {
		return err
	}
	server := r.peer.Server
	if err := server.Available(account.Localpart); err != nil && homeserver.KindOf(err) == homeserver.UserInUse {
		return nil
	}
	if _, err := server.AddAccount(account); err != nil {
		return err
	}
	return server.Durable(context.Background())
}

// untilGivenUp is the time that the homeserver itself allows a request: none, in effect. The gateway knows the path and
// gives up when there is reason to (package gateway, timeout.go); and while the server is paused, requests wait.
const untilGivenUp = 7 * 24 * time.Hour

// build puts the homeserver's parts together.
func (r *resident) build(key ed25519.PrivateKey, kept homeserver.Store) {
	cfg := &r.driver.cfg
	r.peer = federation.New(federation.Config{
		Server: homeserver.Config{
			Name:              r.spec.Name,
			KeyID:             keyID,
			Key:               key,
			Commons:           cfg.Commons,
			Store:             kept,
			Passwords:         cfg.Passwords,
			RegistrationToken: cfg.RegistrationToken,
			Presence:          cfg.Presence,
			Observer:          r,
			Logger:            newLogger(cfg.Logger.With("server", r.spec.Name), r.journal),
		},
		Transport: r,
		Timeout:   func(string, int) time.Duration { return untilGivenUp },
		Retry:     cfg.Retry,
	})
	r.client = clientapi.Handler(r.peer.Server)
}

// close ends the homeserver for good.
func (r *resident) close() {
	r.valve.end()
	r.peer.Close()
}

// connect says where requests to other servers go from now on.
func (r *resident) connect(g *gateway.Gateway, mesh node.Network) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gateway, r.mesh = g, mesh
}

// RoundTrip implements http.RoundTripper: requests to other servers wait while the server is stopped or paused, and
// then leave through the gateway of its present run.
func (r *resident) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.valve.pass(req.Context()); err != nil {
		return nil, fmt.Errorf("%s: %w", r.spec.Name, err)
	}
	r.mu.Lock()
	g := r.gateway
	r.mu.Unlock()
	return g.RoundTrip(req)
}

// EventProcessed implements homeserver.Observer.
func (r *resident) EventProcessed(origin string, pdu *event.PDU, outcome homeserver.Outcome) {
	r.note("%s %s of %s from %s: %s", pdu.Type(), pdu.ID(), pdu.RoomID(), origin, outcomes[outcome])
	r.mu.Lock()
	mesh := r.mesh
	r.mu.Unlock()
	from, ok := mesh.Lookup(origin)
	if !ok {
		return // removed from the mesh meanwhile: there is no id to report
	}
	r.driver.cfg.Publisher.Publish(telemetry.Received{
		At:      time.Now(),
		Event:   r.driver.cfg.Rooms.Describe(pdu),
		From:    from,
		To:      r.spec.ID,
		Basis:   telemetry.Processed,
		Outcome: outcomes[outcome],
	})
}

// outcomes translates the homeserver's words into telemetry's.
var outcomes = map[homeserver.Outcome]telemetry.Outcome{
	homeserver.Accepted:   telemetry.OutcomeAccepted,
	homeserver.SoftFailed: telemetry.OutcomeSoftFailed,
	homeserver.Rejected:   telemetry.OutcomeRejected,
}
