package lowband

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshsim/lowband/airtest"
	"meshsim/lowband/channel"
	"meshsim/lowband/coap"
	"meshsim/lowband/shorthand"
	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/matrix/event/eventtest"
)

// world is a few servers on one air. It is their Directory.
type world struct {
	t     *testing.T
	air   *airtest.Air
	coder *shorthand.Coder

	mu   sync.Mutex
	keys map[string]channel.Key
}

func newWorld(t *testing.T, air *airtest.Air) *world {
	return &world{t: t, air: air, coder: shorthand.NewCoder(), keys: map[string]channel.Key{}}
}

func (w *world) Peer(name string) (Peer, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.keys[name]
	if !ok {
		return Peer{}, false
	}
	return Peer{Addr: airtest.Addr(name), Key: k.Public()}, true
}

func (w *world) Name(key channel.PublicKey) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, k := range w.keys {
		if k.Public() == key {
			return name, true
		}
	}
	return "", false
}

func (w *world) Path(string) coap.Path { return coap.Path{RTT: 2 * w.air.Delay, Rate: w.air.Rate} }

// start starts a server; the same name has the same key again.
func (w *world) start(name string, h http.HandlerFunc) *Endpoint {
	w.t.Helper()
	w.mu.Lock()
	key, ok := w.keys[name]
	if !ok {
		var err error
		if key, err = channel.NewKey(); err != nil {
			w.t.Fatal(err)
		}
		w.keys[name] = key
	}
	w.mu.Unlock()
	e := New(Config{Name: name, Conn: w.air.Open(name), Key: key, Directory: w, Handler: h, Coder: w.coder, MaxBody: 4 << 20, EarlyPut: true})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Serve()
	}()
	w.t.Cleanup(func() {
		e.Close()
		<-done
	})
	return e
}

func request(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, "https://"+target, in)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func do(t testing.TB, e *Endpoint, method, target, body string) (int, string) {
	t.Helper()
	res, err := e.RoundTrip(request(t, method, target, body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// mirror answers with what it was asked.
func mirror(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	answer, _ := json.Marshal(map[string]string{"method": req.Method, "uri": req.RequestURI, "host": req.Host, "body": string(body), "auth": req.Header.Get("Authorization")})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTeapot)
	_, _ = w.Write(answer)
}

func TestRequestsArriveAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{Delay: 10 * time.Millisecond})
		a := w.start("hs0", mirror)
		b := w.start("hs1", mirror)
		for _, c := range []struct{ method, uri, body string }{
			{"GET", "/_matrix/federation/v1/version", ""},
			{"PUT", "/_matrix/federation/v1/send/1-2", `{"a":[1,2]}`},
			{"POST", "/_matrix/federation/v1/get_missing_events/%21r:hs1", `{"limit":10}`},
			{"DELETE", "/x?" + strings.Repeat("long=query&", 300) + "end=1", ""},
			{"PATCH", "/other", `{"x":1.5}`},
			{"PUT", "/_matrix/federation/v1/send/3", `{"big":"` + strings.Repeat("much ", 5000) + `"}`},
		} {
			for i, e := range []*Endpoint{a, b} {
				peer := fmt.Sprintf("hs%d", 1-i)
				status, answer := do(t, e, c.method, peer+c.uri, c.body)
				want := map[string]string{"method": c.method, "uri": c.uri, "host": peer, "body": c.body, "auth": ""}
				var got map[string]string
				if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusTeapot || !cmp.Equal(want, got) {
					t.Errorf("%s %.50s: got %d %.200s, %v", c.method, c.uri, status, answer, err)
				}
			}
		}
	})
}

// send makes the request that a server sends with one event.
func send(t testing.TB, to string, n int, pdus ...*event.PDU) *http.Request {
	t.Helper()
	var list []json.RawMessage
	for _, p := range pdus {
		list = append(list, p.JSON())
	}
	body, err := json.Marshal(map[string]any{"edus": []any{}, "origin": "hs0", "origin_server_ts": 1700000000000 + n, "pdus": list})
	if err != nil {
		t.Fatal(err)
	}
	req := request(t, "PUT", to+"/_matrix/federation/v1/send/1x2y3z4-"+fmt.Sprint(n), string(body))
	sig := make([]byte, 64)
	for i := range sig {
		sig[i] = byte(i*i*7 + n*31 + i)
	}
	req.Header.Set("Authorization", `X-Matrix origin="hs0",destination="`+to+`",key="ed25519:1",sig="`+matrix.EncodeBase64(sig)+`"`)
	return req
}

// take answers a transaction as a homeserver does, and checks that the events are whole.
func take(t testing.TB, version *matrix.RoomVersion) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		var txn struct{ PDUs []json.RawMessage }
		if err := json.NewDecoder(req.Body).Decode(&txn); err != nil {
			t.Error(err)
		}
		results := map[string]any{}
		for _, raw := range txn.PDUs {
			p, err := event.Parse(raw, version)
			if err != nil {
				t.Error(err)
				continue
			}
			if err := event.VerifySignatures(p, eventtest.Keys); err != nil {
				t.Errorf("the signature of %s: %v", p.ID(), err)
			}
			if !p.CheckContentHash() {
				t.Errorf("the hash of %s does not fit", p.ID())
			}
			results[string(p.ID())] = map[string]any{}
		}
		if !strings.HasPrefix(req.Header.Get("Authorization"), `X-Matrix origin="hs0",destination="hs1"`) {
			t.Errorf("the request is signed %q", req.Header.Get("Authorization"))
		}
		answer, _ := json.Marshal(map[string]any{"pdus": results})
		_, _ = w.Write(answer)
	}
}

// TestOneEventOneRoundTrip: at 100 bit/s and 1 s, an event and its answer are two datagrams of at most 450 bytes with
// all headers; the first one, which comes with the handshake, too is answered in one round trip.
// A request that makes a handler panic ends alone, as with net/http.
func TestPanickingHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{Delay: 10 * time.Millisecond})
		a := w.start("hs0", mirror)
		w.start("hs1", func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/bad" {
				panic("a wrong index")
			}
			mirror(w, req)
		})
		if status, answer := do(t, a, "GET", "hs1/bad", ""); status != http.StatusInternalServerError || !strings.Contains(answer, "M_UNKNOWN") {
			t.Errorf("answered %d %s", status, answer)
		}
		if status, answer := do(t, a, "GET", "hs1/good", ""); status != http.StatusTeapot {
			t.Errorf("the next request was answered %d %s", status, answer)
		}
	})
}

func TestOneEventOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := eventtest.New(t, "12", "@alice:hs0", nil)
		w := newWorld(t, &airtest.Air{Rate: 100, Delay: time.Second})
		a := w.start("hs0", mirror)
		w.start("hs1", take(t, room.Version))
		join := room.Member("@alice:hs0", "@alice:hs0", matrix.Join)
		last := join
		for i := range 5 {
			e := room.Event(matrix.TypeMessage, "@alice:hs0", map[string]any{"msgtype": "m.text", "body": fmt.Sprintf("%d: thirty-five characters of message", i)},
				eventtest.Prev(last), eventtest.Auth(join))
			last = e
			datagrams, bytes := w.air.Used()
			begun := time.Now()
			res, err := a.RoundTrip(send(t, "hs1", i, e))
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("%v, %v", res, err)
			}
			answer, _ := io.ReadAll(res.Body)
			if want := fmt.Sprintf(`{"pdus":{"%s":{}}}`, e.ID()); string(answer) != want {
				t.Errorf("got %s", answer)
			}
			n, size := w.air.Used()
			t.Logf("event %d: %d datagrams, %d bytes, %v", i, n-datagrams, size-bytes, time.Since(begun))
			if n-datagrams != 2 {
				t.Errorf("event %d took %d datagrams", i, n-datagrams)
			}
			if i >= 2 && size-bytes > 450 {
				t.Errorf("event %d took %d bytes", i, size-bytes)
			}
		}
	})
}

// TestLossyLink: 20 % loss at 1 kbit/s; 100 events arrive in order.
func TestLossyLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := eventtest.New(t, "12", "@alice:hs0", nil)
		w := newWorld(t, &airtest.Air{Rate: 1000, Delay: 500 * time.Millisecond, Loss: 0.2})
		a := w.start("hs0", mirror)
		check := take(t, room.Version)
		var got, want []string
		w.start("hs1", func(rw http.ResponseWriter, req *http.Request) {
			if n := len(got); n == 0 || got[n-1] != req.URL.Path {
				got = append(got, req.URL.Path)
			}
			check(rw, req)
		})
		for i := range 100 {
			e := room.Event(matrix.TypeMessage, "@alice:hs0", map[string]any{"msgtype": "m.text", "body": fmt.Sprint(i)})
			req := send(t, "hs1", i, e)
			want = append(want, req.URL.Path)
			if res, err := a.RoundTrip(req); err != nil || res.StatusCode != 200 {
				t.Fatalf("event %d: %v, %v", i, res, err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestRestartOfEitherEnd: requests go through after the other side, and then this one, has lost everything.
func TestRestartOfEitherEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{Rate: 10_000, Delay: 100 * time.Millisecond})
		a := w.start("hs0", mirror)
		b := w.start("hs1", mirror)
		body := `{"user":"@someone:hs0"}`
		for round := range 3 {
			for range 3 {
				if status, _ := do(t, a, "PUT", "hs1/_matrix/federation/v1/send/x.y", body); status != http.StatusTeapot {
					t.Errorf("round %d: status %d", round, status)
				}
				if status, _ := do(t, b, "PUT", "hs0/_matrix/federation/v1/send/x.y", body); status != http.StatusTeapot {
					t.Errorf("round %d, back: status %d", round, status)
				}
			}
			time.Sleep(time.Hour)
			if round == 0 {
				b.Close()
				b = w.start("hs1", mirror)
			} else {
				a.Close()
				a = w.start("hs0", mirror)
			}
		}
	})
}

// TestPartition: nothing goes through for an hour; then everything does.
func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{Rate: 10_000, Delay: 100 * time.Millisecond})
		a := w.start("hs0", mirror)
		w.start("hs1", mirror)
		do(t, a, "GET", "hs1/_matrix/key/v2/server", "")
		w.air.Set(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := a.RoundTrip(request(t, "PUT", "hs1/x", "{}").WithContext(ctx)); err == nil {
			t.Error("a request got through")
		} else {
			t.Log(err)
		}
		w.air.Set(0)
		do(t, a, "PUT", "hs1/x", "{}")
	})
}

func TestUnknownReferencesAreRepeatedInFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{})
		a := w.start("hs0", mirror)
		b := w.start("hs1", mirror)
		body := `{"user":"@someone:hs0"}`
		do(t, a, "PUT", "hs1/x", body)
		b.mu.Lock()
		b.talks["hs0"].table = w.coder.NewTable()
		b.mu.Unlock()
		if _, answer := do(t, a, "PUT", "hs1/x", body); !strings.Contains(answer, "@someone:hs0") {
			t.Errorf("got %s", answer)
		}
	})
}

func TestSlowHandlersDoNotHoldOthersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{Delay: 50 * time.Millisecond})
		a := w.start("hs0", mirror)
		w.start("hs1", func(rw http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/slow" {
				time.Sleep(10 * time.Minute)
			}
			mirror(rw, req)
		})
		do(t, a, "GET", "hs1/warm", "")
		begun := time.Now()
		slow := make(chan time.Duration)
		go func() {
			do(t, a, "GET", "hs1/slow", "")
			slow <- time.Since(begun)
		}()
		time.Sleep(time.Second)
		for range 10 {
			do(t, a, "GET", "hs1/fast", "")
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("ten requests took %v", took)
		}
		if took := <-slow; took > 11*time.Minute {
			t.Errorf("the slow one took %v", took)
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &airtest.Air{})
		a := w.start("hs0", mirror)
		w.start("hs1", func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write(bytes.Repeat([]byte("x"), 5<<20))
		})
		var unknown *UnknownPeerError
		if _, err := a.RoundTrip(request(t, "GET", "hs9/", "")); !errors.As(err, &unknown) || unknown.Name != "hs9" {
			t.Errorf("got %v", err)
		}
		if status, answer := do(t, a, "GET", "hs1/", ""); status != http.StatusBadGateway {
			t.Errorf("got %d %.100s", status, answer)
		}
		var size *shorthand.SizeError
		if _, err := a.RoundTrip(request(t, "PUT", "hs1/", strings.Repeat("x", 5<<20))); !errors.As(err, &size) {
			t.Errorf("got %v", err)
		}
		a.Close()
		if _, err := a.RoundTrip(request(t, "GET", "hs1/", "")); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCodesKeepTheStatus(t *testing.T) {
	known := 0
	for status := 200; status < 600; status++ {
		if coap.CodeStatus(coap.StatusCode(status)) == status {
			known++
		}
	}
	if known < 40 {
		t.Errorf("%d statuses need no bytes of their own", known)
	}
	for _, status := range []int{200, 201, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504} {
		if got := coap.CodeStatus(coap.StatusCode(status)); got != status {
			t.Errorf("%d becomes %d", status, got)
		}
	}
}

// BenchmarkRequests is one client that asks one server over the loopback device, sixteen requests at a time.
func BenchmarkRequests(b *testing.B) {
	d := &loopback{coder: shorthand.NewCoder()}
	client, server := d.start(b, 0), d.start(b, 1)
	defer client.Close()
	defer server.Close()
	body := `{"edus":[],"origin":"hs0","origin_server_ts":1700000000000,"pdus":[]}`
	do(b, client, "PUT", "hs1/warm", body)
	before := kept()
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			res, err := client.RoundTrip(request(b, "PUT", "hs1/_matrix/federation/v1/send/x", body))
			if err != nil || res.StatusCode != 200 {
				b.Error(res, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(kept()-before)/1024, "KB-kept")
}

// kept is how many bytes are in use after a collection.
func kept() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// loopback is two endpoints on real sockets.
type loopback struct {
	coder *shorthand.Coder
	peers [2]Peer
}

func (d *loopback) start(b *testing.B, i int) *Endpoint {
	b.Helper()
	key, err := channel.NewKey()
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	d.peers[i] = Peer{Addr: conn.LocalAddr(), Key: key.Public()}
	e := New(Config{Name: fmt.Sprintf("hs%d", i), Conn: conn, Key: key, Directory: d, Coder: d.coder, EarlyPut: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"pdus":{}}`) })})
	go func() { _ = e.Serve() }()
	return e
}

func (d *loopback) Peer(name string) (Peer, bool) { return d.peers[name[2]-'0'], true }

func (d *loopback) Name(key channel.PublicKey) (string, bool) {
	for i, p := range d.peers {
		if p.Key == key {
			return fmt.Sprintf("hs%d", i), true
		}
	}
	return "", false
}

func (*loopback) Path(string) coap.Path { return coap.Path{} }
