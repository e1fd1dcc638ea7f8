package homeserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"meshsim/matrix"
	"meshsim/matrix/event"
)

// Restore makes the server what its store says it was. It is called before anything else, by nobody else at the same
// time. Without a store it does nothing.
func (s *Server) Restore() error {
	if s.cfg.Store == nil {
		return nil
	}
	r := restorer{s: s}
	err := s.cfg.Store.Load(s.commons.Recall, func(c Change) error {
		if err := r.apply(c); err != nil {
			return fmt.Errorf("what is kept of %s cannot be read: %s %q: %w", s.cfg.Name, c.Kind, c.Key, err)
		}
		return nil
	}, serverKinds...)
	if err != nil {
		return err
	}
	r.finish()
	return nil
}

// restorer collects what has to be put into order once all of it has been read.
type restorer struct {
	s        *Server
	messages []storedMessage
	made     []storedTransaction
	seen     []storedSeenMessage
	filters  []storedFilter
	parked   []parkedPDU
}

// decode reads a value and hands it on.
func decode[T any](c Change, then func(T)) error {
	var value T
	if err := json.Unmarshal(c.Value, &value); err != nil {
		return err
	}
	then(value)
	return nil
}

func (r *restorer) apply(c Change) error {
	s := r.s
	switch c.Kind {
	case Fact:
		return s.replay(c)
	case kindAccount:
		return decode(c, s.restoreAccount)
	case kindAccountData:
		return decode(c, s.restoreAccountData)
	case kindFilter:
		return decode(c, func(f storedFilter) { r.filters = append(r.filters, f) })
	case kindDevice:
		return decode(c, s.restoreDevice)
	case kindDeviceKeys:
		return decode(c, s.restoreDeviceKeys)
	case kindInbox:
		return decode(c, func(m storedMessage) { r.messages = append(r.messages, m) })
	case kindTransaction:
		return decode(c, func(t storedTransaction) { r.made = append(r.made, t) })
	case kindSeenMessage:
		return decode(c, func(m storedSeenMessage) { r.seen = append(r.seen, m) })
	case kindParked:
		return r.park(c)
	case kindCeiling:
		return decode(c, func(at Position) { s.stream.newest, s.stream.ceiling = max(s.stream.newest, at), at })
	}
	return s.restoreMore(c)
}

// restoreMore is the rest of apply: what needs no order.
func (s *Server) restoreMore(c Change) error {
	switch c.Kind {
	case kindIdentity:
		return decode(c, s.restoreIdentity)
	case kindBackups:
		return decode(c, func(b storedBackups) { s.restoredBackups(b.User).newest = b.Newest })
	case kindBackup:
		return decode(c, s.restoreBackup)
	case kindSession:
		return decode(c, s.restoreSession)
	case kindKeysChanged:
		return decode(c, s.restoreKeysChanged)
	case kindReceipt:
		return decode(c, s.restoreReceipt)
	case kindMembership:
		return decode(c, func(m storedMembership) { s.restoreMembership(m, c.Events) })
	case kindAlias:
		return decode(c, func(a storedAlias) { s.aliases.set(a.Alias, aliasTarget{a.Room, a.Creator}) })
	case kindPublished:
		return decode(c, func(room string) { s.users.publish(room) })
	case kindMedia:
		return s.restoreMedia(c)
	case kindOpenID:
		return decode(c, s.restoreOpenID)
	}
	return fmt.Errorf("there is no kind %q", c.Kind)
}

// finish puts into order what was read in none.
func (r *restorer) finish() {
	s := r.s
	for id, room := range s.rooms {
		room.joined = room.current.hasServer(s.cfg.Name)
		if room.current == nil && len(room.log) == 0 && room.extremities == nil {
			delete(s.rooms, id)
		}
	}
	slices.SortFunc(r.filters, func(a, b storedFilter) int { return cmp.Compare(a.Number, b.Number) })
	for _, f := range r.filters {
		if a := s.users.accounts[f.User]; a != nil {
			a.filters = append(a.filters, f.Filter)
		}
	}
	slices.SortFunc(r.messages, func(a, b storedMessage) int { return cmp.Compare(a.Number, b.Number) })
	for _, m := range r.messages {
		if d, err := s.users.deviceLocked(m.User, m.Device); err == nil {
			m.Message.position, m.Message.number = m.At, m.Number
			d.inbox = append(d.inbox, m.Message)
		}
		s.users.messages = max(s.users.messages, m.Number)
	}
	slices.SortFunc(r.made, func(a, b storedTransaction) int { return cmp.Compare(a.Number, b.Number) })
	for _, t := range r.made {
		if d, err := s.users.deviceLocked(t.User, t.Device); err == nil {
			d.txns.restore(t)
		}
	}
	slices.SortFunc(r.seen, func(a, b storedSeenMessage) int { return cmp.Compare(a.Number, b.Number) })
	for _, m := range r.seen {
		s.users.seenMessages.add(m.ID)
		s.users.seenMessages.number = m.Number
	}
	for _, p := range r.parked {
		if room := s.rooms[p.pdu.RoomID()]; room != nil {
			s.parkAgain(room, p)
		}
	}
}

func (r *restorer) park(c Change) error {
	if len(c.Events) != 1 {
		return fmt.Errorf("it has %d events, not one", len(c.Events))
	}
	return decode(c, func(p storedParked) { r.parked = append(r.parked, parkedPDU{pdu: c.Events[0], origin: p.Origin}) })
}

func (s *Server) restoreAccount(a storedAccount) {
	if s.users.accounts == nil {
		s.users.accounts = map[string]*account{}
	}
	restored := &account{id: a.ID, password: a.Password, profile: a.Profile, forgotten: a.Forgotten}
	for _, p := range a.Pushers {
		p.Device = p.SetBy
		restored.pushers = append(restored.pushers, p.Pusher)
	}
	s.users.accounts[a.ID] = restored
}

func (s *Server) restoreAccountData(d storedAccountData) {
	a := s.users.accounts[d.User]
	if a == nil {
		return
	}
	if a.data == nil {
		a.data = map[dataKey]dataValue{}
	}
	a.data[dataKey{d.RoomID, d.Type}] = dataValue{d.Content, d.At}
}

func (s *Server) restoreDevice(d storedDevice) {
	a := s.users.accounts[d.User]
	if a == nil {
		return
	}
	device := &Device{User: d.User, ID: d.ID, name: d.Name, token: tokenHash(padded(d.Token))}
	device.seen.Store(d.Seen)
	if a.devices == nil {
		a.devices = map[string]*Device{}
	}
	if s.users.tokens == nil {
		s.users.tokens = map[tokenHash]*Device{}
	}
	a.devices[d.ID] = device
	s.users.tokens[device.token] = device
	if len(d.Refresh) == 0 {
		return
	}
	if s.users.refresh == nil {
		s.users.refresh = map[tokenHash]*Device{}
	}
	device.expiry = &expiry{tokenHash(padded(d.Refresh)), d.Until}
	s.users.refresh[device.expiry.refresh] = device
}

// padded makes a hash as long as it must be: one that is damaged is that of no token.
func padded(hash []byte) []byte {
	return append(hash, make([]byte, max(0, len(tokenHash{})-len(hash)))...)
}

func (s *Server) restoreDeviceKeys(k storedDeviceKeys) {
	device, err := s.users.deviceLocked(k.User, k.Device)
	if err != nil {
		return
	}
	device.keys = &deviceKeys{identity: k.Identity, oneTime: map[string][]namedKey{}, fallback: map[string]fallbackKey{}}
	for algorithm, keys := range k.OneTime {
		for _, key := range keys {
			device.keys.oneTime[algorithm] = append(device.keys.oneTime[algorithm], namedKey{key.ID, key.Key})
		}
	}
	for algorithm, key := range k.Fallback {
		device.keys.fallback[algorithm] = fallbackKey{namedKey{key.ID, key.Key}, key.Used}
	}
}

func (s *Server) restoreIdentity(i storedIdentity) {
	if a := s.users.accounts[i.User]; a != nil {
		a.identity = &identity{i.Master, i.SelfSigning, i.UserSigning, i.Vouched}
	}
}

// restoredBackups are a user's backups, to be filled.
func (s *Server) restoredBackups(user string) *backups {
	a := s.users.accounts[user]
	if a == nil {
		return &backups{versions: map[int]*backup{}}
	}
	if a.backups == nil {
		a.backups = &backups{versions: map[int]*backup{}}
	}
	return a.backups
}

func (s *Server) restoreBackup(b storedBackup) {
	s.restoredBackups(b.User).versions[b.Version] = &backup{info: b.Info, etag: b.ETag}
}

func (s *Server) restoreSession(k storedSession) {
	all := s.restoredBackups(k.User)
	b := all.versions[k.Version]
	if b == nil {
		return
	}
	etag := b.etag
	all.stored += b.put(k.Room, k.Session, k.Key)
	b.etag = etag
}

func (s *Server) restoreKeysChanged(c storedKeysChanged) {
	d := &s.users.deviceLists
	if d.changes == nil {
		d.changes = map[string]Position{}
	}
	d.changes[c.User] = c.At
	d.newest = max(d.newest, c.At)
}

func (s *Server) restoreReceipt(stored storedReceipt) {
	r := s.users.ephemerals.roomLocked(stored.Room)
	if r.receipts == nil {
		r.receipts = map[receiptKey]Receipt{}
	}
	receipt := stored.Receipt
	receipt.position = stored.Position
	r.receipts[receiptKey{receipt.User, receipt.Kind, receipt.Thread}] = receipt
}

// restoreMembership gives way to what a room's facts say later.
func (s *Server) restoreMembership(m storedMembership, events []*event.PDU) {
	if known, ok := s.MembershipOf(m.User, m.Room); ok && known.Position > m.Position {
		return
	}
	membership := Membership{
		RoomID: m.Room, Membership: matrix.Membership(m.Membership), Position: m.Position, Stripped: m.Stripped, Via: m.Via,
	}
	if len(events) > 0 {
		membership.Event = events[0]
	}
	s.members.set(m.User, membership)
}

func (s *Server) restoreMedia(c Change) error {
	head, content, found := bytes.Cut(c.Value, []byte{'\n'})
	if !found {
		return fmt.Errorf("the description of the file has no end")
	}
	var stored storedMedia
	if err := json.Unmarshal(head, &stored); err != nil {
		return err
	}
	up := &upload{user: stored.User, done: make(chan struct{}), until: stored.Until}
	if stored.Complete {
		up.media = Media{Type: stored.Type, Name: stored.Name, Content: bytes.Clone(content)}
		s.users.media.stored += up.media.size()
		close(up.done)
	}
	s.users.media.putLocked(stored.ID, up)
	return nil
}

func (s *Server) restoreOpenID(t storedOpenID) {
	if t.Until.Before(time.Now()) {
		return
	}
	if s.users.openID == nil {
		s.users.openID = map[tokenHash]openIDToken{}
	}
	s.users.openID[tokenHash(padded(t.Token))] = openIDToken{t.User, t.Until}
}
