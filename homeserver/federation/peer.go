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
	client := NewClient(identity, cfg.Transport, cfg.Timeout)
	ring := NewKeyRing(client, cfg.Server.Commons)
	sender := NewSender(client, cfg.Retry, cfg.Server.Logger)
	cfg.Server.Remote, cfg.Server.Outbox, cfg.Server.Keys = client, sender, ring
	server := homeserver.New(cfg.Server)
	return &Peer{
		Server:  server,
		Handler: NewHandler(server, identity, ring, sender.Wake, cfg.Server.Logger),
		Sender:  sender,
	}
}

// Close ends background work of both and waits for it. It is idempotent.
func (p *Peer) Close() {
	p.Sender.Close()
	p.Server.Close()
}
