// Package proxy puts a Matrix client and a homeserver, both as they are, on a low-bandwidth link: [Near] is an HTTP
// server for clients that passes their requests on through package lowband, and [Far] stands in front of the homeserver.
//
// Between the two there is either package lowband, whose messages are the shortest, or MSC3079 as it is proposed (standard.go),
// of which one side may be somebody else's. An access token crosses the link once per session. CORS is answered near the client.
package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"meshsim/lowband"
	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
)

// farName is what the near side calls the one server that it knows.
const farName = "homeserver"

// NearConfig says where the far side is.
type NearConfig struct {
	Conn net.PacketConn // the proxy closes it
	Far  net.Addr
	Key  channel.PublicKey // of the far side; zero where it is not known
	Path coap.Path         // what is known of the link; the zero Path for nothing
	Tap  lowband.Tap

	// Trust is told at the first contact, where Key is zero, which key the far side has proven to be its own. Its error
	// refuses the far side.
	Trust func(channel.PublicKey) error
	// Changed is told when the far side has another key than Key, and says to clients what to do; nil for nothing.
	Changed func(*channel.KeyChangedError) (remedy string)
}

// Near is the side of the clients. It is an http.Handler.
//
//	NewNear -> (Serve, ServeHTTP) -> Close
type Near struct {
	endpoint nearEnd
	changed  func(*channel.KeyChangedError) string
}

// nearEnd is what carries requests to the far side.
type nearEnd interface {
	http.RoundTripper
	Serve() error
	Close() error
}

// NewNear makes the side of the clients. It starts nothing. Its own key is a new one each time: clients are known by
// their access tokens.
func NewNear(c NearConfig) (*Near, error) {
	key, err := channel.NewKey()
	if err != nil {
		return nil, err
	}
	return &Near{changed: c.Changed, endpoint: lowband.New(lowband.Config{
		Name: "client", Conn: c.Conn, Key: key, Directory: &nearDirectory{c: c, key: c.Key}, Handler: http.NotFoundHandler(), Coder: shorthand.NewCoder(),
		Tap: c.Tap,
	})}, nil
}

// Serve carries datagrams until the proxy is closed; the error is then net.ErrClosed.
func (n *Near) Serve() error { return n.endpoint.Serve() }

// Close ends every request. It is idempotent.
func (n *Near) Close() error { return n.endpoint.Close() }

// ServeHTTP implements http.Handler.
func (n *Near) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	allowEveryOrigin(w.Header())
	if req.Method == http.MethodOptions {
		return
	}
	out := req.Clone(req.Context())
	out.URL.Host = farName
	res, err := n.endpoint.RoundTrip(out)
	if err != nil {
		unreachable(w, n.remedied(err))
		return
	}
	defer res.Body.Close()
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body) // fails when the client has gone
}

// remedied adds to an error what can be done about it.
func (n *Near) remedied(err error) error {
	changed, ok := errors.AsType[*channel.KeyChangedError](err)
	if !ok || n.changed == nil {
		return err
	}
	return fmt.Errorf("%w. %s", err, n.changed(changed))
}

// allowEveryOrigin sets what browsers need (client-server specification, "Web Browser Clients").
func allowEveryOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization")
}

func unreachable(w http.ResponseWriter, err error) {
	body, _ := json.Marshal(map[string]string{"errcode": "M_UNKNOWN", "error": "the homeserver was not reached: " + err.Error()})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadGateway)
	_, _ = w.Write(body)
}

// nearDirectory knows the far side alone.
type nearDirectory struct {
	c NearConfig

	mu  sync.Mutex // guards what follows
	key channel.PublicKey
}

var _ lowband.Truster = (*nearDirectory)(nil)

// Peer implements lowband.Directory.
func (d *nearDirectory) Peer(name string) (lowband.Peer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return lowband.Peer{Addr: d.c.Far, Key: d.key}, name == farName
}

// Name implements lowband.Directory.
func (d *nearDirectory) Name(key channel.PublicKey) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return farName, key == d.key
}

// Path implements lowband.Directory.
func (d *nearDirectory) Path(string) coap.Path { return d.c.Path }

// Trust implements lowband.Truster.
func (d *nearDirectory) Trust(_ string, key channel.PublicKey) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key != (channel.PublicKey{}) && d.key != key { // two first contacts at once
		return &channel.KeyChangedError{Known: d.key, Now: key}
	}
	if d.c.Trust == nil {
		return errors.New("proxy: the far side's key is not known, and nobody says whether to trust it")
	}
	if d.key == key {
		return nil
	}
	if err := d.c.Trust(key); err != nil {
		return err
	}
	d.key = key
	return nil
}

// FarConfig says where the homeserver is.
type FarConfig struct {
	Conn   net.PacketConn // the proxy closes it
	Key    channel.Key
	Target *url.URL // of the homeserver
	Path   coap.Path
	Tap    lowband.Tap
	// Transport carries requests to the homeserver; nil for one like http.DefaultTransport that keeps as many connections as
	// are used at once.
	Transport http.RoundTripper
}

// Far is the side of the homeserver.
//
//	NewFar -> Serve -> Close
type Far struct {
	endpoint farEnd
	own      *http.Transport // nil where one was given
}

type farEnd interface {
	Serve() error
	Close() error
}

// NewFar makes the side of the homeserver. It starts nothing. Who does not know its key learns it at the first contact.
func NewFar(c FarConfig) *Far {
	f := &Far{}
	f.endpoint = lowband.New(lowband.Config{
		Name: c.Target.Host, Conn: c.Conn, Key: c.Key, Directory: farDirectory{c.Path}, Handler: f.passOn(c.Target, c.Transport),
		Coder: shorthand.NewCoder(), Strangers: true, Tap: c.Tap,
	})
	return f
}

// maxIdle is how many connections to the homeserver are kept between requests. Of http.DefaultTransport's two, all but two
// requests of a busy moment would pay for a connection each.
const maxIdle = 64

// passOn makes what asks the homeserver, over the transport or, without one, over the far side's own.
func (f *Far) passOn(target *url.URL, transport http.RoundTripper) http.Handler {
	if transport == nil {
		f.own = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: 90 * time.Second,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
		}
		transport = f.own
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			unreachable(w, err)
		},
	}
}

// Serve carries datagrams until the proxy is closed; the error is then net.ErrClosed.
func (f *Far) Serve() error { return f.endpoint.Serve() }

// Close ends every request. It is idempotent.
func (f *Far) Close() error {
	err := f.endpoint.Close()
	if f.own != nil {
		f.own.CloseIdleConnections()
	}
	return err
}

// farDirectory takes everybody for a client, and knows where nobody is.
type farDirectory struct{ path coap.Path }

// Peer implements lowband.Directory.
func (farDirectory) Peer(string) (lowband.Peer, bool) { return lowband.Peer{}, false }

// Name implements lowband.Directory.
func (farDirectory) Name(key channel.PublicKey) (string, bool) { return key.String(), true }

// Path implements lowband.Directory.
func (d farDirectory) Path(string) coap.Path { return d.path }
