package federation

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"meshsim/homeserver"
	"meshsim/matrix"
)

const (
	// keyValidity is how long other servers may use this server's key without asking again.
	keyValidity = 7 * 24 * time.Hour
	// maxKeyValidity bounds what other servers claim ("Publishing Keys").
	maxKeyValidity = 7 * 24 * time.Hour
	// keyRetry is how long a server is left alone after it was asked for its keys, whether it gave them or not: a
	// stranger can name any number of keys that it does not have.
	keyRetry = 2 * time.Second
	// maxKeys bounds what one server may publish, the old keys counted too. Servers have one or two.
	maxKeys = 64
	// maxFetches is how many requests for keys are remembered before those of more than keyRetry ago are forgotten.
	maxFetches = 1000
)

// KeyRing fetches and remembers the verify keys of other servers. It is safe for concurrent use: one request
// at a time for each server.
type KeyRing struct {
	client  *Client
	commons *homeserver.Commons

	mu      sync.Mutex
	fetches map[string]*keyFetch // under way, or over for a short while
}

// keyFetch is one request for a server's keys. err is set when done is closed.
type keyFetch struct {
	done  chan struct{}
	err   error
	ended time.Time
}

// NewKeyRing returns a key ring that keeps keys in commons.
func NewKeyRing(client *Client, commons *homeserver.Commons) *KeyRing {
	return &KeyRing{client: client, commons: commons, fetches: map[string]*keyFetch{}}
}

// serverKeys is the document that a server publishes about its keys.
type serverKeys struct {
	ServerName    string               `json:"server_name"`
	VerifyKeys    map[string]publicKey `json:"verify_keys"`
	OldVerifyKeys map[string]publicKey `json:"old_verify_keys"`
	ValidUntilTS  int64                `json:"valid_until_ts"`
}

type publicKey struct {
	Key       string `json:"key"`
	ExpiredTS int64  `json:"expired_ts,omitempty"`
}

// VerifyKey returns a server's key that is valid at a time; times in the future count as now, as clocks
// differ. It asks the server when the key is not known or no longer valid.
func (k *KeyRing) VerifyKey(ctx context.Context, server, keyID string, at time.Time) (ed25519.PublicKey, error) {
	if now := time.Now(); at.After(now) {
		at = now
	}
	if key, ok := k.commons.Key(server, keyID, at); ok {
		return key, nil
	}
	if err := k.refresh(ctx, server); err != nil {
		return nil, fmt.Errorf("the keys of %s are not to be had: %w", server, err)
	}
	key, ok := k.commons.Key(server, keyID, at)
	if !ok {
		return nil, fmt.Errorf("%s has no key %q that is valid at %s", server, keyID, at.UTC().Format(time.RFC3339))
	}
	return key, nil
}

// refresh asks a server for its keys, together with everybody else who wants them now.
func (k *KeyRing) refresh(ctx context.Context, server string) error {
	k.mu.Lock()
	fetch := k.fetches[server]
	if fetch == nil || fetch.isOld() {
		fetch = &keyFetch{done: make(chan struct{})}
		k.forgetOldLocked()
		k.fetches[server] = fetch
		k.mu.Unlock()
		k.run(ctx, server, fetch)
		return fetch.err
	}
	k.mu.Unlock()
	select {
	case <-fetch.done:
		return fetch.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isOld says whether a request is over for so long that another may be made. KeyRing.mu is held.
func (f *keyFetch) isOld() bool { return !f.ended.IsZero() && time.Since(f.ended) > keyRetry }

func (k *KeyRing) forgetOldLocked() {
	if len(k.fetches) < maxFetches {
		return
	}
	maps.DeleteFunc(k.fetches, func(_ string, f *keyFetch) bool { return f.isOld() })
}

func (k *KeyRing) run(ctx context.Context, server string, fetch *keyFetch) {
	_, err := k.fetch(ctx, server)
	k.mu.Lock()
	defer k.mu.Unlock()
	fetch.err, fetch.ended = err, time.Now()
	close(fetch.done)
	if ctx.Err() != nil { // says nothing about the server
		delete(k.fetches, server)
	}
}

// fetch asks a server for its keys, checks and keeps them, and returns the document.
func (k *KeyRing) fetch(ctx context.Context, server string) (json.RawMessage, error) {
	raw, err := k.client.serverKeys(ctx, server)
	if err != nil {
		return nil, err
	}
	return raw, k.keep(server, raw)
}

// keep checks a key document, which must be signed by each key that it publishes, and remembers the keys.
func (k *KeyRing) keep(server string, raw json.RawMessage) error {
	var doc serverKeys
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("the key document of %s is malformed: %w", server, err)
	}
	if doc.ServerName != server {
		return fmt.Errorf("%s answered with the keys of %q", server, doc.ServerName)
	}
	if n := len(doc.VerifyKeys) + len(doc.OldVerifyKeys); n > maxKeys {
		return fmt.Errorf("%s publishes %d keys, at most %d are taken", server, n, maxKeys)
	}
	validUntil := time.UnixMilli(doc.ValidUntilTS)
	if latest := time.Now().Add(maxKeyValidity); validUntil.After(latest) {
		validUntil = latest
	}
	for id, published := range doc.VerifyKeys {
		key, err := matrix.DecodeBase64(published.Key)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("key %s of %s is no ed25519 key", id, server)
		}
		if err := matrix.VerifyJSON(raw, matrix.ServerName(server), matrix.KeyID(id), key); err != nil {
			return fmt.Errorf("the key document of %s: %w", server, err)
		}
		k.commons.SetKey(server, id, key, validUntil)
	}
	for id, expired := range doc.OldVerifyKeys {
		if key, err := matrix.DecodeBase64(expired.Key); err == nil && len(key) == ed25519.PublicKeySize {
			k.commons.SetKey(server, id, key, time.UnixMilli(expired.ExpiredTS))
		}
	}
	return nil
}

// Identity is a server's name and its signing key.
type Identity struct {
	Name  string
	KeyID string
	Key   ed25519.PrivateKey
}

// keyDocument is what this server publishes about its key.
func (i Identity) keyDocument(now time.Time) (json.RawMessage, error) {
	public := i.Key.Public().(ed25519.PublicKey)
	raw, err := json.Marshal(serverKeys{
		ServerName:    i.Name,
		VerifyKeys:    map[string]publicKey{i.KeyID: {Key: matrix.EncodeBase64(public)}},
		OldVerifyKeys: map[string]publicKey{},
		ValidUntilTS:  now.Add(keyValidity).UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	return i.sign(raw)
}

func (i Identity) sign(raw []byte) (json.RawMessage, error) {
	return matrix.SignJSON(raw, matrix.ServerName(i.Name), matrix.KeyID(i.KeyID), i.Key)
}
