//go:build linux

package docker

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // Synapse asks for it
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"meshsim/node"
)

// makeAccount makes the account that every server has, in the way of the preset. One that is there already is left as it
// is.
func (n *running) makeAccount(ctx context.Context) error {
	switch n.driver.cfg.Preset.Account {
	case SharedSecret:
		return n.makeAccountBySecret(ctx)
	case Register:
		return n.register(ctx)
	case CommandAccount:
		return n.makeAccountByCommand(ctx)
	default:
		return nil
	}
}

// makeAccountBySecret proves that it knows the shared secret of the configuration.
func (n *running) makeAccountBySecret(ctx context.Context) error {
	const path = "/_synapse/admin/v1/register"
	var challenge struct {
		Nonce string `json:"nonce"`
	}
	if err := n.ask(ctx, http.MethodGet, path, nil, &challenge); err != nil {
		return err
	}
	err := n.ask(ctx, http.MethodPost, path, map[string]any{
		"nonce":    challenge.Nonce,
		"username": node.AccountUser,
		"password": node.AccountPassword,
		"admin":    false,
		"mac":      registrationMAC(n.resident.secret, challenge.Nonce),
	}, nil)
	return unlessInUse(err)
}

// unlessInUse forgives that the account is there already.
func unlessInUse(err error) error {
	var refused *answerError
	if errors.As(err, &refused) && refused.code() == "M_USER_IN_USE" {
		return nil
	}
	return err
}

// makeAccountByCommand runs the preset's command in the container.
func (n *running) makeAccountByCommand(ctx context.Context) error {
	p := n.driver.cfg.Preset
	command, err := p.expandList("account_command", p.AccountCommand, n.values)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	err = n.driver.engine.exec(ctx, n.container, n.resident.spec.Name, command, Streams{Out: &said, Err: &said})
	if failed := (*StatusError)(nil); errors.As(err, &failed) {
		return fmt.Errorf("%w, saying %q: see account_command in %s", err, strings.TrimSpace(said.String()), p.source)
	}
	return err
}

// registrationMAC proves that the shared secret is known (Synapse's admin API, "Shared-Secret Registration").
func registrationMAC(secret, nonce string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{nonce, node.AccountUser, node.AccountPassword, "notadmin"}, "\x00")))
	return hex.EncodeToString(mac.Sum(nil))
}

// answerError is an answer that is not the one hoped for.
type answerError struct {
	method, path string
	status       string
	body         []byte
}

func (e *answerError) Error() string {
	return fmt.Sprintf("%s %s answered %s: %s", e.method, e.path, e.status, e.body)
}

// code is the Matrix error code, empty where there is none.
func (e *answerError) code() string {
	var answer struct {
		Code string `json:"errcode"`
	}
	_ = json.Unmarshal(e.body, &answer)
	return answer.Code
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// ask does one request to the client-server API and decodes the answer into to, unless that is nil. An answer other than
// 200 is an *answerError.
func (n *running) ask(ctx context.Context, method, path string, body, to any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d%s", n.driver.cfg.Preset.ClientPort, path)
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := n.inside.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &answerError{method, path, resp.Status, answer}
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(answer, to)
}
