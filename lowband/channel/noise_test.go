package channel

import (
	"testing"

	"github.com/flynn/noise"
)

// newHandshakePair runs a handshake and returns the ciphers of the initiator's direction at both ends.
func newHandshakePair(t *testing.T) (sender, receiver *noise.CipherState) {
	t.Helper()
	a, b := newKey(t), newKey(t)
	peer := b.Public()
	initiator, err := newHandshake(a, noise.HandshakeIK, true, &peer)
	if err != nil {
		t.Fatal(err)
	}
	responder, err := newHandshake(b, noise.HandshakeIK, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _, err := initiator.WriteMessage(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := responder.ReadMessage(nil, first); err != nil {
		t.Fatal(err)
	}
	second, receiver, _, err := responder.WriteMessage(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, sender, _, err = initiator.ReadMessage(nil, second); err != nil {
		t.Fatal(err)
	}
	return sender, receiver
}
