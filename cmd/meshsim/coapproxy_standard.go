package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"meshsim/lowband"
	"meshsim/lowband/msc3079"
	"meshsim/lowband/proxy"
	"meshsim/lowband/records"
)

// What --wire may be.
const (
	wireCompact  = "compact"
	wireStandard = "standard"
)

// standardOptions are the flags of MSC3079's wire format.
type standardOptions struct {
	wire          string
	psks          []string
	cert, certKey string
	ca            string
	insecure      bool
}

func (o *standardOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.wire, "wire", wireCompact, "`format` between the two sides: compact (ours, Noise) or standard (MSC3079, DTLS)")
	f.StringArrayVar(&o.psks, "psk", nil, "`IDENTITY:HEX`, a pre-shared key of --wire standard; beside the homeserver it may be given for each client")
	f.StringVar(&o.cert, "cert", "", "`file` with this side's certificate, beside the homeserver, for --wire standard")
	f.StringVar(&o.certKey, "cert-key", "", "`file` with the private key of --cert")
	f.StringVar(&o.ca, "ca", "", "`file` with the certificates that sign the other side's, beside the client; absent, the system's")
	f.BoolVar(&o.insecure, "lowband-insecure", false, "no encryption at all, for experiments with --wire standard")
}

func (o *standardOptions) on() bool { return o.wire == wireStandard }

func (o *standardOptions) check(serves bool) error {
	given := len(o.psks) > 0 || o.cert != "" || o.certKey != "" || o.ca != "" || o.insecure
	switch {
	case o.wire != wireCompact && o.wire != wireStandard:
		return fmt.Errorf("--wire is %q: it must be %s or %s", o.wire, wireCompact, wireStandard)
	case !o.on() && given:
		return errors.New("--psk, --cert, --ca and --lowband-insecure are for --wire standard")
	case (o.cert == "") != (o.certKey == ""):
		return errors.New("--cert and --cert-key belong together")
	case o.insecure && (len(o.psks) > 0 || o.cert != "" || o.ca != ""):
		return errors.New("--lowband-insecure means no encryption: leave out --psk, --cert and --ca")
	case o.on() && serves && !o.insecure && len(o.psks) == 0 && o.cert == "":
		return errors.New("--wire standard needs --psk IDENTITY:HEX, or --cert and --cert-key")
	}
	return nil
}

const minPSK = 16 // bytes

// records is what DTLS is given, without the connection.
func (o *proxyOptions) records() (records.Config, error) {
	s := &o.standard
	cfg := records.Config{Insecure: s.insecure, Flight: o.flight()}
	for _, text := range s.psks {
		psk, err := parsePSK("--psk", text)
		if err != nil {
			return cfg, err
		}
		cfg.PSKs = append(cfg.PSKs, psk)
	}
	if s.cert != "" {
		certificate, err := tls.LoadX509KeyPair(s.cert, s.certKey)
		if err != nil {
			return cfg, fmt.Errorf("--cert %s: %w", s.cert, err)
		}
		cfg.Certificates = []tls.Certificate{certificate}
	}
	return cfg, nil
}

// flight is how long a flight of the handshake may take on the link: 500 bytes there, as many back.
func (o *proxyOptions) flight() time.Duration {
	flight := time.Second + o.rtt
	if o.rate > 0 {
		flight += time.Duration(2 * 500 * 8 * int64(time.Second) / o.rate)
	}
	return flight
}

// parsePSK reads the value of a flag.
func parsePSK(flag, text string) (records.PSK, error) {
	identity, digits, ok := strings.Cut(text, ":")
	key, err := hex.DecodeString(digits)
	if !ok || identity == "" || err != nil || len(key) < minPSK {
		return records.PSK{}, fmt.Errorf("%s is for %q: it must be a name, a colon and at least %d hexadecimal digits", flag, identity, 2*minPSK)
	}
	return records.PSK{Identity: identity, Key: key}, nil
}

// roots are the certificates that sign the other side's.
func (o *standardOptions) roots() (*x509.CertPool, error) {
	if o.ca == "" {
		return x509.SystemCertPool()
	}
	text, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca %s: there is no certificate in it", o.ca)
	}
	return pool, nil
}

// warnInsecure says what an experiment lacks.
func (o *standardOptions) warnInsecure(out io.Writer) {
	if o.insecure {
		fmt.Fprintln(out, "WARNING: --lowband-insecure: everybody on the way reads and changes what passes, access tokens included")
	}
}

func (o *proxyOptions) farStandard(ctx context.Context, out io.Writer, w *watch, tap lowband.Tap, conn net.PacketConn, target *url.URL) error {
	cfg, err := o.records()
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	cfg.Conn, cfg.KeyLog = w.conn(conn), w.keys()
	port := conn.LocalAddr().(*net.UDPAddr).Port
	far, err := proxy.NewStandardFar(msc3079.ServerConfig{Records: cfg, Path: o.path(), Tap: tap}, target, nil, port)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	o.standard.warnInsecure(out)
	fmt.Fprintf(out, "CoAP of MSC3079 is served at %v for %s\n", conn.LocalAddr(), target)
	return untilDone(ctx, far)
}

func (o *proxyOptions) nearStandard(out io.Writer, w *watch, tap lowband.Tap, conn net.PacketConn, target net.Addr) (*proxy.Near, error) {
	cfg, err := o.records()
	if err != nil {
		return nil, err
	}
	if len(cfg.PSKs) == 0 && !cfg.Insecure {
		if cfg.Roots, err = o.standard.roots(); err != nil {
			return nil, err
		}
		if cfg.ServerName, _, err = net.SplitHostPort(o.coapTarget); err != nil {
			return nil, fmt.Errorf("--coap-target: %w", err)
		}
	}
	cfg.Conn, cfg.KeyLog = w.conn(conn), w.keys()
	o.standard.warnInsecure(out)
	open := func() (net.PacketConn, error) {
		conn, err := net.ListenPacket("udp", ":0")
		if err != nil {
			return nil, err
		}
		return w.conn(conn), nil
	}
	return proxy.NewStandardNear(msc3079.ClientConfig{Records: cfg, Server: target, Open: open, Path: o.path(), Tap: tap})
}
