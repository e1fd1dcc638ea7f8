package homeserver

import (
	"encoding/json"
	"strconv"
	"time"

	"meshsim/matrix"
)

// The kinds of changes of a server and its users, beside the rooms' facts. What a value says, it says whole: the key is
// its name only.
const (
	kindAccount     = "account"
	kindAccountData = "account_data"
	kindFilter      = "filter"
	kindDevice      = "device"
	kindDeviceKeys  = "device_keys"
	kindInbox       = "inbox" // messages to a device
	kindIdentity    = "identity"
	kindBackups     = "backups" // how many a user has made
	kindBackup      = "backup"
	kindSession     = "session" // a key in a backup
	kindKeysChanged = "keys_changed"
	kindReceipt     = "receipt"
	kindMembership  = "membership" // in a room that this server is not in
	kindAlias       = "alias"
	kindPublished   = "published"
	kindMedia       = "media"
	kindOpenID      = "openid"
	kindSeenMessage = "seen_message"
	kindParked      = "parked"
	kindCeiling     = "ceiling"
)

// serverKinds are all kinds that this package records, in the order in which they are restored.
var serverKinds = []string{
	Fact, kindAccount, kindAccountData, kindFilter, kindDevice, kindDeviceKeys, kindInbox, kindTransaction, kindIdentity,
	kindBackups, kindBackup, kindSession, kindKeysChanged, kindReceipt, kindMembership, kindAlias, kindPublished, kindMedia,
	kindOpenID, kindSeenMessage, kindParked, kindCeiling,
}

type storedAccount struct {
	ID        string
	Password  string // hash
	Profile   Profile
	Forgotten map[string]Position `json:",omitempty"`
	Pushers   []storedPusher      `json:",omitempty"`
}

type storedPusher struct {
	Pusher
	SetBy string `json:",omitempty"` // device
}

type storedAccountData struct {
	User string
	AccountData
	At Position
}

type storedFilter struct {
	User   string
	Number int
	Filter string
}

type storedDevice struct {
	User, ID, Name string
	Token          []byte // hash
	Seen           int64  // ms since the epoch
	Refresh        []byte `json:",omitempty"` // hash
	Until          time.Time
}

type storedDeviceKeys struct {
	User, Device string
	Identity     json.RawMessage `json:",omitempty"`
	OneTime      map[string][]storedKey
	Fallback     map[string]storedKey
}

type storedKey struct {
	ID   string
	Key  json.RawMessage
	Used bool `json:",omitempty"`
}

type storedMessage struct {
	User, Device string
	Message      ToDevice
	At           Position
	Number       int64 // ascending in an inbox
}

type storedIdentity struct {
	User string
	CrossSigning
	Vouched map[string]map[string]json.RawMessage `json:",omitempty"`
}

type storedBackups struct {
	User   string
	Newest int
}

type storedBackup struct {
	User    string
	Version int
	Info    BackupInfo
	ETag    int
}

type storedSession struct {
	User          string
	Version       int
	Room, Session string
	Key           json.RawMessage
}

type storedKeysChanged struct {
	User string
	At   Position
}

type storedReceipt struct {
	Room string
	Receipt
	Position Position
}

// storedMembership goes with the member event.
type storedMembership struct {
	User       string
	Room       string
	Membership matrix.Membership
	Position   Position
	Stripped   []json.RawMessage `json:",omitempty"`
	Via        string            `json:",omitempty"`
}

type storedAlias struct{ Alias, Room, Creator string }

type storedMedia struct {
	ID, User, Type, Name string
	Until                time.Time
	Complete             bool // the content follows on a line of its own
}

type storedOpenID struct {
	Token []byte // hash
	User  string
	Until time.Time
}

type storedSeenMessage struct {
	ID     string
	Number int64 // ascending
}

// storedParked goes with the event.
type storedParked struct{ Origin string }

// keepAccountLocked, like the others here, needs users.mu.
func (s *Server) keepAccountLocked(a *account) {
	if s.cfg.Store != nil {
		stored := storedAccount{ID: a.id, Password: a.password, Profile: a.profile, Forgotten: a.forgotten}
		for _, p := range a.pushers {
			stored.Pushers = append(stored.Pushers, storedPusher{p, p.Device})
		}
		s.Keep(kindAccount, stored, a.id)
	}
}

func (s *Server) keepDeviceLocked(d *Device) {
	if s.cfg.Store == nil {
		return
	}
	stored := storedDevice{User: d.User, ID: d.ID, Name: d.name, Token: d.token[:], Seen: d.seen.Load()}
	if d.expiry != nil {
		stored.Refresh, stored.Until = d.expiry.refresh[:], d.expiry.until
	}
	s.Keep(kindDevice, stored, d.User, d.ID)
}

func (s *Server) keepDeviceKeysLocked(d *Device) {
	if s.cfg.Store == nil || d.keys == nil {
		return
	}
	stored := storedDeviceKeys{
		User: d.User, Device: d.ID, Identity: d.keys.identity,
		OneTime: map[string][]storedKey{}, Fallback: map[string]storedKey{},
	}
	for algorithm, keys := range d.keys.oneTime {
		for _, key := range keys {
			stored.OneTime[algorithm] = append(stored.OneTime[algorithm], storedKey{ID: key.id, Key: key.key})
		}
	}
	for algorithm, key := range d.keys.fallback {
		stored.Fallback[algorithm] = storedKey{key.id, key.key, key.used}
	}
	s.Keep(kindDeviceKeys, stored, d.User, d.ID)
}

// dropDeviceLocked forgets a device with all that is its own.
func (s *Server) dropDeviceLocked(d *Device) {
	if s.cfg.Store == nil {
		return
	}
	s.Drop(kindDevice, d.User, d.ID)
	s.Drop(kindDeviceKeys, d.User, d.ID)
	s.dropMessagesLocked(d, d.inbox)
	d.txns.mu.Lock()
	defer d.txns.mu.Unlock()
	for _, txn := range d.txns.order {
		s.Drop(kindTransaction, d.User, d.ID, txn.Endpoint, txn.ID)
	}
}

func keptMessage(d *Device, m ToDevice) Change {
	return Kept(kindInbox, storedMessage{d.User, d.ID, m, m.position, m.number}, d.User, d.ID, strconv.FormatInt(m.number, 10))
}

func droppedMessage(d *Device, m ToDevice) Change {
	return Change{Kind: kindInbox, Key: storeKey([]string{d.User, d.ID, strconv.FormatInt(m.number, 10)})}
}

func (s *Server) dropMessagesLocked(d *Device, messages []ToDevice) {
	if s.cfg.Store == nil {
		return
	}
	for _, m := range messages {
		s.cfg.Store.Record(droppedMessage(d, m))
	}
}

func (s *Server) keepIdentityLocked(a *account) {
	if s.cfg.Store == nil || a.identity == nil {
		return
	}
	i := a.identity
	s.Keep(kindIdentity, storedIdentity{a.id, CrossSigning{i.master, i.selfSigning, i.userSigning}, i.vouched}, a.id)
}

func (s *Server) keepBackupLocked(user string, number int, b *backup) {
	s.Keep(kindBackup, storedBackup{user, number, b.info, b.etag}, user, strconv.Itoa(number))
}

func (s *Server) keepSessionLocked(user string, number int, room, session string, key json.RawMessage) {
	if s.cfg.Store != nil {
		s.Keep(kindSession, storedSession{user, number, room, session, key}, user, strconv.Itoa(number), room, session)
	}
}

func (s *Server) dropSessionLocked(user string, number int, room, session string) {
	s.Drop(kindSession, user, strconv.Itoa(number), room, session)
}

// dropPersonalLocked forgets what belongs to an account, apart from its name and its devices.
func (s *Server) dropPersonalLocked(a *account) {
	if s.cfg.Store == nil {
		return
	}
	for key := range a.data {
		s.Drop(kindAccountData, a.id, key.roomID, key.kind)
	}
	for i := range a.filters {
		s.Drop(kindFilter, a.id, strconv.Itoa(i))
	}
	s.Drop(kindIdentity, a.id)
	if a.backups == nil {
		return
	}
	s.Drop(kindBackups, a.id)
	for number, b := range a.backups.versions {
		s.dropBackupLocked(a.id, number, b)
	}
}

func (s *Server) dropBackupLocked(user string, number int, b *backup) {
	if s.cfg.Store == nil {
		return
	}
	s.Drop(kindBackup, user, strconv.Itoa(number))
	b.each("", "", func(room, session string, _ json.RawMessage) { s.dropSessionLocked(user, number, room, session) })
}

// keepMembership needs the stream's lock, like memberships.set.
func (s *Server) keepMembership(user string, m Membership) {
	if s.cfg.Store == nil {
		return
	}
	change := Kept(kindMembership, storedMembership{user, m.RoomID, m.Membership, m.Position, m.Stripped, m.Via}, user, m.RoomID)
	change.Events = appendEvent(nil, m.Event)
	s.cfg.Store.Record(change)
}

func (s *Server) keepParked(p parkedPDU) {
	if s.cfg.Store == nil {
		return
	}
	change := Kept(kindParked, storedParked{p.origin}, string(p.pdu.RoomID()), string(p.pdu.ID()))
	change.Events = appendEvent(nil, p.pdu)
	s.cfg.Store.Record(change)
}

// keepMedia puts the file behind a line that describes it, so that it need not be encoded.
func (s *Server) keepMedia(id string, up *upload) {
	if s.cfg.Store == nil {
		return
	}
	change := Kept(kindMedia, storedMedia{id, up.user, up.media.Type, up.media.Name, up.until, up.complete()}, id)
	change.Value = append(append(change.Value, '\n'), up.media.Content...)
	s.cfg.Store.Record(change)
}
