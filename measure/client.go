package measure

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/link"
	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
	"meshsim/lowband/proxy"
	"meshsim/node"
	"meshsim/port/netstack"
	"meshsim/talk"
	"meshsim/telemetry"
)

// The two ends of the link of a client.
const (
	clientEnd fabric.NodeID = 1
	serverEnd fabric.NodeID = 2

	serverName = "hs0"
	httpsPort  = 443
	coapPort   = 5683
)

func addressOf(end fabric.NodeID) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(end)}) }

// client measures the steps of a client whose homeserver is in a room of two.
func (t *trial) client(ctx context.Context) (err error) {
	t.config.Step(t.transport, "starting a homeserver")
	w, err := newWorld(ctx, &Config{Seed: t.config.Seed, Clock: t.config.Clock}, telemetry.HTTPS, 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	room, err := w.talk.Create(ctx, talk.NewRoom{Name: "a room", Creator: hub})
	if err != nil {
		return err
	}
	if err := w.join(ctx, room.ID, []int{measured}); err != nil {
		return err
	}
	handler, ok := w.mesh.Client(hub)
	if !ok {
		return errors.New("the homeserver does not run")
	}
	a, err := newAccess(t.config, t.transport, handler)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	t.session(ctx, w, a, room.ID)
	return nil
}

// session is what a client does.
func (t *trial) session(ctx context.Context, w *world, a *access, room string) {
	t.step(ctx, a.wire, "client: login, with connection set-up", true, a.login)
	t.step(ctx, a.wire, "client: initial sync of one small room", true, a.sync)
	send := func(ctx context.Context) error { return a.send(ctx, room) }
	t.step(ctx, a.wire, "client: first message sent", true, send)
	t.step(ctx, a.wire, "client: next message sent", true, send)
	if a.sync(ctx) != nil { // the client's own messages are no part of the next step
		return
	}
	for range 3 {
		if _, err := w.talk.Send(ctx, room, hub, message); err != nil {
			return
		}
	}
	t.step(ctx, a.wire, "client: incremental sync, 3 messages", true, a.sync)
}

// access is a client at one end of a link, and what a homeserver's clients reach at the other.
type access struct {
	client *http.Client
	base   string
	wire   *wire
	token  string
	since  string
	txn    int

	closers []func() error // in the order of making
}

func newAccess(c *Config, transport telemetry.Transport, homeserver http.Handler) (*access, error) {
	a := &access{}
	if err := a.build(c, transport, homeserver); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *access) build(c *Config, transport telemetry.Transport, homeserver http.Handler) error {
	f := fabric.New(fabric.Config{Seed: c.Seed, Clock: c.Clock})
	a.onClose(func() error { f.Close(); return nil })
	stack, err := netstack.New(netstack.Config{})
	if err != nil {
		return err
	}
	a.onClose(stack.Close)
	var hosts [2]*netstack.Host
	for i, end := range []fabric.NodeID{clientEnd, serverEnd} {
		config := fabric.NodeConfig{ID: end, Name: [...]string{"client", "homeserver"}[i], Addrs: []netip.Addr{addressOf(end)}}
		if hosts[i], err = stack.Add(f, config); err != nil {
			return err
		}
	}
	id := fabric.LinkID{A: clientEnd, B: serverEnd}
	change := fabric.Change{Set: []fabric.LinkConfig{{LinkID: id, AB: c.Link, BA: c.Link}}, Router: across{}}
	if err := f.Apply(change); err != nil {
		return err
	}
	if a.wire, err = watch(f, id); err != nil {
		return err
	}
	a.onClose(a.wire.close)
	if transport == telemetry.Lowband {
		return a.lowband(c.Link, hosts[0], hosts[1], homeserver)
	}
	return a.https(c, hosts[0], hosts[1], homeserver)
}

// across routes between the two ends.
type across struct{}

// NextHop implements fabric.Router.
func (across) NextHop(_, dst fabric.NodeID) (fabric.NodeID, bool) { return dst, true }

// https is what clients do: TLS 1.3, HTTP/1.1, one connection that is kept.
func (a *access) https(c *Config, client, server *netstack.Host, homeserver http.Handler) error {
	ca, err := gateway.NewCA()
	if err != nil {
		return err
	}
	certificate, err := ca.Certificate(serverName)
	if err != nil {
		return err
	}
	address := netip.AddrPortFrom(addressOf(serverEnd), httpsPort)
	listener, err := server.Listen(address)
	if err != nil {
		return err
	}
	behind := &http.Server{Handler: homeserver, ReadHeaderTimeout: c.Limit, ErrorLog: log.New(io.Discard, "", 0)}
	a.onClose(behind.Close)
	secured := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS13})
	go func() { _ = behind.Serve(secured) }() // ends with Close
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	carrier := &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			raw, err := client.DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			conn := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: serverName})
			return conn, conn.HandshakeContext(ctx)
		},
		MaxIdleConnsPerHost: 1,
	}
	a.onClose(func() error { carrier.CloseIdleConnections(); return nil })
	a.client, a.base = &http.Client{Transport: carrier}, "https://"+serverName
	return nil
}

// lowband is coap-proxy: its far side beside the homeserver, its near side beside the client.
func (a *access) lowband(p link.Params, client, server *netstack.Host, homeserver http.Handler) error {
	key, err := channel.NewKey()
	if err != nil {
		return err
	}
	farAddress := netip.AddrPortFrom(addressOf(serverEnd), coapPort)
	farConn, err := server.ListenPacket(farAddress)
	if err != nil {
		return err
	}
	path := coap.Path{RTT: 2 * p.Delay, Rate: int64(p.Rate)}
	a.serve(proxy.NewFar(proxy.FarConfig{
		Conn: farConn, Key: key, Target: &url.URL{Scheme: "http", Host: serverName}, Path: path, Transport: beside{homeserver},
	}))
	nearConn, err := client.ListenPacket(netip.AddrPortFrom(addressOf(clientEnd), coapPort))
	if err != nil {
		return err
	}
	near, err := proxy.NewNear(proxy.NearConfig{Conn: nearConn, Far: net.UDPAddrFromAddrPort(farAddress), Key: key.Public(), Path: path})
	if err != nil {
		return err
	}
	a.serve(near)
	a.client, a.base = &http.Client{Transport: beside{near}}, "http://"+serverName
	return nil
}

// server is one side of a proxy.
type server interface {
	Serve() error
	Close() error
}

func (a *access) serve(s server) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve() // ends with Close
	}()
	a.onClose(func() error {
		err := s.Close()
		<-done
		return err
	})
}

func (a *access) onClose(f func() error) { a.closers = append(a.closers, f) }

func (a *access) close() error {
	var err error
	for i := len(a.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, a.closers[i]())
	}
	return err
}

// ask sends a request and decodes its answer.
func (a *access) ask(ctx context.Context, method, target string, body, answer any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(content)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/_matrix/client/v3"+target, reader)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answered %d %s", method, target, res.StatusCode, data)
	}
	return json.Unmarshal(data, answer)
}

func (a *access) login(ctx context.Context) error {
	var answer struct {
		Token string `json:"access_token"`
	}
	err := a.ask(ctx, http.MethodPost, "/login", map[string]any{
		"type":       "m.login.password",
		"identifier": map[string]string{"type": "m.id.user", "user": node.AccountUser},
		"password":   node.AccountPassword,
	}, &answer)
	a.token = answer.Token
	return err
}

func (a *access) sync(ctx context.Context) error {
	query := url.Values{"timeout": {"0"}}
	if a.since != "" {
		query.Set("since", a.since)
	}
	var answer struct {
		Next string `json:"next_batch"`
	}
	if err := a.ask(ctx, http.MethodGet, "/sync?"+query.Encode(), nil, &answer); err != nil {
		return err
	}
	a.since = answer.Next
	return nil
}

func (a *access) send(ctx context.Context, room string) error {
	a.txn++
	target := fmt.Sprintf("/rooms/%s/send/m.room.message/m%d", url.PathEscape(room), a.txn)
	var answer struct{}
	return a.ask(ctx, http.MethodPut, target, map[string]string{"msgtype": "m.text", "body": message}, &answer)
}
