package homeserver

import (
	"strings"
	"sync"
)

// users are the accounts of one server with what belongs to them. The zero value has no accounts; maps are
// made when they are first needed, because most servers of a mesh have one account and nobody logged in.
type users struct {
	mu        sync.RWMutex
	accounts  map[string]*account // by user id
	tokens    map[tokenHash]*Device
	refresh   map[tokenHash]*Device
	openID    map[tokenHash]openIDToken
	nextName  int             // for accounts registered without a name
	messages  int64           // to devices that came so far
	published map[string]bool // rooms in the directory

	unreadMu sync.Mutex
	unread   map[unreadKey]*unread // of users who sync

	hasher *Passwords // when the server has a private one

	ephemerals   ephemerals
	presences    presences
	watchers     watchers
	seenMessages seenMessages
	deviceLists  deviceLists
	media        mediaStore
	relations    relations
}

// account is one user. The lock of users guards it.
type account struct {
	id       string
	password string // hash, see Passwords
	profile  Profile
	devices  map[string]*Device // by device id
	data     map[dataKey]dataValue
	filters  []string
	pushers  []Pusher
	// forgotten rooms, with the position of the membership that was forgotten
	forgotten map[string]Position
	identity  *identity // nil until the user uploads cross-signing keys or signatures
	backups   *backups  // nil until the user backs keys up
}

// UserID returns the id of the local user that a client named, either by localpart or by full id. It fails
// for users of other servers.
func (s *Server) UserID(name string) (string, error) {
	if !strings.HasPrefix(name, "@") {
		return "@" + name + ":" + s.cfg.Name, nil
	}
	if _, server, _ := strings.Cut(name, ":"); server != s.cfg.Name {
		return "", failf(NotFound, "%q is not a user of %s", name, s.cfg.Name)
	}
	return name, nil
}

// Users returns the ids of the server's accounts, in no order.
func (s *Server) Users() []string {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	ids := make([]string, 0, len(s.users.accounts))
	for id := range s.users.accounts {
		ids = append(ids, id)
	}
	return ids
}

// accountLocked returns the account of a local user. users.mu is held.
func (u *users) accountLocked(user string) (*account, error) {
	if a := u.accounts[user]; a != nil {
		return a, nil
	}
	return nil, failf(NotFound, "there is no user %s on this server", user)
}
