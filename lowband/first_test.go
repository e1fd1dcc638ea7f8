package lowband

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
	"meshsim/lowband/channel"
)

// newcomer is the Directory of one who knows where the others are, and learns their keys when it meets them.
type newcomer struct {
	*world
	mu    sync.Mutex
	known map[string]channel.PublicKey
	told  int
}

func (n *newcomer) Peer(name string) (Peer, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return Peer{Addr: airtest.Addr(name), Key: n.known[name]}, true
}

func (n *newcomer) Trust(name string, key channel.PublicKey) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told++
	n.known[name] = key
	return nil
}

// startWith starts a server with a directory of its own and a new key each time.
func (w *world) startWith(name string, d Directory, strangers bool, h http.HandlerFunc) (*Endpoint, channel.Key) {
	w.t.Helper()
	key, err := channel.NewKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.keys[name] = key
	w.mu.Unlock()
	e := New(Config{Name: name, Conn: w.air.Open(name), Key: key, Directory: d, Handler: h, Coder: w.coder, Strangers: strangers})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Serve()
	}()
	w.t.Cleanup(func() {
		e.Close()
		<-done
	})
	return e, key
}

// TestFirstContact: over a link that loses a fifth at 100 bit/s a client meets a server, POSTs to it once, and comes back
// knowing it; and when the server has another key one day, the client says so and sends it nothing.
func TestFirstContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{Rate: 100, Delay: time.Second, Loss: 0.2}
		w := newWorld(t, air)
		n := &newcomer{world: w, known: map[string]channel.PublicKey{}}
		client, _ := w.startWith("client", n, false, nil)
		var mu sync.Mutex
		handled := 0
		count := func(rw http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			handled++
			fmt.Fprintf(rw, `{"n":%d}`, handled)
		}
		server, key := w.startWith("hs0", w, true, count)
		if status, body := do(t, client, "POST", "hs0/_matrix/client/v3/login", `{"type":"m.login.password"}`); status != http.StatusOK || body != `{"n":1}` {
			t.Fatalf("the first request: %d %s", status, body)
		}
		if n.known["hs0"] != key.Public() || n.told != 1 {
			t.Fatalf("was told of %v, %d times", n.known, n.told)
		}
		client.Close()
		client, _ = w.startWith("client", n, false, nil)
		air.Set(0)
		before, _ := air.Used()
		if status, _ := do(t, client, "GET", "hs0/_matrix/client/v3/sync", ""); status != http.StatusOK || n.told != 1 {
			t.Fatalf("the second contact: %d; was told %d times", status, n.told)
		}
		if after, _ := air.Used(); after != before+2 {
			t.Errorf("the second contact took %d datagrams", after-before)
		}
		server.Close()
		client.Close()
		w.startWith("hs0", w, true, count)
		client, _ = w.startWith("client", n, false, nil)
		_, err := client.RoundTrip(request(t, "GET", "hs0/_matrix/client/v3/sync", ""))
		var changed *channel.KeyChangedError
		if !errors.As(err, &changed) || changed.Known != key.Public() || changed.Now != w.keys["hs0"].Public() {
			t.Errorf("with a changed key: %v", err)
		}
		if handled != 2 {
			t.Errorf("%d requests were handled", handled)
		}
	})
}

// TestUnknownKeyNeedsATruster: a Directory that cannot judge a key gets no session.
func TestUnknownKeyNeedsATruster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{})
		client, _ := w.startWith("client", keyless{w}, false, nil)
		_, err := client.RoundTrip(request(t, "GET", "hs0/", ""))
		var unknown *UnknownPeerError
		if !errors.As(err, &unknown) {
			t.Errorf("got %v", err)
		}
	})
}

// keyless knows where everybody is, and nobody's key.
type keyless struct{ *world }

func (keyless) Peer(name string) (Peer, bool) { return Peer{Addr: airtest.Addr(name)}, true }
