// Package proxy puts a Matrix client and a homeserver, both as they are, on a low-bandwidth link: [Near] is an HTTP
// server for clients that passes their requests on through package lowband, and [Far] stands in front of the homeserver.
//
// Between the two there is either package lowband, whose messages are the shortest, or MSC3079 as it is proposed (standard.go),
// of which one side may be somebody else's. An access token crosses the link once per session. CORS is answered near the client.
package proxy

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
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
	Key  channel.PublicKey // of the far side
	Path coap.Path         // what is known of the link; the zero Path for nothing
	Tap  lowband.Tap
}

// Near is the side of the clients. It is an http.Handler.
//
//	NewNear -> (Serve, ServeHTTP) -> Close
type Near struct{ endpoint nearEnd }

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
	return &Near{endpoint: lowband.New(lowband.Config{
		Name: "client", Conn: c.Conn, Key: key, Directory: nearDirectory{c}, Handler: http.NotFoundHandler(), Coder: shorthand.NewCoder(),
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
		unreachable(w, err)
		return
	}
	defer res.Body.Close()
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body) // fails when the client has gone
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
type nearDirectory struct{ c NearConfig }

// Peer implements lowband.Directory.
func (d nearDirectory) Peer(name string) (lowband.Peer, bool) {
	return lowband.Peer{Addr: d.c.Far, Key: d.c.Key}, name == farName
}

// Name implements lowband.Directory.
func (d nearDirectory) Name(key channel.PublicKey) (string, bool) { return farName, key == d.c.Key }

// Path implements lowband.Directory.
func (d nearDirectory) Path(string) coap.Path { return d.c.Path }

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

// NewFar makes the side of the homeserver. It starts nothing. It tells its key to whoever asks.
func NewFar(c FarConfig) *Far {
	f := &Far{}
	f.endpoint = lowband.New(lowband.Config{
		Name: c.Target.Host, Conn: c.Conn, Key: c.Key, Directory: farDirectory{c.Path}, Handler: f.passOn(c.Target, c.Transport),
		Coder: shorthand.NewCoder(), TellKey: true, Tap: c.Tap,
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
			TLSHandshakeTimeout: 10 * time.Second,
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

// Trust asks the far side at an address for its key. Whoever answers is believed, so the key should be shown and given
// the next time.
func Trust(ctx context.Context, conn net.PacketConn, far net.Addr) (channel.PublicKey, error) {
	return channel.AskKey(ctx, conn, far)
}
