package homeserver

import "time"

// OpenIDLifetime is how long an OpenID token is worth something.
const OpenIDLifetime = time.Hour

// openIDToken says whose a token is.
type openIDToken struct {
	user  string
	until time.Time
}

// OpenIDToken returns a token with which others can ask this server who a user is, and nothing else.
func (s *Server) OpenIDToken(user string) string {
	u := &s.users
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	for hash, token := range u.openID {
		if token.until.Before(now) {
			delete(u.openID, hash)
			s.Drop(kindOpenID, hash.String())
		}
	}
	if u.openID == nil {
		u.openID = map[tokenHash]openIDToken{}
	}
	token := newToken()
	hash, made := hashToken(token), openIDToken{user, now.Add(OpenIDLifetime)}
	u.openID[hash] = made
	s.Keep(kindOpenID, storedOpenID{hash[:], made.user, made.until}, hash.String())
	return token
}

// OpenIDUser returns whose an OpenID token is, or UnknownToken.
func (s *Server) OpenIDUser(token string) (string, error) {
	s.users.mu.RLock()
	defer s.users.mu.RUnlock()
	known, ok := s.users.openID[hashToken(token)]
	if !ok || known.until.Before(time.Now()) {
		return "", failf(UnknownToken, "the OpenID token is unknown or has expired")
	}
	return known.user, nil
}
