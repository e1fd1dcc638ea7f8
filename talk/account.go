package talk

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// accounts keeps one login for each server.
type accounts struct {
	servers  Servers
	user     string
	password string

	mu     sync.Mutex
	logins map[int]*login
}

// login is one server's session. Its mutex is held while logging in, so that many callers at once log in
// once.
type login struct {
	mu    sync.Mutex
	token string
}

func newAccounts(config Config) *accounts {
	return &accounts{
		servers:  config.Servers,
		user:     config.User,
		password: config.Password,
		logins:   make(map[int]*login),
	}
}

// ask sends a request as the server's account, logging in first where needed, and again once where the
// server does not know the token any more (it may have been started anew).
func (a *accounts) ask(ctx context.Context, c call, out any) error {
	handler, err := a.client(c.server)
	if err != nil {
		return err
	}
	session := a.session(c.server)
	if c.token, err = a.token(ctx, handler, session, c.server, ""); err != nil {
		return err
	}
	err = do(ctx, handler, c, out)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		return err
	}
	if c.token, err = a.token(ctx, handler, session, c.server, c.token); err != nil {
		return err
	}
	return do(ctx, handler, c, out)
}

func (a *accounts) client(server int) (http.Handler, error) {
	if _, ok := a.servers.Name(server); !ok {
		return nil, &UnknownServerError{Server: server}
	}
	handler, err := a.servers.Client(server)
	if err != nil {
		return nil, &UnavailableError{Server: server, Reason: err}
	}
	return handler, nil
}

func (a *accounts) session(server int) *login {
	a.mu.Lock()
	defer a.mu.Unlock()
	session, ok := a.logins[server]
	if !ok {
		session = &login{}
		a.logins[server] = session
	}
	return session
}

// token returns an access token that is not the stale one.
func (a *accounts) token(ctx context.Context, handler http.Handler, session *login, server int, stale string) (string, error) {
	session.mu.Lock()
	defer session.mu.Unlock()
	if session.token != "" && session.token != stale {
		return session.token, nil
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	err := do(ctx, handler, call{
		server: server,
		what:   "to log in " + a.user,
		method: http.MethodPost,
		path:   "/_matrix/client/v3/login",
		body: map[string]any{
			"type":       "m.login.password",
			"identifier": map[string]string{"type": "m.id.user", "user": a.user},
			"password":   a.password,
		},
	}, &answer)
	if err != nil {
		return "", err
	}
	session.token = answer.Token
	return session.token, nil
}
