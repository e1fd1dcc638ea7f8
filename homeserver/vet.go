package homeserver

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// vetted reads a PDU of another server and does checks 1 to 3 on receipt: format, signatures, and the content
// hash, without which the event is redacted.
func (s *Server) vetted(ctx context.Context, raw json.RawMessage, version *matrix.RoomVersion) (*event.PDU, error) {
	pdu, err := s.commons.parse(raw, version)
	if err != nil {
		return nil, err
	}
	return s.vet(ctx, pdu)
}

func (s *Server) vet(ctx context.Context, pdu *event.PDU) (*event.PDU, error) {
	hash, known := s.commons.verdict(pdu)
	if !known {
		if err := event.VerifySignatures(pdu, s.keyLookup(ctx)); err != nil {
			return nil, err
		}
		pdu = s.commons.keep(pdu)
		hash = pdu.CheckContentHash()
		s.commons.setVerdict(pdu, hash)
	}
	if !hash {
		return s.commons.redact(pdu), nil
	}
	return pdu, nil
}

// keyLookup finds verify keys for events: this server's own, or another's that was valid at the time.
func (s *Server) keyLookup(ctx context.Context) event.KeyLookup {
	return func(server matrix.ServerName, key matrix.KeyID, originServerTS int64) (ed25519.PublicKey, error) {
		if string(server) == s.cfg.Name && string(key) == s.cfg.KeyID {
			return s.cfg.Key.Public().(ed25519.PublicKey), nil
		}
		if s.cfg.Keys == nil {
			return nil, failf(Unreachable, "this server has no federation to fetch a key of %s", server)
		}
		return s.cfg.Keys.VerifyKey(ctx, string(server), string(key), time.UnixMilli(originServerTS))
	}
}

// vetAll vets many PDUs of one room and leaves out those that fail.
func (s *Server) vetAll(ctx context.Context, raws []json.RawMessage, version *matrix.RoomVersion) []*event.PDU {
	pdus := make([]*event.PDU, 0, len(raws))
	for _, raw := range raws {
		pdu, err := s.vetted(ctx, raw, version)
		if err != nil {
			s.log.Debug("dropped an event", "error", err)
			continue
		}
		pdus = append(pdus, pdu)
	}
	return pdus
}

// vetFor is vet for an event that this server is asked to sign: its own signature may be missing.
func (s *Server) vetFor(ctx context.Context, pdu *event.PDU) (*event.PDU, error) {
	keys := s.keyLookup(ctx)
	message := pdu.SigningBytes()
	for _, server := range pdu.SignatureServers() {
		if string(server) == s.cfg.Name {
			continue
		}
		if err := verifyOne(pdu, message, server, keys); err != nil {
			return nil, err
		}
	}
	if !pdu.CheckContentHash() {
		return nil, failf(BadRequest, "the content hash of event %s is wrong", pdu.ID())
	}
	return s.commons.keep(pdu), nil
}

// verifyOne checks that a server has signed an event.
func verifyOne(pdu *event.PDU, message []byte, server matrix.ServerName, keys event.KeyLookup) error {
	var err error = failf(Forbidden, "event %s is not signed by %s", pdu.ID(), server)
	for _, signature := range pdu.SignaturesOf(server) {
		var public ed25519.PublicKey
		if public, err = keys(server, signature.KeyID, pdu.OriginServerTS()); err != nil {
			continue
		}
		if err = matrix.VerifySignature(message, signature.Bytes, server, signature.KeyID, public); err == nil {
			return nil
		}
	}
	return err
}
