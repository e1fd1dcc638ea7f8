package records

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
)

// Session is an exchange of datagrams with one peer. It is safe for concurrent use.
type Session struct {
	endpoint *Endpoint
	flow     *flow
	secure   *secure // nil where records are not used
	peer     string
	handler  Handler
	once     sync.Once
	heard    atomic.Int64 // when the peer was last heard, or the session began, in ns
}

// secure is a flow's DTLS.
type secure struct {
	*dtls.Conn
	identity []byte
}

// Peer is the identity of the peer's pre-shared key at the side that was called, else its address.
func (s *Session) Peer() string { return s.peer }

// Addr is where the peer was last heard.
func (s *Session) Addr() net.Addr {
	if s.secure != nil {
		return s.secure.RemoteAddr()
	}
	s.flow.mu.Lock()
	defer s.flow.mu.Unlock()
	return s.flow.to
}

// Heard is when the peer was last heard; at first it is when the session began.
func (s *Session) Heard() time.Time { return time.Unix(0, s.heard.Load()) }

// Send sends a datagram; whoever waits for an answer notices its loss. It does not keep the slice.
func (s *Session) Send(datagram []byte) {
	if s.secure == nil {
		_, _ = s.flow.WriteTo(datagram, s.Addr())
		return
	}
	_, _ = s.secure.Write(datagram)
}

// Close ends the session and says so to the peer. It is idempotent.
func (s *Session) Close() { s.close() }

// close tells whether it was this call that ended the session.
func (s *Session) close() (first bool) {
	s.once.Do(func() {
		first = true
		if s.secure != nil {
			_ = s.secure.Close()
		}
		s.endpoint.mu.Lock()
		s.endpoint.sessions = without(s.endpoint.sessions, s)
		s.endpoint.mu.Unlock()
		s.endpoint.drop(s.flow)
	})
	return first
}

// lose ends the session and says so to its user.
func (s *Session) lose() {
	if s.close() && s.handler.Lost != nil {
		go s.handler.Lost()
	}
}

// read hands datagrams over until the session ends.
func (s *Session) read() {
	defer s.lose()
	buf := make([]byte, maxDatagram)
	for {
		n, err := s.next(buf)
		switch {
		case err != nil:
			return
		case n > 0:
			s.heard.Store(time.Now().UnixNano())
			s.handler.Receive(buf[:n])
		}
	}
}

func (s *Session) next(buf []byte) (int, error) {
	if s.secure != nil {
		return s.secure.Read(buf)
	}
	n, from, err := s.flow.ReadFrom(buf)
	if err == nil {
		s.flow.mu.Lock()
		s.flow.to = from
		s.flow.mu.Unlock()
	}
	return n, err
}

// shake completes a handshake. It waits for as long as a few lost flights take.
func (e *Endpoint) shake(ctx context.Context, f *flow, serve bool) (*secure, error) {
	ctx, cancel := context.WithTimeout(ctx, flights*e.cfg.Flight)
	defer cancel()
	s := &secure{}
	var err error
	if serve {
		s.Conn, err = dtls.ServerWithOptions(f, f.to, e.serverOptions(f, s)...)
	} else {
		s.Conn, err = dtls.ClientWithOptions(f, f.to, e.clientOptions()...)
	}
	if err != nil {
		return nil, err
	}
	if err := s.HandshakeContext(ctx); err != nil {
		_ = s.Conn.Close()
		return nil, err
	}
	return s, nil
}

// suites are those that are offered: the shortest tag first.
func (e *Endpoint) suites(psk bool) []dtls.CipherSuiteID {
	var list []dtls.CipherSuiteID
	if psk {
		list = append(list, dtls.TLS_PSK_WITH_AES_128_CCM_8, dtls.TLS_PSK_WITH_AES_128_GCM_SHA256, dtls.TLS_PSK_WITH_AES_128_CBC_SHA256)
	} else {
		list = append(list, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
	}
	return list
}

// mtu leaves blocks of 1,024 bytes whole.
const mtu = 1400

func (e *Endpoint) common() []dtls.Option {
	list := []dtls.Option{
		dtls.WithFlightInterval(e.cfg.Flight), dtls.WithMTU(mtu), dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
	}
	if e.cfg.KeyLog != nil {
		list = append(list, dtls.WithKeyLogWriter(e.cfg.KeyLog))
	}
	return list
}

func (e *Endpoint) serverOptions(f *flow, s *secure) []dtls.ServerOption {
	var list []dtls.ServerOption
	for _, o := range e.common() {
		list = append(list, o)
	}
	list = append(list, dtls.WithConnectionIDGenerator(func() []byte { return f.cid }))
	var suites []dtls.CipherSuiteID
	if len(e.cfg.PSKs) > 0 {
		list = append(list, dtls.WithPSK(func(identity []byte) ([]byte, error) {
			s.identity = bytes.Clone(identity)
			return e.key(identity)
		}), dtls.WithPSKIdentityHint(nil))
		suites = append(suites, e.suites(true)...)
	}
	if len(e.cfg.Certificates) > 0 {
		list = append(list, dtls.WithCertificates(e.cfg.Certificates...))
		suites = append(suites, e.suites(false)...)
	}
	return append(list, dtls.WithCipherSuites(suites...))
}

// key finds the pre-shared key of an identity, in a time that does not tell how much of it is right.
func (e *Endpoint) key(identity []byte) ([]byte, error) {
	var found []byte
	for _, k := range e.cfg.PSKs {
		if subtle.ConstantTimeCompare([]byte(k.Identity), identity) == 1 {
			found = k.Key
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no pre-shared key belongs to %q", identity)
	}
	return found, nil
}

func (e *Endpoint) clientOptions() []dtls.ClientOption {
	var list []dtls.ClientOption
	for _, o := range e.common() {
		list = append(list, o)
	}
	list = append(list, dtls.WithConnectionIDGenerator(dtls.OnlySendCIDGenerator()))
	if len(e.cfg.PSKs) > 0 {
		own := e.cfg.PSKs[0]
		return append(list, dtls.WithPSK(func([]byte) ([]byte, error) { return own.Key, nil }),
			dtls.WithPSKIdentityHint([]byte(own.Identity)), dtls.WithCipherSuites(e.suites(true)[:1]...))
	}
	return append(list, dtls.WithRootCAs(e.cfg.Roots), dtls.WithServerName(e.cfg.ServerName), dtls.WithCipherSuites(e.suites(false)...))
}
