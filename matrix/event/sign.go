package event

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"

	"meshsim/matrix"
)

// Signature is one entry of an event's signatures.
type Signature struct {
	Server matrix.ServerName
	KeyID  matrix.KeyID
	Bytes  []byte
}

// KeyLookup finds a server's verify key that was valid at an event's time, in milliseconds since the epoch
// (room version 5: the key's valid_until_ts must not be before origin_server_ts).
type KeyLookup func(server matrix.ServerName, key matrix.KeyID, originServerTS int64) (ed25519.PublicKey, error)

// SigningBytes is the message that signatures of this event cover. It is computed at each call.
func (p *PDU) SigningBytes() []byte { return signedPart(p.json, p.kind, p.version.Redaction) }

// SignaturesOf lists the server's ed25519 signatures; other algorithms and what is not Base64 are skipped.
func (p *PDU) SignaturesOf(server matrix.ServerName) []Signature {
	var all map[matrix.ServerName]json.RawMessage
	if json.Unmarshal(matrix.Lookup(p.json, "signatures"), &all) != nil {
		return nil
	}
	var found []Signature
	for m := range matrix.Members(all[server]) {
		key := matrix.KeyID(m.Key)
		encoded, _ := unquote(m.Value)
		signature, err := matrix.DecodeBase64(encoded)
		if key.Algorithm() == matrix.KeyAlgorithm && err == nil {
			found = append(found, Signature{Server: server, KeyID: key, Bytes: signature})
		}
	}
	return found
}

// SignatureServers lists whose signatures the event needs: the sender's server, except for invites made
// from a third-party invite, and the server that authorised a restricted join (Matrix server-server
// specification, "Validating hashes and signatures on received events").
func (p *PDU) SignatureServers() []matrix.ServerName {
	var servers []matrix.ServerName
	if p.membership != matrix.Invite || matrix.Lookup(p.content, "third_party_invite") == nil {
		servers = append(servers, p.sender.Server())
	}
	if authoriser := p.JoinAuthorisedVia(); authoriser != "" && authoriser.Server() != p.sender.Server() {
		servers = append(servers, authoriser.Server())
	}
	return servers
}

// JoinAuthorisedVia is content.join_authorised_via_users_server of a member event, "" when absent.
func (p *PDU) JoinAuthorisedVia() matrix.UserID {
	if p.kind != matrix.TypeMember {
		return ""
	}
	user, _ := unquote(matrix.Lookup(p.content, "join_authorised_via_users_server"))
	return matrix.UserID(user)
}

// VerifySignatures checks that each server of SignatureServers has signed with a key that keys knows. The
// error is a *matrix.SignatureError, or wraps what keys returned.
func VerifySignatures(p *PDU, keys KeyLookup) error {
	message := p.SigningBytes()
	for _, server := range p.SignatureServers() {
		if err := verifyServer(p, message, server, keys); err != nil {
			return err
		}
	}
	return nil
}

func verifyServer(p *PDU, message []byte, server matrix.ServerName, keys KeyLookup) error {
	var err error = &matrix.SignatureError{Server: server, Reason: fmt.Sprintf("missing on event %s", p.id)}
	for _, s := range p.SignaturesOf(server) {
		public, lookupErr := keys(server, s.KeyID, p.ts)
		if lookupErr != nil {
			err = fmt.Errorf("key %s of %s for event %s: %w", s.KeyID, server, p.id, lookupErr)
			continue
		}
		if err = matrix.VerifySignature(message, s.Bytes, server, s.KeyID, public); err == nil {
			return nil
		}
	}
	return err
}

// AddSignature returns the event with one more signature, for invites and authorised joins; the id stays.
func (p *PDU) AddSignature(server matrix.ServerName, key matrix.KeyID, priv ed25519.PrivateKey) (*PDU, error) {
	signed, err := matrix.AddSignature(p.json, server, key, ed25519.Sign(priv, p.SigningBytes()))
	if err != nil {
		return nil, err
	}
	q, err := parseCanonical(signed, p.version)
	if err != nil {
		return nil, err
	}
	q.redacted = p.redacted
	return q, nil
}
