//go:build linux

package docker

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // Synapse asks for it
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"meshsim/node"
)

// makeAccount makes the account that every server has. One that is there already is left as it is.
func (n *running) makeAccount(ctx context.Context) error {
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
	if err != nil && strings.Contains(err.Error(), "M_USER_IN_USE") {
		return nil
	}
	return err
}

// registrationMAC proves that the shared secret is known (Synapse's admin API, "Shared-Secret Registration").
func registrationMAC(secret, nonce string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{nonce, node.AccountUser, node.AccountPassword, "notadmin"}, "\x00")))
	return hex.EncodeToString(mac.Sum(nil))
}

// ask does one request to the client-server API and decodes the answer into to, unless that is nil.
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
	resp, err := n.inside.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, answer)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(answer, to)
}
