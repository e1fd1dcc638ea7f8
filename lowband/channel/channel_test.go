package channel

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshsim/lowband/airtest"
)

// side is one endpoint and what it has received.
type side struct {
	*Endpoint
	key Key

	mu       sync.Mutex
	got      []string
	sessions []*Session
	lost     int
	reason   error // of the last one that was lost
	reply    func(s *Session, datagram string)
}

func (d *side) handler(s *Session) Handler {
	d.mu.Lock()
	d.sessions = append(d.sessions, s)
	d.mu.Unlock()
	return Handler{
		Receive: func(b []byte) {
			d.mu.Lock()
			d.got = append(d.got, string(b))
			reply := d.reply
			d.mu.Unlock()
			if reply != nil {
				reply(s, string(b))
			}
		},
		Lost: func(reason error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.lost++
			d.reason = reason
		},
	}
}

func (d *side) received() []string {
	time.Sleep(time.Millisecond) // for the datagrams on their way
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	got := d.got
	d.got = nil
	return got
}

func isEarly(b []byte) bool { return len(b) > 0 && b[0] != '!' }

func open(t *testing.T, conn net.PacketConn, key Key, known func(PublicKey) bool) *side {
	t.Helper()
	return openConfig(t, Config{Conn: conn, Key: key, Known: known})
}

// openConfig makes an endpoint of which the test does not say everything.
func openConfig(t *testing.T, cfg Config) *side {
	t.Helper()
	d := &side{key: cfg.Key}
	cfg.Accept, cfg.Early, cfg.Hint = d.handler, isEarly, 7
	d.Endpoint = New(cfg)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run()
	}()
	t.Cleanup(func() {
		d.Close()
		<-done
	})
	return d
}

func newKey(t testing.TB) Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func anybody(PublicKey) bool { return true }

// pair makes two endpoints; the server answers "re: x" to x.
func pair(t *testing.T, air *airtest.Air) (client, server *side, s *Session) {
	t.Helper()
	client = open(t, air.Open("client"), newKey(t), anybody)
	server = open(t, air.Open("server"), newKey(t), anybody)
	server.reply = func(s *Session, d string) { s.Send([]byte("re: " + d)) }
	return client, server, client.dial(t, server)
}

func (d *side) dial(t *testing.T, to *side) *Session {
	t.Helper()
	s, err := d.Dial(to.key.Public(), airtest.Addr("server"), d.handler)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func expect(t *testing.T, d *side, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, d.received()); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
}

// TestFirstDatagramCarriesTheRequest: one datagram there, one back, and then 21 bytes on top of each.
func TestFirstDatagramCarriesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server, s := pair(t, air)
		s.Send([]byte("first"))
		expect(t, server, "first")
		expect(t, client, "re: first")
		if n, _ := air.Used(); n != 2 {
			t.Errorf("took %d datagrams", n)
		}
		if s.Hint() != 7 || server.sessions[0].Hint() != 7 || server.sessions[0].Peer() != client.key.Public() {
			t.Error("the handshake told something else")
		}
		_, before := air.Used()
		s.Send([]byte("second"))
		expect(t, client, "re: second")
		_, after := air.Used()
		if extra := after - before - len("second") - len("re: second"); extra != 2*(airtest.Headers+21) {
			t.Errorf("two datagrams have %d bytes of overhead", extra)
		}
	})
}

// TestWhatMustNotBeReplayedWaits: a first datagram that is not early goes with the third.
func TestWhatMustNotBeReplayedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		var hello []byte
		air.Tap = func(from, _ string, b []byte) {
			if from == "client" && hello == nil {
				hello = bytes.Clone(b)
			}
		}
		client, server, s := pair(t, air)
		s.Send([]byte("!post"))
		s.Send([]byte("!another"))
		expect(t, server, "!post", "!another")
		expect(t, client, "re: !post", "re: !another")
		if len(hello) != helloOverhead {
			t.Errorf("the hello has %d bytes, want %d", len(hello), helloOverhead)
		}
	})
}

func TestReplaysAndForgeriesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		var sent [][]byte
		air.Tap = func(from, _ string, b []byte) {
			if from == "client" {
				sent = append(sent, bytes.Clone(b))
			}
		}
		client, server, s := pair(t, air)
		for i := range 5 {
			s.Send(fmt.Append(nil, i))
			time.Sleep(time.Second)
		}
		server.received()
		client.received()
		attacker := air.Open("attacker")
		for _, b := range sent {
			for _, forged := range [][]byte{b, append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1), b[:len(b)-1], b[:1], nil} {
				if _, err := attacker.WriteTo(forged, airtest.Addr("server")); err != nil {
					t.Fatal(err)
				}
			}
		}
		expect(t, server)
		if n := server.Stats().Refused; n < 10 {
			t.Errorf("%d datagrams were counted as refused", n)
		}
		// A server that has restarted knows no time of the client: the hello is good once more, the rest is not.
		server.Close()
		again := open(t, air.Open("server"), server.key, anybody)
		for _, b := range append(sent, sent...) {
			if _, err := attacker.WriteTo(b, airtest.Addr("server")); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, again, "0")
	})
}

// TestManySessionsGiveWay: peers begin more sessions than are kept; the oldest of each goes first.
func TestManySessionsGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server, _ := pair(t, air)
		for i := range 3 * maxSessions {
			client.dial(t, server).Send(fmt.Append(nil, "session ", i))
			time.Sleep(time.Millisecond)
		}
		if got := len(server.received()); got != 3*maxSessions {
			t.Errorf("the server heard %d sessions", got)
		}
		server.Endpoint.mu.Lock()
		defer server.Endpoint.mu.Unlock()
		if n := len(server.Endpoint.sessions); n != maxSessions || len(server.accepted) != n || len(server.hellos) != n {
			t.Errorf("%d sessions are kept, %d of them listed, %d by their hello", n, len(server.accepted), len(server.hellos))
		}
	})
}

func TestStrangersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client := open(t, air.Open("client"), newKey(t), anybody)
		server := open(t, air.Open("server"), newKey(t), func(PublicKey) bool { return false })
		client.dial(t, server).Send([]byte("x"))
		expect(t, server)
		if n := server.Stats().Sent; n != 0 {
			t.Errorf("a stranger got %d answers", n)
		}
	})
}

// TestLostHandshakesAreRepeated: each datagram that the caller sends again brings the handshake forward.
func TestLostHandshakesAreRepeated(t *testing.T) {
	for _, first := range []string{"early", "!late"} {
		synctest.Test(t, func(t *testing.T) {
			air := &airtest.Air{Loss: 0.5}
			client, _, s := pair(t, air)
			tries := 0
			for got := []string(nil); len(got) == 0; got = client.received() {
				tries++
				s.Send([]byte(first))
				time.Sleep(time.Second)
			}
			if tries < 2 {
				t.Error("nothing was lost, so this test shows nothing")
			}
			air.Set(0)
			s.Send([]byte("last"))
			time.Sleep(time.Second)
			expect(t, client, "re: last")
		})
	}
}

func TestAddressChangesAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server, s := pair(t, air)
		s.Send([]byte("a"))
		expect(t, client, "re: a")
		time.Sleep(48 * time.Hour)
		client.cfg.Conn.Close()
		moved := air.Open("elsewhere")
		client.cfg.Conn = moved
		go func() {
			buf := make([]byte, maxDatagram)
			for {
				n, from, err := moved.ReadFrom(buf)
				if err != nil {
					return
				}
				client.take(buf[:n], from)
			}
		}()
		s.Send([]byte("b"))
		expect(t, client, "re: b")
		if n := server.Stats().Handshakes; n != 1 {
			t.Errorf("%d handshakes", n)
		}
		moved.Close()
	})
}

// TestRestartIsNoticed: the peer that has forgotten the session says so, and a forged word to that effect counts only
// while something is unanswered.
func TestRestartIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server, s := pair(t, air)
		s.Send([]byte("a"))
		expect(t, client, "re: a")
		attacker := air.Open("attacker")
		s.mu.Lock()
		forged := []byte{kindUnknown, byte(s.remote >> 8), byte(s.remote)}
		s.mu.Unlock()
		if _, err := attacker.WriteTo(forged, airtest.Addr("client")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if client.lost != 0 {
			t.Fatal("a forged word ended the session")
		}
		server.Close()
		again := open(t, air.Open("server"), server.key, anybody)
		s.Send([]byte("b"))
		time.Sleep(time.Second)
		synctest.Wait()
		if client.lost != 1 {
			t.Fatalf("lost %d times", client.lost)
		}
		client.dial(t, again).Send([]byte("b"))
		expect(t, again, "b")
	})
}

func TestSilenceEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, _, s := pair(t, air)
		s.Send([]byte("a"))
		expect(t, client, "re: a")
		air.Set(1)
		heard := time.Now()
		time.Sleep(time.Minute)
		for range 100 {
			s.Send([]byte("b"))
		}
		s.Silent(heard.Add(-time.Minute))
		synctest.Wait()
		if client.lost != 0 {
			t.Error("the peer was heard meanwhile, but the session is lost")
		}
		s.Silent(heard.Add(time.Second))
		synctest.Wait()
		if client.lost != 1 {
			t.Errorf("lost %d times", client.lost)
		}
	})
}

// TestRekeying: more datagrams than one key may encrypt, some of them late or lost.
func TestRekeying(t *testing.T) {
	client, server := newHandshakePair(t)
	var out sealing
	var in opening
	out.state, in.state = client, server
	header := []byte("header")
	var late []byte
	const count = 3 << epochBits
	for i := range uint64(count) {
		b := out.seal(nil, header, []byte("x"))
		switch {
		case i%1000 == 3:
			late = b
		case i%1000 == 20:
			if plain, newest := in.open(uint16(i-17), header, late); plain == nil || newest {
				t.Fatalf("datagram %d came late and was not taken", i-17)
			}
			fallthrough
		case i%7 != 0:
			if plain, _ := in.open(uint16(i), header, b); plain == nil {
				t.Fatalf("datagram %d was not taken", i)
			}
			if plain, _ := in.open(uint16(i), header, b); plain != nil {
				t.Fatalf("datagram %d was taken twice", i)
			}
		}
	}
	if in.epoch != 2 {
		t.Errorf("the receiver is in epoch %d", in.epoch)
	}
}

func TestReplayWindow(t *testing.T) {
	var w replayWindow
	for _, c := range []struct {
		n    uint64
		want bool
	}{{0, true}, {0, false}, {5, true}, {3, true}, {3, false}, {2000, true}, {2000 - replayBits, false}, {2001 - replayBits, true}, {5, false}, {90_000, true}, {2000, false}} {
		if got := w.fresh(c.n); got != c.want {
			t.Errorf("%d: fresh is %v", c.n, got)
		} else if got {
			w.note(c.n)
		}
	}
	for _, n := range []uint64{90_001, 60_000, 120_000} {
		if got := w.complete(uint16(n)); got != n {
			t.Errorf("%d was completed to %d", n, got)
		}
	}
}

func FuzzTake(f *testing.F) {
	f.Add([]byte{kindData, 0, 0, 0, 0})
	f.Add(append([]byte{kindHello}, make([]byte, helloOverhead)...))
	f.Add(append([]byte{kindWelcome}, make([]byte, 80)...))
	f.Add([]byte{kindUnknown, 0, 0})
	f.Add([]byte{kindUnreadable, 0, 0})
	f.Add(append([]byte{kindFirst}, make([]byte, firstLen-1)...))
	f.Add(append([]byte{kindSecond}, make([]byte, secondLen-1)...))
	f.Add(append([]byte{kindThird}, make([]byte, thirdOverhead)...))
	key := newKey(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		air := &airtest.Air{}
		e := New(Config{Conn: air.Open("x"), Key: key, Known: anybody, Early: isEarly, Strangers: true,
			Accept: func(*Session) Handler { return Handler{Receive: func([]byte) {}, Lost: func(error) {}} }})
		defer e.Close()
		s, err := e.Dial(key.Public(), airtest.Addr("y"), func(*Session) Handler { return Handler{Receive: func([]byte) { t.Error("took a forgery") }} })
		if err != nil {
			t.Fatal(err)
		}
		trust := func(PublicKey) error { t.Error("was asked to trust a forgery"); return nil }
		m, err := e.Meet(airtest.Addr("y"), trust, func(*Session) Handler { return Handler{Receive: func([]byte) { t.Error("took a forgery") }} })
		if err != nil {
			t.Fatal(err)
		}
		s.Send([]byte("x"))
		m.Send([]byte("x"))
		e.take(b, airtest.Addr("z"))
		if len(b) <= 2 {
			return
		}
		for _, own := range []id{s.own, m.own} {
			b[1], b[2] = byte(own>>8), byte(own)
			e.take(b, airtest.Addr("z"))
		}
	})
}
