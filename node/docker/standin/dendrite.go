//go:build linux

package main

import (
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// dendriteDatabases are the sections with a database of their own, where there is no common one.
var dendriteDatabases = []string{"federation_api", "room_server", "key_server", "relay_api", "media_api", "mscs", "sync_api"}

// dendrite reads what Dendrite's command line and dendrite.yaml say (dendrite-sample.yaml; documentation, "Configuring").
func dendrite() (*server, error) {
	file := flag.String("config", "dendrite.yaml", "")
	plain := flag.String("http-bind-address", ":8008", "")
	secured := flag.String("https-bind-address", "", "")
	cert, key := flag.String("tls-cert", "", ""), flag.String("tls-key", "", "")
	flag.Parse()
	text, err := os.ReadFile(*file)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", *file, err)
	}
	section := func(name string) map[string]any {
		m, _ := all[name].(map[string]any)
		return m
	}
	name, _ := section("global")["server_name"].(string)
	secret, _ := section("client_api")["registration_shared_secret"].(string)
	if all["version"] != 2 || name == "" || secret == "" {
		return nil, fmt.Errorf("%s lacks version 2, global.server_name or client_api.registration_shared_secret", *file)
	}
	for _, s := range dendriteDatabases {
		if err := openable(s, section(s)["database"]); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(openable("user_api", section("user_api")["account_database"]), signingKey(section("global")["private_key"])); err != nil {
		return nil, err
	}
	return &server{
		name: name, secret: secret, data: fmt.Sprint(section("media_api")["base_path"]), listen: []string{*plain},
		secured: *secured, cert: *cert, key: *key, proxy: http.ProxyFromEnvironment,
	}, nil
}

// openable checks that a section's SQLite database can be made.
func openable(section string, database any) error {
	m, _ := database.(map[string]any)
	path, isFile := strings.CutPrefix(fmt.Sprint(m["connection_string"]), "file://")
	if !isFile || !filepath.IsAbs(path) {
		return fmt.Errorf("%s has the database %v: it must be file:// and a path", section, database)
	}
	return os.WriteFile(path, nil, 0o600)
}

// signingKey checks the file of the key (documentation, "Generating keys").
func signingKey(path any) error {
	text, err := os.ReadFile(fmt.Sprint(path))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "MATRIX PRIVATE KEY" || !strings.HasPrefix(block.Headers["Key-ID"], "ed25519:") || len(block.Bytes) != 32 {
		return fmt.Errorf("%v is no signing key", path)
	}
	return nil
}
