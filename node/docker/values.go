//go:build linux

package docker

import (
	"path"

	"meshsim/gateway"
	"meshsim/node"
)

// Values are what the templates of a preset are filled with. docs/presets.md describes them for users.
type Values struct {
	Name string // Matrix server name
	Data string // directory of the volume

	Authority     string // file with the certificate of the mesh's authority, PEM
	Certificate   string // file with the server's certificate, PEM
	PrivateKey    string // file with its private key, PEM
	KeyID         string // of the signing key, without "ed25519:"
	KeySeed       string // the Ed25519 seed, unpadded base64
	KeySeedPadded string // the same, padded
	Secret        string // as good as random, for whatever needs one
	User          string // of the account that every server has
	Password      string

	ClientPort     uint16
	FederationPort uint16
	TLSPort        uint16    // where the homeserver itself serves other servers, with TLS; 0 where the gateway does
	Proxy          string    // URL of the HTTPS proxy; empty where there is none
	Database       *Database // on a shared Postgres; nil where the server keeps its own

	StockRetries     bool // leave the retry intervals as the homeserver has them
	Presence         bool // tell other servers who is there
	OpenRegistration bool // let anybody register
	Merge            bool // lay out memory alike in all servers, so that the kernel can merge it
}

// Database is a server's own one on a shared Postgres, as it is reached from inside the container: in the clear, on
// loopback.
type Database struct {
	Host     string
	Port     uint16
	Name     string
	User     string
	Password string
	URL      string // all of it: postgresql://...
}

// Names, in the data directory, of the mesh's certificate authority and of what a server shows that ends TLS itself.
const (
	authorityFile   = "mesh-ca.pem"
	certificateFile = "mesh-certificate.pem"
	privateKeyFile  = "mesh-key.pem"
)

// directPort is where a homeserver serves others that ends TLS itself.
const directPort = gateway.Port

// values fill in the preset's templates.
func (r *resident) values(cfg *Config) *Values {
	p, o := cfg.Preset, cfg.Options
	v := &Values{
		Name:          r.spec.Name,
		Data:          p.Data,
		Authority:     path.Join(p.Data, authorityFile),
		Certificate:   path.Join(p.Data, certificateFile),
		PrivateKey:    path.Join(p.Data, privateKeyFile),
		KeyID:         signingKeyID,
		KeySeed:       r.keySeed,
		KeySeedPadded: r.keySeed + "=",
		Secret:        r.secret,
		User:          node.AccountUser,
		Password:      node.AccountPassword,

		ClientPort:     p.ClientPort,
		FederationPort: p.FederationPort,

		StockRetries:     o.StockRetries,
		Presence:         o.Presence,
		OpenRegistration: !o.RegistrationClosed,
		Merge:            cfg.Merging != nil,
	}
	if o.Gateway != node.NoGateway {
		v.Proxy = "http://" + proxyAddress.String()
	}
	if o.Gateway == node.PassThrough || o.Gateway == node.NoGateway {
		v.TLSPort = directPort
	}
	return v
}
