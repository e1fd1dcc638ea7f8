package channel

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/flynn/noise"
)

// PublicKey is a peer's static key (X25519).
type PublicKey [32]byte

func (k PublicKey) String() string { return hex.EncodeToString(k[:8]) }

// Key is a static key pair.
type Key struct{ pair noise.DHKey }

// NewKey makes a key pair.
func NewKey() (Key, error) {
	pair, err := noise.DH25519.GenerateKeypair(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("channel: make a static key: %w", err)
	}
	return Key{pair}, nil
}

// Public returns the public half.
func (k Key) Public() PublicKey { return PublicKey(k.pair.Public) }

// prologue binds a handshake to this protocol and version.
var prologue = []byte("meshsim lowband 1")

func newHandshake(k Key, initiator bool, peer *PublicKey) (*noise.HandshakeState, error) {
	cfg := noise.Config{
		CipherSuite:   noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s),
		Pattern:       noise.HandshakeIK,
		Initiator:     initiator,
		Prologue:      prologue,
		StaticKeypair: k.pair,
	}
	if peer != nil {
		cfg.PeerStatic = peer[:]
	}
	return noise.NewHandshakeState(cfg)
}
