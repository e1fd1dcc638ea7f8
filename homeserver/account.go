package homeserver

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strconv"

	"meshsim/matrix"
)

// Credential is an account that is made when the server is: its password is already hashed, so that a
// thousand servers with the same account cost one bcrypt.
type Credential struct {
	Localpart    string
	PasswordHash string // of [Passwords.Hash]
}

// AddAccount creates an account whose password is already hashed. It fails with UserInUse or InvalidUsername.
func (s *Server) AddAccount(c Credential) (user string, err error) {
	user, err = s.checkLocalpart(c.Localpart)
	if err != nil {
		return "", err
	}
	u := &s.users
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.accounts[user] != nil {
		return "", failf(UserInUse, "the user name %q is taken: choose another one", c.Localpart)
	}
	if u.accounts == nil {
		u.accounts = map[string]*account{}
	}
	a := &account{id: user, password: c.PasswordHash, profile: Profile{DisplayName: c.Localpart}}
	u.accounts[user] = a
	s.keepAccountLocked(a)
	return user, nil
}

// Register creates an account. An empty localpart asks for a name to be made up. It fails with UserInUse or
// InvalidUsername.
func (s *Server) Register(ctx context.Context, localpart, password string) (user string, err error) {
	if localpart == "" {
		localpart = s.freeLocalpart()
	}
	if err := s.Available(localpart); err != nil {
		return "", err
	}
	hash, err := s.passwords().Hash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("the password could not be stored: %w", err)
	}
	return s.AddAccount(Credential{localpart, hash})
}

// RegistrationOpen says whether clients may register without a token.
func (s *Server) RegistrationOpen() bool { return s.cfg.RegistrationToken == "" }

// ValidRegistrationToken says whether token is the one that registration asks for. Where registration is open there
// is none, and no token is valid.
func (s *Server) ValidRegistrationToken(token string) bool {
	return !s.RegistrationOpen() && subtle.ConstantTimeCompare([]byte(token), []byte(s.cfg.RegistrationToken)) == 1
}

// Available returns nil when a new account may have this localpart, and otherwise what Register would.
func (s *Server) Available(localpart string) error {
	user, err := s.checkLocalpart(localpart)
	if err != nil {
		return err
	}
	if s.HasUser(user) {
		return failf(UserInUse, "the user name %q is taken: choose another one", localpart)
	}
	return nil
}

// HasUser says whether user, a full id, is an account of this server.
func (s *Server) HasUser(user string) bool {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	return s.users.accounts[user] != nil
}

// CheckPassword says whether user has an account with this password. It fails when ctx ends before that is known.
func (s *Server) CheckPassword(ctx context.Context, user, password string) (right bool, err error) {
	s.users.mu.RLock()
	var hash string
	if a := s.users.accounts[user]; a != nil {
		hash = a.password
	}
	s.users.mu.RUnlock()
	if hash == "" {
		return false, nil
	}
	return s.passwords().Matches(ctx, hash, password)
}

// SetPassword replaces the password of a local user.
func (s *Server) SetPassword(ctx context.Context, user, password string) error {
	hash, err := s.passwords().Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("the password could not be stored: %w", err)
	}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a, err := s.users.accountLocked(user)
	if err != nil {
		return err
	}
	a.password = hash
	s.keepAccountLocked(a)
	return nil
}

// freeLocalpart makes up a name: numbers, as they cannot be mistaken for somebody.
func (s *Server) freeLocalpart() string {
	u := &s.users
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		u.nextName++
		name := strconv.Itoa(u.nextName)
		if u.accounts["@"+name+":"+s.cfg.Name] == nil {
			return name
		}
	}
}

// checkLocalpart returns the user id for a localpart that a new account may have: the specification's strict
// grammar, not the historical one.
func (s *Server) checkLocalpart(localpart string) (user string, err error) {
	user = "@" + localpart + ":" + s.cfg.Name
	if !matrix.ValidStrictLocalpart(localpart) {
		return "", failf(InvalidUsername, "%q is no user name: allowed are a-z, 0-9 and ._=-/+, and at least one of them", localpart)
	}
	if len(user) > matrix.MaxIdentifierBytes {
		return "", failf(InvalidUsername, "the user name is too long: %d characters are allowed on this server", matrix.MaxIdentifierBytes-len(s.cfg.Name)-2)
	}
	return user, nil
}

// passwords is what the process shares, or the server's own when it was given none.
func (s *Server) passwords() *Passwords {
	if s.cfg.Passwords != nil {
		return s.cfg.Passwords
	}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	if s.users.hasher == nil {
		s.users.hasher = NewPasswords()
	}
	return s.users.hasher
}
