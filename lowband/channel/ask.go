package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"time"
)

// The question for a key and its answer, which is not longer, so that it is of no use for flooding others. Neither is
// authentic: whoever trusts the answer trusts on first use.
//
//	ask  0x04  nonce (8)  zeros (32)
//	key  0x05  nonce (8)  static key (32)
const (
	kindAsk  = 0x04
	kindKey  = 0x05
	nonceLen = 8
	askLen   = 1 + nonceLen + 32
)

// tell answers the question for this end's key.
func (e *Endpoint) tell(b []byte, to net.Addr) {
	public := e.cfg.Key.Public()
	answer := append(append([]byte{kindKey}, b[1:1+nonceLen]...), public[:]...)
	e.write(answer, to)
}

// askEvery is the first wait for an answer; it doubles up to mostAsk.
const (
	askEvery = 3 * time.Second
	mostAsk  = time.Minute
)

// AskKey asks the peer at an address for its static key, again and again until ctx ends. The answer proves nothing about
// who gives it. Nothing else may read from conn meanwhile.
func AskKey(ctx context.Context, conn net.PacketConn, peer net.Addr) (PublicKey, error) {
	question := make([]byte, askLen)
	question[0] = kindAsk
	if _, err := rand.Read(question[1 : 1+nonceLen]); err != nil {
		return PublicKey{}, err
	}
	defer conn.SetReadDeadline(time.Time{})
	for wait := askEvery; ctx.Err() == nil; wait = min(2*wait, mostAsk) {
		if _, err := conn.WriteTo(question, peer); err != nil {
			return PublicKey{}, fmt.Errorf("channel: ask %v for its key: %w", peer, err)
		}
		if key, ok := awaitKey(ctx, conn, question, time.Now().Add(wait)); ok {
			return key, nil
		}
	}
	return PublicKey{}, fmt.Errorf("channel: %v does not tell its key: %w", peer, context.Cause(ctx))
}

// awaitKey reads until the answer to a question comes.
func awaitKey(ctx context.Context, conn net.PacketConn, question []byte, until time.Time) (PublicKey, bool) {
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	if conn.SetReadDeadline(until) != nil || ctx.Err() != nil {
		return PublicKey{}, false
	}
	buf := make([]byte, maxDatagram)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return PublicKey{}, false
		}
		if n == askLen && buf[0] == kindKey && bytes.Equal(buf[1:1+nonceLen], question[1:1+nonceLen]) {
			return PublicKey(buf[1+nonceLen : askLen]), true
		}
	}
}
