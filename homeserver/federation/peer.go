package federation

import (
	"log/slog"
	"net/http"
	"time"

	"meshsim/homeserver"
)

// Config says how to put a homeserver and its federation together.
type Config struct {
	// Server is the homeserver's configuration. Commons may be nil for a private one; Remote, Outbox and Keys
	// are filled in.
	Server homeserver.Config
	// Transport carries requests to https://SERVERNAME/_matrix/...
	Transport http.RoundTripper
	// Timeout says how long a request to a server with a body of so many bytes may take; nil for one minute.
	Timeout func(server string, bytes int) time.Duration
	// Retry is the zero value for DefaultRetry.
	Retry Retry
}

// Peer is a homeserver with its federation. Its fields are not changed.
//
//	New -> (serves) -> Close
type Peer struct {
	Server  *homeserver.Server
	Handler *Handler
	Sender  *Sender

	cfg Config
}

// New puts a homeserver and its federation together. It starts nothing.
func New(cfg Config) *Peer {
	if cfg.Server.Logger == nil {
		cfg.Server.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Server.Commons == nil {
		cfg.Server.Commons = homeserver.NewCommons()
	}
	if cfg.Retry == (Retry{}) {
		cfg.Retry = DefaultRetry
	}
	identity := Identity{Name: cfg.Server.Name, KeyID: cfg.Server.KeyID, Key: cfg.Server.Key}
	store := cfg.Server.Store
	if store != nil {
		cfg.Transport = careful{cfg.Transport, store}
	}
	client := NewClient(identity, cfg.Transport, cfg.Timeout)
	ring := NewKeyRing(client, cfg.Server.Commons)
	sender := NewSender(client, cfg.Retry, cfg.Server.Logger)
	sender.ledger.store = store
	cfg.Server.Remote, cfg.Server.Outbox, cfg.Server.Keys = client, sender, ring
	server := homeserver.New(cfg.Server)
	return &Peer{
		Server:  server,
		Handler: NewHandler(server, identity, ring, sender.Wake, cfg.Server.Logger),
		Sender:  sender,
		cfg:     cfg,
	}
}

// Restore makes the homeserver what its store says it was, and begins to send what waited. It is called before the peer
// serves. Without a store it does nothing.
func (p *Peer) Restore() error {
	store := p.cfg.Server.Store
	if store == nil {
		return nil
	}
	if err := p.Server.Restore(); err != nil {
		return err
	}
	if err := p.Handler.txns.restore(store); err != nil {
		return err
	}
	return p.Sender.Restore(p.cfg.Server.Commons.Recall)
}

// careful lets no request leave before all that it may tell is kept.
type careful struct {
	http.RoundTripper
	store homeserver.Store
}

// RoundTrip implements http.RoundTripper.
func (c careful) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := c.store.Durable(r.Context()); err != nil {
		return nil, err
	}
	return c.RoundTripper.RoundTrip(r)
}

// Close ends background work of both and waits for it. It is idempotent.
func (p *Peer) Close() {
	p.Sender.Close()
	p.Server.Close()
}
