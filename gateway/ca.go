package gateway

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// validity is how long certificates last: longer than any mesh runs, in virtual time too.
const validity = 20 * 365 * 24 * time.Hour

// CA is the mesh's certificate authority. It lives as long as the process and signs a certificate for each server
// name on first use. It is safe for concurrent use.
//
// All certificates share one key (ECDSA P-256): what is emulated is the handshake and its bytes, and every gateway of
// the process trusts every other.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	leaf *ecdsa.PrivateKey
	pool *x509.CertPool

	lowband *lowbandKeys

	mu    sync.Mutex
	certs map[string]*tls.Certificate // by server name
}

// NewCA makes an authority with fresh keys.
func NewCA() (*CA, error) {
	ca := &CA{certs: make(map[string]*tls.Certificate), pool: x509.NewCertPool(), lowband: newLowbandKeys()}
	var err error
	if ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("gateway: make the key of the mesh's certificate authority: %w", err)
	}
	if ca.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("gateway: make the key of the mesh's certificates: %w", err)
	}
	template := newTemplate("meshsim CA")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	if ca.cert, err = ca.sign(template, template, ca.key.Public()); err != nil {
		return nil, fmt.Errorf("gateway: sign the certificate of the mesh's authority: %w", err)
	}
	ca.pool.AddCert(ca.cert)
	return ca, nil
}

// PEM returns the authority's certificate, for homeservers that check certificates themselves.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// ServerPEM returns the certificate of a server name and its private key, for homeservers that end TLS themselves.
func (ca *CA) ServerPEM(name string) (certificate, key []byte, err error) {
	c, err := ca.Certificate(name)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("gateway: encode the private key of %q: %w", name, err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf.Raw})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Certificate returns the certificate of a server name, the same one every time.
func (ca *CA) Certificate(name string) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if c := ca.certs[name]; c != nil {
		return c, nil
	}
	template := newTemplate(name)
	template.DNSNames = []string{name}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf, err := ca.sign(template, ca.cert, ca.leaf.Public())
	if err != nil {
		return nil, fmt.Errorf("gateway: sign a certificate for %q: %w", name, err)
	}
	c := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: ca.leaf, Leaf: leaf}
	ca.certs[name] = c
	return c, nil
}

func (ca *CA) sign(template, parent *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newTemplate(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(validity),
	}
}

// curves leaves out the post-quantum key shares that Go sends by default: they would add 2.2 KB, three minutes at
// 100 bit/s, to every handshake, and nothing here outlives the process. P-256, two bytes more, is for homeservers that end
// TLS themselves and know no other curve, as Synapse.
var curves = []tls.CurveID{tls.X25519, tls.CurveP256}

// serverTLS is the configuration of the accepting side of a server.
func (ca *CA) serverTLS(name string) *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: curves,
		NextProtos:       []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return ca.Certificate(name)
		},
	}
}

// clientTLS is the configuration of the connecting side; the server's name is filled in per connection.
func (ca *CA) clientTLS(sessions tls.ClientSessionCache) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   curves,
		NextProtos:         []string{"http/1.1"},
		RootCAs:            ca.pool,
		ClientSessionCache: sessions,
	}
}
