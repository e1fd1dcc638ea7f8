//go:build linux

// Command standin stands in for homeservers whose images cannot be had where the tests run: Dendrite and Tuwunel. Put where
// their programs are, it reads the configuration that their presets generate, insists on what their documentation says of it,
// serves as much of a homeserver as a driver asks for, and asks other servers as they would. It federates nothing.
package main

import (
	"crypto/hmac"
	"crypto/sha1" // as Synapse's shared-secret registration, which Dendrite has too, asks for it
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// run configures itself as the program that it stands for, and serves.
func run() error {
	configure := tuwunel
	if filepath.Base(os.Args[0]) == "dendrite" {
		configure = dendrite
	}
	s, err := configure()
	if err != nil {
		return err
	}
	if err := s.trust(); err != nil {
		return err
	}
	return s.serve()
}

// server is what is left of a homeserver.
type server struct {
	name    string
	secret  string // of registration
	token   bool   // it is asked for as a registration token
	data    string // a directory that must be writable
	listen  []string
	secured string // address where TLS is ended; empty for none
	cert    string // files for that
	key     string
	proxy   func(*http.Request) (*url.URL, error)

	others *http.Client

	mu    sync.Mutex        // guards what follows
	users map[string]string // passwords
}

// trust makes what asks other servers: through the proxy, trusting the authorities that the environment names.
func (s *server) trust() error {
	file := os.Getenv("SSL_CERT_FILE")
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("SSL_CERT_FILE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("SSL_CERT_FILE: %s holds no certificate", file)
	}
	s.others = &http.Client{Transport: &http.Transport{Proxy: s.proxy, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	s.users = make(map[string]string)
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.data, "written"), nil, 0o600)
}

// serve serves until something fails.
func (s *server) serve() error {
	failed := make(chan error)
	for _, address := range s.listen {
		go func() { failed <- http.ListenAndServe(address, s.handler()) }()
	}
	if s.secured != "" {
		go func() { failed <- http.ListenAndServeTLS(s.secured, s.cert, s.key, s.handler()) }()
	}
	return <-failed
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_matrix/client/versions", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"versions": []string{"v1.1"}})
	})
	mux.HandleFunc("GET /_matrix/federation/v1/version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"server": map[string]string{"name": s.name}})
	})
	mux.HandleFunc("POST /_matrix/client/v3/login", s.login)
	mux.HandleFunc("GET /ask/{server}", s.ask)
	if s.token {
		mux.HandleFunc("POST /_matrix/client/v3/register", s.registerWithToken)
		return mux
	}
	mux.HandleFunc("GET /_synapse/admin/v1/register", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"nonce": nonce})
	})
	mux.HandleFunc("POST /_synapse/admin/v1/register", s.registerWithSecret)
	return mux
}

const nonce = "once"

// ask asks another server, as a homeserver would, which one it is.
func (s *server) ask(w http.ResponseWriter, r *http.Request) {
	resp, err := s.others.Get("https://" + r.PathValue("server") + ":8448/_matrix/federation/v1/version")
	if err != nil {
		refuse(w, http.StatusBadGateway, err)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// registerWithSecret is Synapse's "Shared-Secret Registration".
func (s *server) registerWithSecret(w http.ResponseWriter, r *http.Request) {
	var in struct{ Nonce, Username, Password, MAC string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	mac := hmac.New(sha1.New, []byte(s.secret))
	mac.Write([]byte(strings.Join([]string{nonce, in.Username, in.Password, "notadmin"}, "\x00")))
	if in.Nonce != nonce || in.MAC != hex.EncodeToString(mac.Sum(nil)) {
		refuse(w, http.StatusForbidden, errors.New("the secret is another"))
		return
	}
	s.register(w, in.Username, in.Password)
}

// registerWithToken is the client-server API's registration with the stage m.login.registration_token.
func (s *server) registerWithToken(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Username, Password string
		Auth               struct{ Type, Session, Token string }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	const stage, session = "m.login.registration_token", "session"
	if in.Auth.Type != stage || in.Auth.Session != session || in.Auth.Token != s.secret {
		answer(w, http.StatusUnauthorized, map[string]any{"session": session, "flows": []any{map[string]any{"stages": []string{stage}}}})
		return
	}
	s.register(w, in.Username, in.Password)
}

func (s *server) register(w http.ResponseWriter, user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[user] = password
	answer(w, http.StatusOK, map[string]string{"user_id": "@" + user + ":" + s.name})
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Identifier struct{ User string }
		Password   string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if password, ok := s.users[in.Identifier.User]; !ok || password != in.Password {
		refuse(w, http.StatusForbidden, errors.New("there is no such account"))
		return
	}
	answer(w, http.StatusOK, map[string]string{"access_token": "token", "user_id": "@" + in.Identifier.User + ":" + s.name})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // whoever does not read it is gone
}

func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]string{"errcode": "M_UNKNOWN", "error": err.Error()})
}
