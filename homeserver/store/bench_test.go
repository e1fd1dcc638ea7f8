package store_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
	"meshsim/homeserver/store"
)

// BenchmarkAccept: 16 clients send messages to one server, each the next when the last one was answered. What is
// measured is the client API with everything behind it; with a store an answer waits until the message is kept.
func BenchmarkAccept(b *testing.B) {
	b.Run("store=memory", func(b *testing.B) { accept(b, nil, nil) })
	b.Run("store=sqlite", func(b *testing.B) {
		db, err := store.Open(b.TempDir(), nil)
		if err != nil {
			b.Fatal(err)
		}
		kept, err := db.Server("a")
		if err != nil {
			b.Fatal(err)
		}
		accept(b, kept, kept.Key())
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
}

const senders = 16

func accept(b *testing.B, kept homeserver.Store, key ed25519.PrivateKey) {
	if key == nil {
		key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	}
	s := homeserver.New(homeserver.Config{Name: "a", KeyID: "ed25519:1", Key: key, Store: kept, Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	user, err := s.AddAccount(homeserver.Credential{Localpart: "u", PasswordHash: "x"})
	if err != nil {
		b.Fatal(err)
	}
	_, token, err := s.Login(user, "", "")
	if err != nil {
		b.Fatal(err)
	}
	room, err := s.CreateRoom(b.Context(), homeserver.NewRoom{Creator: user})
	if err != nil {
		b.Fatal(err)
	}
	api := clientapi.Handler(s)
	var sent atomic.Int64
	b.ResetTimer()
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			for n := sent.Add(1); n <= int64(b.N); n = sent.Add(1) {
				if answer := put(api, room, token, n); answer.Code != http.StatusOK {
					b.Error(answer.Body)
					return
				}
			}
		})
	}
	sending.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// put sends a message as a client does.
func put[N int | int64](api http.Handler, room, token string, n N) *httptest.ResponseRecorder {
	body, _ := json.Marshal(map[string]string{"msgtype": "m.text", "body": fmt.Sprintf("message %d, of the usual length of a line in a chat", n)})
	r := httptest.NewRequest(http.MethodPut, fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%d", room, n), strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}
