package lowband

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

// Peer is where a server is and who it is.
type Peer struct {
	Addr net.Addr
	Key  channel.PublicKey // zero where it is not known: the first contact learns it, if the Directory is a Truster
}

// Directory knows the peers. It is safe for concurrent use and does not block.
type Directory interface {
	// Peer finds a server by its Matrix server name.
	Peer(name string) (Peer, bool)
	// Name finds the Matrix server name that a key belongs to.
	Name(key channel.PublicKey) (string, bool)
	// Path says what is known of the path to a server; the zero Path for nothing.
	Path(name string) coap.Path
}

// Truster is a Directory that may not know a peer's key.
type Truster interface {
	// Trust is told at the first contact which key a server has proven to be its own, and keeps it or refuses the server.
	// Peer and Name must know a key that was kept.
	Trust(name string, key channel.PublicKey) error
}

// Config says whose endpoint it is and what stands around it. All fields but the marked ones are needed.
type Config struct {
	Name      string         // Matrix server name, the host of the requests that the handler sees
	Conn      net.PacketConn // the endpoint closes it
	Key       channel.Key
	Directory Directory
	Handler   http.Handler
	Coder     *shorthand.Coder // shared by the endpoints of a process
	MaxBody   int              // bytes of a body in either direction; 0 for 64 MiB

	// EarlyPut lets a PUT travel with the first message of a handshake, which an attacker can replay to a peer that has
	// restarted; a GET does so always. It is for the server-server API.
	EarlyPut bool
	// Strangers answers first contacts, of peers that do not know this end's key.
	Strangers bool
	Tap       Tap          // nobody is told by the zero Tap
	Logger    *slog.Logger // nil discards
}

// defaultMaxBody is enough for the state of a room of some 50,000 members.
const defaultMaxBody = 64 << 20

// Endpoint is one server's end. It is safe for concurrent use.
//
//	New -> (Serve, RoundTrip) -> Close
type Endpoint struct {
	cfg     Config
	channel *channel.Endpoint
	ctx     context.Context // ended by Close
	end     context.CancelFunc

	mu    sync.Mutex         // guards what follows
	talks map[string]*talk   // the one to use, by server name
	all   map[*talk]struct{} // not closed
}

// New makes an endpoint. It starts nothing: answers come once Serve runs.
func New(cfg Config) *Endpoint {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Endpoint{cfg: cfg, talks: make(map[string]*talk), all: make(map[*talk]struct{})}
	e.ctx, e.end = context.WithCancel(context.Background())
	e.channel = channel.New(channel.Config{
		Conn:      cfg.Conn,
		Key:       cfg.Key,
		Known:     func(k channel.PublicKey) bool { _, ok := cfg.Directory.Name(k); return ok },
		Accept:    e.accept,
		Early:     e.early,
		Strangers: cfg.Strangers,
		Hint:      shorthand.DictionaryVersion,
	})
	return e
}

// Serve carries datagrams until the connection fails or the endpoint is closed; the error is then net.ErrClosed.
func (e *Endpoint) Serve() error { return e.channel.Run() }

// Close ends every request, in both directions, and closes the connection. It is idempotent.
func (e *Endpoint) Close() error {
	e.end()
	err := e.channel.Close()
	e.mu.Lock()
	var open []*talk
	for t := range e.all {
		open = append(open, t)
	}
	e.mu.Unlock()
	for _, t := range open {
		e.drop(t, ErrClosed)
	}
	return err
}

// Stats returns what went over the connection.
func (e *Endpoint) Stats() channel.Stats { return e.channel.Stats() }

// early tells whether a CoAP message may travel with a handshake, which can be replayed: a confirmable GET, or PUT.
func (e *Endpoint) early(datagram []byte) bool {
	if len(datagram) < 4 || datagram[0]&0x30 != 0 {
		return false
	}
	code := datagram[1]
	return code == byte(codeFetch) || e.cfg.EarlyPut && code == byte(methods[http.MethodPut])
}
