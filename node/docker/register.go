//go:build linux

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"meshsim/node"
)

// The stages of registration that need nobody (client-server API, "User-Interactive Authentication API").
const (
	stageDummy = "m.login.dummy"
	stageToken = "m.login.registration_token"
)

// challenge is what a server still wants of whoever registers.
type challenge struct {
	Session   string   `json:"session"`
	Completed []string `json:"completed"`
	Flows     []struct {
		Stages []string `json:"stages"`
	} `json:"flows"`
}

// next is the stage to do now in a flow that needs nobody.
func (c *challenge) next() (stage string, err error) {
	for _, f := range c.Flows {
		if slices.ContainsFunc(f.Stages, func(s string) bool { return s != stageDummy && s != stageToken }) {
			continue
		}
		for _, s := range f.Stages {
			if !slices.Contains(c.Completed, s) {
				return s, nil
			}
		}
	}
	return "", fmt.Errorf("it offers no registration without a human: configure it to offer %s, or %s with the preset's secret", stageDummy, stageToken)
}

// register makes the account as any client would. The server's configuration has the secret as registration token, or
// asks for nothing.
func (n *running) register(ctx context.Context) error {
	const path, mostStages = "/_matrix/client/v3/register", 5
	body := map[string]any{"username": node.AccountUser, "password": node.AccountPassword, "inhibit_login": true}
	for range mostStages {
		err := n.ask(ctx, http.MethodPost, path, body, nil)
		refused := (*answerError)(nil)
		if !errors.As(err, &refused) || refused.code() != "" && refused.code() != "M_FORBIDDEN" {
			return unlessInUse(err)
		}
		var c challenge
		if json.Unmarshal(refused.body, &c) != nil || len(c.Flows) == 0 {
			return err
		}
		stage, err := c.next()
		if err != nil {
			return err
		}
		auth := map[string]any{"type": stage, "session": c.Session}
		if stage == stageToken {
			auth["token"] = n.resident.secret
		}
		body["auth"] = auth
	}
	return fmt.Errorf("it wants more than %d stages of registration", mostStages)
}
