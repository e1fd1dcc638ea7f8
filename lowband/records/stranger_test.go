package records

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
)

// hellos are the two that a client begins a handshake with: without a cookie, and with the one that it was sent.
func hellos(t *testing.T) (first, second []byte) {
	t.Helper()
	air := &airtest.Air{}
	var mu sync.Mutex
	var sent [][]byte
	air.Tap = func(from, _ string, datagram []byte) {
		mu.Lock()
		defer mu.Unlock()
		if from == "client" {
			sent = append(sent, bytes.Clone(datagram))
		}
	}
	start(t, Config{Conn: air.Open("server"), PSKs: psk, Accept: answering})
	ask(t, start(t, Config{Conn: air.Open("client"), PSKs: psk}), "hello")
	mu.Lock()
	defer mu.Unlock()
	return sent[0], sent[1]
}

// TestSpoofedHellosPushNobodyOut: while somebody sends two thousand hellos a second from addresses that are not his, a handshake
// that is under way is completed, though he says hello from its address, too, and newcomers are let in.
func TestSpoofedHellosPushNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := hellos(t)
		air := &airtest.Air{Delay: 500 * time.Millisecond}
		server := start(t, Config{Conn: air.Open("server"), PSKs: psk, Accept: answering, Flight: 5 * time.Second})
		newcomer := func(name string) *Endpoint {
			return start(t, Config{Conn: air.Open(name), PSKs: psk, Flight: 5 * time.Second})
		}
		const clients = 5
		var served sync.WaitGroup
		admit := func(i int) {
			client := newcomer(fmt.Sprintf("client-%d", i))
			served.Go(func() {
				if got := ask(t, client, "hello"); got != "re: hello" {
					t.Errorf("client %d got %q", i, got)
				}
			})
		}
		liar := air.Open("liar")
		admit(0)
		time.Sleep(1200 * time.Millisecond) // its handshake is half done: the cookie is on its way back
		server.take(bytes.Clone(first), airtest.Addr("client-0"))
		server.take(bytes.Clone(second), airtest.Addr("client-0"))
		most := 0
		for i := range 10_000 {
			if i%2000 == 0 && i/2000+1 < clients {
				admit(i/2000 + 1)
			}
			liar.Move(fmt.Sprintf("liar-%d", i))
			for _, datagram := range [][]byte{first, second} { // the second one has a cookie that nobody here has given
				if _, err := liar.WriteTo(datagram, airtest.Addr("server")); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
			server.mu.Lock()
			most = max(most, len(server.byAddr), len(server.byCID), len(server.strangers)+len(server.pending)+len(server.welcome))
			server.mu.Unlock()
		}
		served.Wait()
		if limit := maxStrangers + 3*clients; most > limit {
			t.Errorf("up to %d handshakes, addresses or connection ids at once, want at most %d", most, limit)
		}
		if s := server.Stats(); s.Handshakes < clients {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour) // the liar's handshakes are given up
	})
}

// TestCookiesBelongToAnAddress and a time.
func TestCookiesBelongToAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, _ := hellos(t)
		e := start(t, Config{Conn: (&airtest.Air{}).Open("server"), PSKs: psk, Accept: answering})
		asked, ok := readHello(first)
		if !ok {
			t.Fatal("the hello was not read")
		}
		answer, returned := e.question(airtest.Addr("a"), asked, time.Now())
		if returned || len(answer) >= len(first) {
			t.Errorf("%d bytes are answered with %d", len(first), len(answer))
		}
		good := asked
		good.cookie = cookieIn(answer)
		for name, c := range map[string]struct {
			from  string
			hello hello
			after time.Duration
			want  bool
		}{
			"at-once":        {"a", good, 0, true},
			"soon":           {"a", good, cookieFor, true},
			"late":           {"a", good, 3 * cookieFor, false},
			"elsewhere":      {"b", good, 0, false},
			"without-cookie": {"a", asked, 0, false},
		} {
			if _, returned := e.question(airtest.Addr(c.from), c.hello, time.Now().Add(c.after)); returned != c.want {
				t.Errorf("%s: believed is %t", name, returned)
			}
		}
	})
}

func FuzzHellos(f *testing.F) {
	f.Add(make([]byte, 80))
	f.Add(append([]byte{recordHandshake}, bytes.Repeat([]byte{0}, 40)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= recordHeader {
			return
		}
		if h, ok := readHello(b); ok && (len(h.random) != randomLen || len(h.record) != 6 || len(h.message) != 2) {
			t.Errorf("%+v", h)
		}
		if c := cookieIn(b); len(c) > len(b) {
			t.Error("a cookie is longer than what it is in")
		}
		refusal(b)
	})
}

// TestTheMostSilentSessionGivesWay, not the oldest.
func TestTheMostSilentSessionGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, Config{Conn: (&airtest.Air{}).Open("server"), Insecure: true, Accept: answering})
		var lost []string
		var mu sync.Mutex
		begin := func(name string) *Session {
			s := &Session{endpoint: e, flow: newFlow(e, airtest.Addr(name)), peer: name}
			err := e.begin(s, func(*Session) Handler {
				return Handler{Lost: func() {
					mu.Lock()
					defer mu.Unlock()
					lost = append(lost, name)
				}}
			})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			return s
		}
		oldest := begin("oldest")
		for i := range maxSessions - 1 {
			begin(fmt.Sprint(i))
		}
		oldest.heard.Store(time.Now().UnixNano())
		begin("one more")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(lost) != 1 || lost[0] != "0" {
			t.Errorf("lost %v", lost)
		}
	})
}
