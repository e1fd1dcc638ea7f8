package lowband

import (
	"context"
	"net"
	"sync/atomic"

	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
)

// Meter counts what one exchange took on the wire, in bytes with the headers of UDP and IP: its datagrams, repetitions and
// acknowledgements included, and where it has begun the session, the handshake. What was lost on its way here is not known
// here. It is safe for concurrent use; the zero Meter has counted nothing.
type Meter struct{ sent, received atomic.Int64 }

// Wire returns what was sent and received.
func (m *Meter) Wire() (sent, received int64) { return m.sent.Load(), m.received.Load() }

type meterKey struct{}

// WithMeter returns a context with which RoundTrip counts in m.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// metered makes the session count in the context's meter, until done is called.
func (t *talk) metered(ctx context.Context) (_ context.Context, done func()) {
	m, ok := ctx.Value(meterKey{}).(*Meter)
	if !ok {
		return ctx, func() {}
	}
	each := int64(channel.Overhead + headers(t.session.Addr()))
	ctx = coap.WithMeter(ctx, func(sent bool, length int) {
		if sent {
			m.sent.Add(each + int64(length))
		} else {
			m.received.Add(each + int64(length))
		}
	})
	return ctx, func() {
		sent, received := t.claim()
		m.sent.Add(sent)
		m.received.Add(received)
	}
}

// claim returns what the session has taken beyond the exchanges' own datagrams since the last claim: its handshake, which
// counts for who has begun it.
func (t *talk) claim() (sent, received int64) {
	if !t.session.Dialled() {
		return 0, 0
	}
	head := uint64(headers(t.session.Addr()))
	t.claiming.Lock()
	defer t.claiming.Unlock()
	own, all := t.coap.Stats(), t.session.Traffic()
	extraSent := int64(all.SentBytes+head*all.Sent) - int64(own.SentBytes+(head+channel.Overhead)*own.Sent)
	extraReceived := int64(all.ReceivedBytes+head*all.Received) - int64(own.ReceivedBytes+(head+channel.Overhead)*own.Received)
	sent, received = extraSent-t.claimed.sent, extraReceived-t.claimed.received
	t.claimed.sent, t.claimed.received = extraSent, extraReceived
	return sent, received
}

// headers is how long the headers of a UDP datagram to an address are (RFC 768; RFC 791 and 8200, without options).
func headers(addr net.Addr) int {
	const udp, ipv4, ipv6 = 8, 20, 40
	if a, ok := addr.(*net.UDPAddr); ok && a.IP.To4() == nil {
		return ipv6 + udp
	}
	return ipv4 + udp
}
