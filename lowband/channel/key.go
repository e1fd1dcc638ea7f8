package channel

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/flynn/noise"
)

// PublicKey is a peer's static key (X25519).
type PublicKey [32]byte

func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

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

// MarshalText writes the private key in hexadecimal.
func (k Key) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k.pair.Private), nil }

// UnmarshalText reads what MarshalText has written.
func (k *Key) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("channel: a private key is not hexadecimal: %w", err)
	}
	private, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return fmt.Errorf("channel: a private key: %w", err)
	}
	k.pair = noise.DHKey{Private: raw, Public: private.PublicKey().Bytes()}
	return nil
}

// ParsePublicKey reads a public key in hexadecimal.
func ParsePublicKey(text string) (PublicKey, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(PublicKey{}) {
		return PublicKey{}, fmt.Errorf("channel: %q is no public key: it must have 64 hexadecimal digits", text)
	}
	return PublicKey(raw), nil
}

// validPoint tells whether a public key leads to a secret: the points of low order do not (RFC 7748, section 6.1). A
// handshake that has met one cannot go on, so whoever can guess a session's id could end it with one.
func validPoint(public []byte) bool {
	k, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return false
	}
	scalar, err := ecdh.X25519().NewPrivateKey(make([]byte, 32)) // any will do: it is made a multiple of the cofactor
	if err != nil {
		return false
	}
	_, err = scalar.ECDH(k)
	return err == nil
}

// prologue binds a handshake to this protocol and version.
var prologue = []byte("meshsim lowband 1")

func newHandshake(k Key, pattern noise.HandshakePattern, initiator bool, peer *PublicKey) (*noise.HandshakeState, error) {
	cfg := noise.Config{
		CipherSuite:   noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s),
		Pattern:       pattern,
		Initiator:     initiator,
		Prologue:      prologue,
		StaticKeypair: k.pair,
	}
	if peer != nil {
		cfg.PeerStatic = peer[:]
	}
	return noise.NewHandshakeState(cfg)
}
