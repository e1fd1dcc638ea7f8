package homeserver

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// maxVerdicts bounds what [Passwords] remembers. One entry is 96 bytes.
const maxVerdicts = 4096

// Passwords hashes passwords with bcrypt and remembers verdicts, because one bcrypt costs 50 ms and a mesh
// has the same account on every server. All servers of a process share one value: "secret" is hashed once and,
// for as long as the verdict is remembered, checked once.
//
// What is remembered is keyed by an HMAC under a random key that never leaves the value, so it helps nobody
// who does not already hold the process's memory. It is safe for concurrent use.
//
// As many bcrypts run at a time as there are processors: whoever guesses passwords keeps them busy, but no more.
type Passwords struct {
	cost  int
	key   [sha256.Size]byte
	slots chan struct{} // holds a value for each bcrypt that runs

	mu     sync.Mutex
	hashes map[[sha256.Size]byte]string // password -> one of its hashes
	right  map[[sha256.Size]byte]bool   // (hash, password) -> verdict
}

// NewPasswords returns a hasher with bcrypt's default cost.
func NewPasswords() *Passwords { return newPasswords(bcrypt.DefaultCost) }

func newPasswords(cost int) *Passwords {
	p := &Passwords{
		cost:   cost,
		slots:  make(chan struct{}, runtime.GOMAXPROCS(0)),
		hashes: map[[sha256.Size]byte]string{},
		right:  map[[sha256.Size]byte]bool{},
	}
	rand.Read(p.key[:]) // never fails (crypto/rand)
	return p
}

// Hash returns a hash of password, the same one again while it is remembered. It fails with ctx's error when that ends
// before it is this password's turn.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	memo := p.mac(password)
	p.mu.Lock()
	hash, known := p.hashes[memo]
	p.mu.Unlock()
	if known {
		return hash, nil
	}
	if err := p.begin(ctx); err != nil {
		return "", err
	}
	sum, err := bcrypt.GenerateFromPassword(fold(password), p.cost)
	<-p.slots
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if hash, known := p.hashes[memo]; known {
		return hash, nil
	}
	remember(p.hashes, memo, string(sum))
	remember(p.right, p.mac(string(sum), password), true)
	return string(sum), nil
}

// Matches says whether hash was made of password. An empty hash matches nothing. It fails with ctx's error when that ends
// before it is this password's turn.
func (p *Passwords) Matches(ctx context.Context, hash, password string) (right bool, err error) {
	memo := p.mac(hash, password)
	p.mu.Lock()
	right, known := p.right[memo]
	p.mu.Unlock()
	if known {
		return right, nil
	}
	if err := p.begin(ctx); err != nil {
		return false, err
	}
	right = bcrypt.CompareHashAndPassword([]byte(hash), fold(password)) == nil
	<-p.slots
	p.mu.Lock()
	defer p.mu.Unlock()
	remember(p.right, memo, right)
	return right, nil
}

// begin waits until another bcrypt may run. The caller takes a value out of slots afterwards.
func (p *Passwords) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remember stores a value, dropping any other one when the map is full.
func remember[V any](memory map[[sha256.Size]byte]V, key [sha256.Size]byte, value V) {
	if len(memory) >= maxVerdicts {
		for other := range memory {
			delete(memory, other)
			break
		}
	}
	memory[key] = value
}

// mac joins the parts unambiguously: all but the last are hashes, which hold no NUL.
func (p *Passwords) mac(parts ...string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key[:])
	for _, part := range parts {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	mac.Sum(sum[:0])
	return sum
}

// fold makes a password of any length fit: bcrypt refuses more than 72 bytes and stops at a NUL.
func fold(password string) []byte {
	sum := sha256.Sum256([]byte(password))
	return []byte(base64.RawStdEncoding.EncodeToString(sum[:]))
}
