package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
	"meshsim/lowband/proxy"
)

const coapProxyLong = `coap-proxy puts a Matrix client and a homeserver, both as they are, on a low-bandwidth link. Start it twice: with
--http-target beside the homeserver, and with --coap-target beside the client, which then uses http://localhost:8888.

Between the two, --wire compact (the default) is CoAP and CBOR with references and a dictionary, encrypted with Noise over
UDP: the fewest bytes, between two coap-proxies. The side beside the client needs the other's key; without --coap-key it
trusts whoever it meets first at that address, says so, keeps the key in --known-keys, and refuses any other from then on.

--wire standard is MSC3079 as it is proposed, over DTLS 1.2 with a pre-shared key (--psk) or a certificate (--cert): one
side may be somebody else's client or server.`

const coapProxyExamples = `  meshsim coap-proxy --http-target http://localhost:8008 --coap :5683 --key-file proxy.key
        beside the homeserver; prints the key

  meshsim coap-proxy --coap-target example.org:5683 --coap-key 6f1c...
        beside the client

  meshsim coap-proxy --wire standard --http-target http://localhost:8008 --coap :8008 --psk phone:00112233445566778899aabbccddeeff
        beside the homeserver, for any client of MSC3079

  meshsim coap-proxy --coap-target example.org:5683 --dump
        shows what each message becomes at each step, and its size`

// proxyOptions are the flags of coap-proxy.
type proxyOptions struct {
	listen, coapTarget, coapKey string // beside the client
	knownKeys                   string
	httpTarget, coap, keyFile   string // beside the homeserver
	rate                        int64  // bit/s
	rtt                         time.Duration
	standard                    standardOptions
	watch                       watchOptions
}

func newCoapProxy() *cobra.Command {
	o := &proxyOptions{}
	c := &cobra.Command{
		Use:     "coap-proxy (--coap-target HOST:PORT | --http-target URL)",
		Short:   "Put a client and a homeserver on a low-bandwidth link",
		Long:    coapProxyLong,
		Example: coapProxyExamples,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c.OutOrStdout()) },
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8888", "beside the client: serve HTTP at this `address`")
	f.StringVar(&o.coapTarget, "coap-target", "", "beside the client: UDP `address` of the side that is beside the homeserver")
	f.StringVar(&o.coapKey, "coap-key", "", "beside the client: `key` of the other side; absent, it is learned at the first contact and trusted")
	f.StringVar(&o.knownKeys, "known-keys", "", "beside the client: keep the keys that were learned in this `file`; absent, one in your configuration directory")
	f.StringVar(&o.httpTarget, "http-target", "", "beside the homeserver: its `URL`")
	f.StringVar(&o.coap, "coap", ":5683", "beside the homeserver: serve the other side at this UDP `address`")
	f.StringVar(&o.keyFile, "key-file", "", "beside the homeserver: keep this side's key in this `file`; absent, it is a new one each time")
	f.Int64Var(&o.rate, "rate", 0, "`bit/s` of the link, so that nothing is sent twice for impatience; 0 for unknown")
	f.DurationVar(&o.rtt, "rtt", 0, "round trip of the link, such as 2s; 0 for unknown")
	o.standard.flags(f)
	o.watch.flags(f)
	return c
}

func (o *proxyOptions) check() error {
	switch {
	case (o.coapTarget == "") == (o.httpTarget == ""):
		return errors.New("give either --coap-target, beside a client, or --http-target, beside a homeserver")
	case o.rate < 0 || o.rtt < 0:
		return fmt.Errorf("--rate is %d and --rtt %v: they must not be negative", o.rate, o.rtt)
	}
	return errors.Join(o.standard.check(o.httpTarget != ""), o.watch.check(o.standard.on()))
}

func (o *proxyOptions) run(ctx context.Context, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	run := o.far
	if o.coapTarget != "" {
		run = o.near
	}
	w, err := o.watch.open(out, o.httpTarget != "")
	if err != nil {
		return err
	}
	return errors.Join(run(ctx, out, w), w.close())
}

func (o *proxyOptions) path() coap.Path { return coap.Path{RTT: o.rtt, Rate: o.rate} }

// far serves beside the homeserver until ctx ends.
func (o *proxyOptions) far(ctx context.Context, out io.Writer, w *watch) error {
	target, err := url.Parse(o.httpTarget)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return fmt.Errorf("--http-target is %q: it must be a URL such as http://localhost:8008", o.httpTarget)
	}
	key, err := loadKey(o.keyFile)
	if err != nil {
		return err
	}
	conn, err := net.ListenPacket("udp", o.coap)
	if err != nil {
		return fmt.Errorf("--coap: %w", err)
	}
	tap := w.tap(conn)
	if o.standard.on() {
		return o.farStandard(ctx, out, w, tap, conn, target)
	}
	far := proxy.NewFar(proxy.FarConfig{Conn: w.conn(conn), Key: key, Target: target, Path: o.path(), Tap: tap})
	fmt.Fprintf(out, "CoAP is served at %v for %s\n--coap-key %v\n", conn.LocalAddr(), target, key.Public())
	return untilDone(ctx, far)
}

// loadKey reads a key from a file, which it makes where there is none.
func loadKey(file string) (channel.Key, error) {
	if file == "" {
		return channel.NewKey()
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return channel.Key{}, fmt.Errorf("--key-file: %w", err)
	}
	var key channel.Key
	if err := key.UnmarshalText([]byte(strings.TrimSpace(string(text)))); err != nil {
		return channel.Key{}, fmt.Errorf("--key-file %s: %w", file, err)
	}
	return key, nil
}

func makeKey(file string) (channel.Key, error) {
	key, err := channel.NewKey()
	if err != nil {
		return channel.Key{}, err
	}
	text, err := key.MarshalText()
	if err != nil {
		return channel.Key{}, err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return channel.Key{}, fmt.Errorf("--key-file: %w", err)
	}
	return key, nil
}

// near serves beside the client until ctx ends.
func (o *proxyOptions) near(ctx context.Context, out io.Writer, w *watch) error {
	target, err := net.ResolveUDPAddr("udp", o.coapTarget)
	if err != nil {
		return fmt.Errorf("--coap-target: %w", err)
	}
	conn, err := net.ListenPacket("udp", ":0")
	if err != nil {
		return err
	}
	near, err := o.newNear(ctx, out, w, conn, target)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return errors.Join(fmt.Errorf("--listen: %w", err), near.Close())
	}
	fmt.Fprintf(out, "clients are served at http://%v\n", ln.Addr())
	clients := &http.Server{Handler: near, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { clients.Close() })
	defer stop()
	go func() { _ = clients.Serve(ln) }() // ends with Close
	defer clients.Close()
	return untilDone(ctx, near)
}

func (o *proxyOptions) newNear(ctx context.Context, out io.Writer, w *watch, conn net.PacketConn, target net.Addr) (*proxy.Near, error) {
	tap := w.tap(conn)
	if o.standard.on() {
		return o.nearStandard(out, w, tap, conn, target)
	}
	cfg := proxy.NearConfig{Conn: w.conn(conn), Far: target, Path: o.path(), Tap: tap}
	if err := o.identify(&cfg, out); err != nil {
		return nil, err
	}
	return proxy.NewNear(cfg)
}

// untilDone serves until ctx ends or serving fails.
func untilDone(ctx context.Context, s interface {
	Serve() error
	Close() error
}) error {
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
