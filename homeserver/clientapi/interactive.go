package clientapi

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
)

// The stages of user-interactive authentication that this server has. A flow is one stage, so that nothing
// has to be remembered between two requests and a session id is only an echo.
const (
	dummyStage    = "m.login.dummy"
	passwordStage = "m.login.password"
	tokenStage    = "m.login.registration_token"
)

// authentication is the auth member of a request (client-server API, user-interactive authentication API).
type authentication struct {
	Type       string      `json:"type"`
	Session    string      `json:"session"`
	Identifier *identifier `json:"identifier"`
	User       string      `json:"user"`
	Password   string      `json:"password"`
	Token      string      `json:"token"`
}

// interact returns nil when the request has gone through the stage, and otherwise the 401 that tells the
// client how to. check, where given, judges what the client sent.
func (c *call) interact(auth json.RawMessage, stage string, check func(authentication) error) error {
	var in authentication
	if len(auth) == 0 || string(auth) == "null" {
		return needsStage(stage, rand.Text())
	}
	if err := decodeJSON(auth, &in); err != nil {
		return err
	}
	if in.Session == "" {
		in.Session = rand.Text()
	}
	if in.Type != stage {
		return needsStage(stage, in.Session)
	}
	if check == nil {
		return nil
	}
	if err := check(in); err != nil {
		failure := needsStage(stage, in.Session)
		failure.extra["errcode"], failure.extra["error"] = "M_FORBIDDEN", err.Error()
		return failure
	}
	return nil
}

// needsStage is the answer to a request that has to be authenticated: it has no errcode of its own.
func needsStage(stage, session string) *apiError {
	return &apiError{
		status: http.StatusUnauthorized,
		extra: map[string]any{
			"flows":   []map[string]any{{"stages": []string{stage}}},
			"params":  map[string]any{},
			"session": session,
		},
	}
}

// interactToRegister asks for the registration token, where the server has one, and else for nothing.
func (c *call) interactToRegister(auth json.RawMessage) error {
	if c.server.RegistrationOpen() {
		return c.interact(auth, dummyStage, nil)
	}
	return c.interact(auth, tokenStage, func(in authentication) error {
		if !c.server.ValidRegistrationToken(in.Token) {
			return forbidden("the registration token is not the one of this server: ask whoever runs it")
		}
		return nil
	})
}

// checkOwnPassword wants the password of the user who makes the request.
func (c *call) checkOwnPassword(auth authentication) error {
	name, err := loginName(auth.Identifier, auth.User)
	if err != nil {
		return err
	}
	right := false
	if user, err := c.server.UserID(name); err == nil && user == c.user() {
		if right, err = c.server.CheckPassword(c.r.Context(), user, auth.Password); err != nil {
			return err
		}
	}
	if !right {
		return forbidden("the password is not that of %s", c.user())
	}
	return nil
}
