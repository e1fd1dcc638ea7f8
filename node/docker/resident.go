//go:build linux

package docker

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"

	"meshsim/node"
)

// resident is what is remembered of a server, running or not. The rest is in its volume.
type resident struct {
	spec    node.Spec
	volume  string
	keySeed string // Ed25519, unpadded base64
	secret  string

	// What follows changes; the driver's calls for one server do not overlap.
	account  bool      // it was made
	database *Database // its own on the shared Postgres; nil where it has none
	log      []string  // the end of what its last run wrote; Driver.mu guards it
}

// signingKeyID names the one signing key that a server has.
const signingKeyID = "1"

func newResident(spec node.Spec, volume string) *resident {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // does not fail
	return &resident{spec: spec, volume: volume, keySeed: base64.RawStdEncoding.EncodeToString(seed), secret: rand.Text()}
}
