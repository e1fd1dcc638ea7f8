package eventauth

import (
	"crypto/ed25519"
	"encoding/json"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// change is a membership event together with what the rules ask about it.
type change struct {
	*room
	p           *event.PDU
	sender      matrix.UserID
	target      string
	senderState matrix.Membership
	targetState matrix.Membership
}

// checkMember is rule 5.
func checkMember(p *event.PDU, r *room) error {
	target, isState := p.StateKey()
	if !isState || matrix.Lookup(p.Content(), "membership") == nil {
		return reject(p, "5.1", "a member event needs a state_key and content.membership")
	}
	via := matrix.Lookup(p.Content(), "join_authorised_via_users_server")
	if via != nil && !p.JoinAuthorisedVia().Valid() {
		return reject(p, "5.2.1", "join_authorised_via_users_server is %s, which no server can have signed for", via)
	}
	c := &change{
		room: r, p: p, sender: p.Sender(), target: target,
		senderState: r.membership(string(p.Sender())), targetState: r.membership(target),
	}
	switch p.Membership() {
	case matrix.Join:
		return c.join()
	case matrix.Invite:
		return c.invite()
	case matrix.Leave:
		return c.leave()
	case matrix.Ban:
		return c.ban()
	case matrix.Knock:
		return c.knock()
	}
	return reject(p, "5.8", "unknown membership %q", p.Membership())
}

// join is rule 5.3.
func (c *change) join() error {
	if c.isFirstJoin() {
		return nil
	}
	if string(c.sender) != c.target {
		return reject(c.p, "5.3.2", "sender %s cannot join for %s", c.sender, c.target)
	}
	if c.senderState == matrix.Ban {
		return reject(c.p, "5.3.3", "%s is banned", c.sender)
	}
	known := c.targetState == matrix.Invite || c.targetState == matrix.Join
	switch rule := c.joinRule(); rule {
	case "public":
		return nil
	case "invite", "knock":
		if known {
			return nil
		}
		return reject(c.p, "5.3.4", "the join rule is %s, and %s is not invited", rule, c.sender)
	case "restricted", "knock_restricted":
		if known {
			return nil
		}
		return c.restrictedJoin()
	default:
		return reject(c.p, "5.3.7", "the join rule %q lets nobody join", rule)
	}
}

// isFirstJoin is rule 5.3.1: the creator's join right after the create event.
func (c *change) isFirstJoin() bool {
	prev := c.p.PrevEvents()
	if len(prev) != 1 || prev[0] != c.create.ID() {
		return false
	}
	return c.target == string(c.create.Create().Creator)
}

// restrictedJoin is rule 5.3.5.2: the authorising user must be able to invite, which takes being joined.
func (c *change) restrictedJoin() error {
	via := c.p.JoinAuthorisedVia()
	if via == "" {
		return reject(c.p, "5.3.5.2", "the join is restricted and names no join_authorised_via_users_server")
	}
	if m := c.membership(string(via)); m != matrix.Join {
		return reject(c.p, "5.3.5.2", "authorising user %s is not joined but %q", via, m)
	}
	if power := c.powerOf(via); power < c.levels.Invite {
		return reject(c.p, "5.3.5.2", "authorising user %s has power %d, inviting takes %d", via, power, c.levels.Invite)
	}
	return nil
}

// invite is rule 5.4.
func (c *change) invite() error {
	if third := matrix.Lookup(c.p.Content(), "third_party_invite"); third != nil {
		return c.thirdPartyInvite(third)
	}
	if c.senderState != matrix.Join {
		return reject(c.p, "5.4.2", "sender %s is not joined but %q", c.sender, c.senderState)
	}
	if c.targetState == matrix.Join || c.targetState == matrix.Ban {
		return reject(c.p, "5.4.3", "%s cannot be invited, being %q", c.target, c.targetState)
	}
	if power := c.powerOf(c.sender); power < c.levels.Invite {
		return reject(c.p, "5.4.5", "sender %s has power %d, inviting takes %d", c.sender, power, c.levels.Invite)
	}
	return nil
}

// thirdPartyInvite is rule 5.4.1.
func (c *change) thirdPartyInvite(third json.RawMessage) error {
	if c.targetState == matrix.Ban {
		return reject(c.p, "5.4.1.1", "%s is banned", c.target)
	}
	signed := matrix.Lookup(third, "signed")
	if signed == nil {
		return reject(c.p, "5.4.1.2", "third_party_invite has no signed property")
	}
	mxid, token := matrix.Lookup(signed, "mxid"), matrix.Lookup(signed, "token")
	if mxid == nil || token == nil {
		return reject(c.p, "5.4.1.3", "third_party_invite.signed needs mxid and token")
	}
	if text(mxid) != c.target {
		return reject(c.p, "5.4.1.4", "third_party_invite.signed is for %s, not for %s", mxid, c.target)
	}
	offer := c.state.Event(event.Key{Type: matrix.TypeThirdPartyInvite, StateKey: text(token)})
	if offer == nil {
		return reject(c.p, "5.4.1.5", "no m.room.third_party_invite has the token %s", token)
	}
	if offer.Sender() != c.sender {
		return reject(c.p, "5.4.1.6", "sender %s did not send the third-party invite, %s did", c.sender, offer.Sender())
	}
	if !signedByAny(signed, publicKeys(offer.Content())) {
		return reject(c.p, "5.4.1.8", "no signature matches a key of the third-party invite")
	}
	return nil
}

// maxTrials bounds how many signatures one third-party invite may make a server check, in all: some 15 ms of work.
// An identity server makes one signature and offers two keys; an event has room for hundreds of each.
const maxTrials = 256

// publicKeys collects the keys of rule 5.4.1.7.
func publicKeys(content json.RawMessage) []ed25519.PublicKey {
	encoded := []json.RawMessage{matrix.Lookup(content, "public_key")}
	for k := range matrix.Elements(matrix.Lookup(content, "public_keys")) {
		encoded = append(encoded, matrix.Lookup(k, "public_key"))
	}
	var keys []ed25519.PublicKey
	for _, s := range encoded {
		if key, err := matrix.DecodeBase64(text(s)); err == nil && len(key) == ed25519.PublicKeySize {
			keys = append(keys, key)
		}
	}
	return keys
}

// signedByAny tries signatures and keys in the order of the events, so that all servers that give up do so at the
// same place.
func signedByAny(signed json.RawMessage, keys []ed25519.PublicKey) bool {
	message, err := matrix.SigningBytes(signed)
	if err != nil {
		return false
	}
	trials := 0
	for signer := range matrix.Members(matrix.Lookup(signed, "signatures")) {
		for s := range matrix.Members(signer.Value) {
			id := matrix.KeyID(s.Key)
			signature, err := matrix.DecodeBase64(text(s.Value))
			if err != nil || id.Algorithm() != matrix.KeyAlgorithm {
				continue
			}
			for _, key := range keys {
				if trials++; trials > maxTrials {
					return false
				}
				if ed25519.Verify(key, message, signature) {
					return true
				}
			}
		}
	}
	return false
}

// leave is rule 5.5.
func (c *change) leave() error {
	if string(c.sender) == c.target {
		switch c.senderState {
		case matrix.Invite, matrix.Join, matrix.Knock:
			return nil
		}
		return reject(c.p, "5.5.1", "%s cannot leave, being %q", c.sender, c.senderState)
	}
	if c.senderState != matrix.Join {
		return reject(c.p, "5.5.2", "sender %s is not joined but %q", c.sender, c.senderState)
	}
	power := c.powerOf(c.sender)
	if c.targetState == matrix.Ban && power < c.levels.Ban {
		return reject(c.p, "5.5.3", "sender %s has power %d, lifting a ban takes %d", c.sender, power, c.levels.Ban)
	}
	if target := c.powerOf(matrix.UserID(c.target)); power < c.levels.Kick || target >= power {
		return reject(c.p, "5.5.5", "sender %s has power %d, kicking takes %d and more than the %d of %s",
			c.sender, power, c.levels.Kick, target, c.target)
	}
	return nil
}

// ban is rule 5.6.
func (c *change) ban() error {
	if c.senderState != matrix.Join {
		return reject(c.p, "5.6.1", "sender %s is not joined but %q", c.sender, c.senderState)
	}
	power, target := c.powerOf(c.sender), c.powerOf(matrix.UserID(c.target))
	if power < c.levels.Ban || target >= power {
		return reject(c.p, "5.6.3", "sender %s has power %d, banning takes %d and more than the %d of %s",
			c.sender, power, c.levels.Ban, target, c.target)
	}
	return nil
}

// knock is rule 5.7.
func (c *change) knock() error {
	if rule := c.joinRule(); rule != "knock" && rule != "knock_restricted" {
		return reject(c.p, "5.7.1", "the join rule %q does not allow knocking", rule)
	}
	if string(c.sender) != c.target {
		return reject(c.p, "5.7.2", "sender %s cannot knock for %s", c.sender, c.target)
	}
	switch c.senderState {
	case matrix.Ban, matrix.Invite, matrix.Join:
		return reject(c.p, "5.7.4", "%s cannot knock, being %q", c.sender, c.senderState)
	}
	return nil
}
