package clientapi_test

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"meshsim/homeserver"
	"meshsim/homeserver/clientapi"
)

// BenchmarkIdleServer reports what the user side and the client API of an idle server with one account take.
func BenchmarkIdleServer(b *testing.B) {
	const servers = 1000
	hash, err := passwords().Hash(b.Context(), "secret")
	if err != nil {
		b.Fatal(err)
	}
	commons, key := homeserver.NewCommons(), ed25519.NewKeyFromSeed(make([]byte, 32))
	clientapi.Handler(nil) // the table, which all share
	for b.Loop() {
		bare, api := make([]*homeserver.Server, servers), make([]http.Handler, servers)
		before := heap()
		for i := range bare {
			bare[i] = homeserver.New(homeserver.Config{
				Name: fmt.Sprint("hs", i), KeyID: "ed25519:1", Key: key, Commons: commons, Passwords: passwords(),
			})
		}
		made := heap()
		for i, server := range bare {
			api[i] = clientapi.Handler(server)
			if _, err := server.AddAccount(homeserver.Credential{Localpart: "matthew", PasswordHash: hash}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(made-before)/servers, "server-B")
		b.ReportMetric(float64(heap()-made)/servers, "account-B")
		runtime.KeepAlive(bare)
		runtime.KeepAlive(api)
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkSync measures syncs of a user with 100 rooms, one of which has a thousand members.
func BenchmarkSync(b *testing.B) {
	server, api := newServer(b, "hs0")
	alice := newClient(b, server, api, "alice")
	room := alice.createRoom(object{"preset": "public_chat"})
	for i := range 1000 {
		user, err := server.AddAccount(homeserver.Credential{Localpart: fmt.Sprint("guest", i)})
		if err != nil {
			b.Fatal(err)
		}
		if err := server.Join(b.Context(), user, room, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	for range 99 {
		alice.createRoom(object{})
	}
	b.Run("initial", func(b *testing.B) {
		for b.Loop() {
			alice.sync("")
		}
	})
	since := alice.sync("")["next_batch"].(string)
	b.Run("nothing-new", func(b *testing.B) {
		for b.Loop() {
			alice.sync("since=" + since)
		}
	})
	b.Run("one-message", func(b *testing.B) {
		for b.Loop() {
			alice.say(room, "x")
			since = alice.sync("since=" + since)["next_batch"].(string)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	server, api := newServer(b, "hs0")
	alice := newClient(b, server, api, "alice")
	room := alice.createRoom(object{})
	for b.Loop() {
		alice.say(room, "x")
	}
}
