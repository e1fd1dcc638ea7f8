package clientapi

import (
	"encoding/json"
	"net/http"

	"meshsim/homeserver"
)

// session is the answer of login and register.
type session struct {
	User   string `json:"user_id"`
	Token  string `json:"access_token,omitempty"`
	Device string `json:"device_id,omitempty"`
	Server string `json:"home_server,omitempty"` // deprecated, but scripts of old read it

	Refresh   string `json:"refresh_token,omitempty"`
	ExpiresIn int64  `json:"expires_in_ms,omitempty"`
}

func loginFlows(*call) (any, error) {
	return map[string]any{"flows": []map[string]string{{"type": "m.login.password"}}}, nil
}

// identifier says who logs in (client-server API, identifier types).
type identifier struct {
	Type string `json:"type"`
	User string `json:"user"`
}

func login(c *call) (any, error) {
	var in struct {
		Type       string      `json:"type"`
		Identifier *identifier `json:"identifier"`
		User       string      `json:"user"` // deprecated form of identifier
		Password   *string     `json:"password"`
		DeviceID   string      `json:"device_id"`
		DeviceName string      `json:"initial_device_display_name"`
		Refresh    bool        `json:"refresh_token"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Type == "" {
		return nil, missing("the login lacks a type: use m.login.password")
	}
	if in.Type != "m.login.password" {
		return nil, errorf(http.StatusBadRequest, "M_UNKNOWN", "the login type %q is not supported: use m.login.password", in.Type)
	}
	name, err := loginName(in.Identifier, in.User)
	if err != nil {
		return nil, err
	}
	if in.Password == nil {
		return nil, missing("the login lacks a password")
	}
	user, err := c.server.UserID(name)
	right := false
	if err == nil {
		if right, err = c.server.CheckPassword(c.r.Context(), user, *in.Password); err != nil {
			return nil, err
		}
	}
	if !right {
		return nil, forbidden("there is no user %s with this password on %s", name, c.server.Name())
	}
	return c.newSession(user, in.DeviceID, in.DeviceName, in.Refresh)
}

func loginName(id *identifier, user string) (string, error) {
	if id != nil {
		if id.Type != "m.id.user" {
			return "", errorf(http.StatusBadRequest, "M_UNKNOWN", "the identifier type %q is not supported: use m.id.user", id.Type)
		}
		user = id.User
	}
	if user == "" {
		return "", missing("the login does not say who: give identifier.user")
	}
	return user, nil
}

// maxChosen bounds ids and names that clients choose and the server keeps, in bytes.
const maxChosen = 255

func checkChosen(name, value string) error {
	if len(value) > maxChosen {
		return invalid("%s has %d bytes: at most %d are allowed", name, len(value), maxChosen)
	}
	return nil
}

func (c *call) newSession(user, deviceID, deviceName string, refreshable bool) (any, error) {
	if err := checkChosen("device_id", deviceID); err != nil {
		return nil, err
	}
	if err := checkChosen("initial_device_display_name", deviceName); err != nil {
		return nil, err
	}
	device, token, err := c.server.Login(user, deviceID, deviceName)
	if err != nil {
		return nil, err
	}
	made := session{User: user, Token: token, Device: device.ID, Server: c.server.Name()}
	if refreshable {
		made.Refresh, made.ExpiresIn = c.server.MakeRefreshable(device), homeserver.TokenLifetime.Milliseconds()
	}
	return made, nil
}

// refresh exchanges a refresh token for a new access token.
func refresh(c *call) (any, error) {
	var in struct {
		Token string `json:"refresh_token"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Token == "" {
		return nil, missing("the request lacks refresh_token")
	}
	access, next, err := c.server.Refresh(in.Token)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"access_token": access, "refresh_token": next, "expires_in_ms": homeserver.TokenLifetime.Milliseconds(),
	}, nil
}

// maxPassword bounds a password, in bytes.
const maxPassword = 512

func checkNewPassword(name, password string) error {
	if password == "" {
		return missing("the request needs a %s", name)
	}
	if len(password) > maxPassword {
		return invalid("%s has %d bytes: at most %d are allowed", name, len(password), maxPassword)
	}
	return nil
}

func register(c *call) (any, error) {
	switch kind := c.query("kind"); kind {
	case "", "user":
	case "guest":
		return nil, errorf(http.StatusForbidden, "M_GUEST_ACCESS_FORBIDDEN", "there are no guest accounts on this server: register a user")
	default:
		return nil, invalid("kind=%s: must be user", kind)
	}
	var in struct {
		Auth       json.RawMessage `json:"auth"`
		Username   string          `json:"username"`
		Password   string          `json:"password"`
		DeviceID   string          `json:"device_id"`
		DeviceName string          `json:"initial_device_display_name"`
		NoLogin    bool            `json:"inhibit_login"`
		Refresh    bool            `json:"refresh_token"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Username != "" {
		if err := c.server.Available(in.Username); err != nil {
			return nil, err
		}
	}
	if err := c.interactToRegister(in.Auth); err != nil {
		return nil, err
	}
	if err := checkNewPassword("password", in.Password); err != nil {
		return nil, err
	}
	user, err := c.server.Register(c.r.Context(), in.Username, in.Password)
	if err != nil {
		return nil, err
	}
	if in.NoLogin {
		return session{User: user, Server: c.server.Name()}, nil
	}
	return c.newSession(user, in.DeviceID, in.DeviceName, in.Refresh)
}

// registrationTokenValidity answers for clients that check a token before they fill in the form.
func registrationTokenValidity(c *call) (any, error) {
	token := c.query("token")
	if token == "" {
		return nil, missing("the query needs a token")
	}
	return map[string]bool{"valid": c.server.ValidRegistrationToken(token)}, nil
}

func registerAvailable(c *call) (any, error) {
	if err := c.server.Available(c.query("username")); err != nil {
		return nil, err
	}
	return map[string]bool{"available": true}, nil
}

func logout(c *call) (any, error) {
	c.server.Logout(c.user(), c.device.ID)
	return empty{}, nil
}

func logoutAll(c *call) (any, error) {
	c.server.Logout(c.user())
	return empty{}, nil
}

func whoami(c *call) (any, error) {
	return map[string]any{"user_id": c.user(), "device_id": c.device.ID, "is_guest": false}, nil
}

func changePassword(c *call) (any, error) {
	var in struct {
		Auth        json.RawMessage `json:"auth"`
		NewPassword string          `json:"new_password"`
		LogoutOther *bool           `json:"logout_devices"` // default true
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.interact(in.Auth, passwordStage, c.checkOwnPassword); err != nil {
		return nil, err
	}
	if err := checkNewPassword("new_password", in.NewPassword); err != nil {
		return nil, err
	}
	if err := c.server.SetPassword(c.r.Context(), c.user(), in.NewPassword); err != nil {
		return nil, err
	}
	if in.LogoutOther == nil || *in.LogoutOther {
		return empty{}, c.logoutOthers()
	}
	return empty{}, nil
}

// deactivate ends the user's account for good.
func deactivate(c *call) (any, error) {
	var in struct {
		Auth json.RawMessage `json:"auth"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.interact(in.Auth, passwordStage, c.checkOwnPassword); err != nil {
		return nil, err
	}
	if err := c.server.Deactivate(c.r.Context(), c.user()); err != nil {
		return nil, err
	}
	return map[string]string{"id_server_unbind_result": "no-support"}, nil // there is no identity server
}

func (c *call) logoutOthers() error {
	devices, err := c.server.Devices(c.user())
	if err != nil {
		return err
	}
	for _, device := range devices {
		if device.ID != c.device.ID {
			c.server.Logout(c.user(), device.ID)
		}
	}
	return nil
}
