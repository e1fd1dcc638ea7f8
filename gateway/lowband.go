package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"

	"meshsim/lowband"
	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
	"meshsim/telemetry"
)

// LowbandPort is where gateways listen for the low-bandwidth transport on mesh addresses (CONTRACTS.md).
const LowbandPort = 5683

// lowbandKeys are the static keys of the low-bandwidth transport, one for each server name, made on first use. Like the
// certificates they live as long as the mesh, and every gateway trusts them.
type lowbandKeys struct {
	coder *shorthand.Coder

	mu    sync.Mutex // guards what follows
	keys  map[string]channel.Key
	names map[channel.PublicKey]string
}

func newLowbandKeys() *lowbandKeys {
	return &lowbandKeys{
		coder: shorthand.NewCoder(), keys: make(map[string]channel.Key), names: make(map[channel.PublicKey]string),
	}
}

func (k *lowbandKeys) key(name string) (channel.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.keys[name]; ok {
		return key, nil
	}
	key, err := channel.NewKey()
	if err != nil {
		return channel.Key{}, err
	}
	k.keys[name], k.names[key.Public()] = key, name
	return key, nil
}

func (k *lowbandKeys) name(key channel.PublicKey) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name, ok := k.names[key]
	return name, ok
}

// AttachLowband serves h, which may be a homeserver elsewhere, to the gateways of peers over conn, which it takes over, and sends over it the requests for
// which Config.Transports chooses the low-bandwidth transport. It must be called before the first request, at most once,
// and only with Transports. It ends when the gateway is closed.
func (g *Gateway) AttachLowband(conn net.PacketConn, h http.Handler) error {
	key, err := g.cfg.CA.lowband.key(g.cfg.Name)
	if err != nil {
		return err
	}
	var tap lowband.Tap
	if g.cfg.LowbandTap != nil {
		tap = g.cfg.LowbandTap(conn.LocalAddr())
	}
	g.lowband = lowband.New(lowband.Config{
		Name: g.cfg.Name, Conn: conn, Key: key, Directory: lowbandDirectory{g}, Handler: g.observeHandler(h),
		Coder:    g.cfg.CA.lowband.coder,
		EarlyPut: true, Tap: tap, Logger: g.log,
	})
	g.relays.Go(func() {
		if err := g.lowband.Serve(); !errors.Is(err, net.ErrClosed) {
			g.log.Error("the low-bandwidth transport has ended", "server", g.cfg.Name, "error", err)
		}
	})
	g.cfg.Transports.offer(g.cfg.Name)
	return nil
}

// transportTo chooses how a request travels.
func (g *Gateway) transportTo(name string, path Path) telemetry.Transport {
	if g.lowband == nil {
		return telemetry.HTTPS
	}
	return g.cfg.Transports.pick(g.cfg.Name, name, path)
}

// exchangeLowband is exchange over the low-bandwidth transport. The time allowed begins again with every datagram that
// brings the exchange forward.
func (g *Gateway) exchangeLowband(req *http.Request, body []byte, name string, path Path, seen *sending) (*http.Response, error) {
	limit := g.newDeadline(req.Context(), path, int64(len(body)))
	defer limit.stop()
	limit.allow(path.answerTimeout(limit.bytes))
	ctx := coap.WithProgress(limit.ctx, func() { limit.allow(path.progressTimeout()) })
	var took lowband.Meter
	resp, err := g.lowband.RoundTrip(toServer(lowband.WithMeter(ctx, &took), req, body, name))
	there, back := took.Wire()
	seen.carried(telemetry.Wire{There: there, Back: back, Headers: true})
	if err != nil {
		return nil, explain(name, limit.cause(err))
	}
	resp.Request = req
	return resp, nil
}

// toServer is req for the low-bandwidth transport, which finds the server by its name alone.
func toServer(ctx context.Context, req *http.Request, body []byte, name string) *http.Request {
	out := onward(req, body).WithContext(ctx)
	out.URL = &url.URL{}
	*out.URL = *req.URL
	out.URL.Host = name
	return out
}

// lowbandDirectory shows the mesh to the low-bandwidth transport.
type lowbandDirectory struct{ g *Gateway }

// Peer implements lowband.Directory.
func (d lowbandDirectory) Peer(name string) (lowband.Peer, bool) {
	peer, ok := d.g.cfg.Directory.Lookup(name)
	if !ok {
		return lowband.Peer{}, false
	}
	key, err := d.g.cfg.CA.lowband.key(name)
	if err != nil {
		return lowband.Peer{}, false
	}
	addr := net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer.Addr, LowbandPort))
	return lowband.Peer{Addr: addr, Key: key.Public()}, true
}

// Name implements lowband.Directory.
func (d lowbandDirectory) Name(key channel.PublicKey) (string, bool) {
	return d.g.cfg.CA.lowband.name(key)
}

// Path implements lowband.Directory.
func (d lowbandDirectory) Path(name string) coap.Path {
	peer, ok := d.g.cfg.Directory.Lookup(name)
	if !ok {
		return coap.Path{}
	}
	path, ok := d.g.cfg.Directory.Path(peer.ID)
	if !ok {
		return coap.Path{}
	}
	return coap.Path{RTT: path.RTT, Rate: int64(path.Rate), Line: d.g.lines.line(path.Slowest)}
}
