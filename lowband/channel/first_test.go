package channel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
)

// meet begins a session with a server whose key is not known.
func (d *side) meet(t *testing.T, trust func(PublicKey) error) *Session {
	t.Helper()
	s, err := d.Meet(airtest.Addr("server"), trust, d.handler)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// strangers makes two endpoints of which the client does not know the server; that one answers "re: x" to x.
func strangers(t *testing.T, air *airtest.Air) (client, server *side) {
	t.Helper()
	client = open(t, air.Open("client"), newKey(t), anybody)
	return client, openToStrangers(t, air.Open("server"), newKey(t))
}

func openToStrangers(t *testing.T, conn net.PacketConn, key Key) *side {
	t.Helper()
	d := openConfig(t, Config{Conn: conn, Key: key, Known: anybody, Strangers: true})
	d.reply = func(s *Session, text string) { s.Send([]byte("re: " + text)) }
	return d
}

func believe(PublicKey) error { return nil }

// TestFirstContactLearnsTheKey: four datagrams, of which the third carries the request, whatever it is; the next
// session, with the key that was learned, takes two.
func TestFirstContactLearnsTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server := strangers(t, air)
		var told []PublicKey
		s := client.meet(t, func(k PublicKey) error { told = append(told, k); return nil })
		if !s.Met() || s.Peer() != (PublicKey{}) {
			t.Error("the session says that it knows its peer already")
		}
		s.Send([]byte("!post"))
		s.Send([]byte("second"))
		expect(t, server, "!post", "second")
		expect(t, client, "re: !post", "re: second")
		if len(told) != 1 || told[0] != server.key.Public() || s.Peer() != told[0] {
			t.Errorf("was asked to trust %v, and the session has %v", told, s.Peer())
		}
		if got := server.sessions[0]; got.Peer() != client.key.Public() || got.Hint() != 7 || s.Hint() != 7 {
			t.Error("the handshake told something else")
		}
		if n, _ := air.Used(); n != 6 {
			t.Errorf("took %d datagrams", n)
		}
		if ok, _ := s.Established(); !ok {
			t.Error("the session is not established")
		}
		before, _ := air.Used()
		client.dial(t, server).Send([]byte("again"))
		expect(t, client, "re: again")
		if n, _ := air.Used(); n != before+2 {
			t.Errorf("the second contact took %d datagrams", n-before)
		}
	})
}

// TestNothingLeavesBeforeTheKeyIsTrusted: what the client has to say is for nobody else.
func TestNothingLeavesBeforeTheKeyIsTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server := strangers(t, air)
		refusal := errors.New("no")
		client.meet(t, func(PublicKey) error { return refusal }).Send([]byte("secret"))
		expect(t, server)
		if client.lost != 1 || !errors.Is(client.reason, refusal) {
			t.Errorf("lost %d times, because of %v", client.lost, client.reason)
		}
		if n := client.Stats().Sent; n != 1 {
			t.Errorf("the client has sent %d datagrams", n)
		}
	})
}

// TestFirstContactOverLoss: whatever is lost, the caller's repetitions bring the handshake forward, and an answer that
// was lost is given again.
func TestFirstContactOverLoss(t *testing.T) {
	lost := 0
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			air := &airtest.Air{Rate: 100, Delay: time.Second, Loss: 0.4}
			client, server := strangers(t, air)
			for range seed { // other draws of the same generator
				_, _ = client.cfg.Conn.WriteTo(nil, airtest.Addr("nobody"))
			}
			s := client.meet(t, believe)
			tries := 0
			for got := []string(nil); len(got) == 0; got = client.received() {
				tries++
				s.Send([]byte("!post"))
				time.Sleep(time.Minute)
			}
			lost += tries - 1
			air.Set(0)
			server.received()
			s.Send([]byte("last"))
			time.Sleep(time.Minute)
			expect(t, server, "last")
			expect(t, client, "re: last")
			if len(server.sessions) != 1 {
				t.Errorf("the server has %d sessions", len(server.sessions))
			}
		})
	}
	if lost < 20 {
		t.Errorf("%d datagrams were lost, so this test shows little", lost)
	}
}

// TestAChangedKeyIsNoticed: the server has another key than the client knows. It cannot read the hello; the client asks
// for its key, and ends the session with both. A forged word to that effect ends nothing.
func TestAChangedKeyIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client := open(t, air.Open("client"), newKey(t), anybody)
		server := openToStrangers(t, air.Open("server"), newKey(t))
		old := newKey(t).Public()
		s, err := client.Dial(old, airtest.Addr("server"), client.handler)
		if err != nil {
			t.Fatal(err)
		}
		s.Send([]byte("secret"))
		expect(t, server)
		var changed *KeyChangedError
		if !errors.As(client.reason, &changed) || *changed != (KeyChangedError{Known: old, Now: server.key.Public()}) {
			t.Fatalf("lost %d times, because of %v", client.lost, client.reason)
		}
	})
}

func TestForgedDoubtsEndNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{Delay: time.Second}
		client := open(t, air.Open("client"), newKey(t), anybody)
		server := openToStrangers(t, air.Open("server"), newKey(t))
		s := client.dial(t, server)
		s.Send([]byte("a"))
		attacker := air.Open("attacker")
		for range 100 {
			if _, err := attacker.WriteTo([]byte{kindUnreadable, byte(s.own >> 8), byte(s.own)}, airtest.Addr("client")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		expect(t, client, "re: a")
		if client.lost != 0 {
			t.Errorf("the session was lost: %v", client.reason)
		}
		if n := client.Stats().Sent; n > 2 {
			t.Errorf("the client has sent %d datagrams", n)
		}
	})
}

// TestReplayedFirstContacts: what was recorded of a first contact is of no use, to a server that has restarted neither.
func TestReplayedFirstContacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		var sent [][]byte
		air.Tap = func(from, _ string, b []byte) {
			if from == "client" {
				sent = append(sent, bytes.Clone(b))
			}
		}
		client, server := strangers(t, air)
		s := client.meet(t, believe)
		for i := range 3 {
			s.Send(fmt.Append(nil, i))
			time.Sleep(time.Second)
		}
		server.received()
		client.received()
		attacker := air.Open("attacker")
		replay := func(times int) {
			for range times {
				for _, b := range sent {
					if _, err := attacker.WriteTo(b, airtest.Addr("server")); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		replay(3)
		expect(t, server)
		server.Close()
		again := openToStrangers(t, air.Open("server"), server.key)
		replay(3)
		expect(t, again)
		if n := again.Stats().Handshakes; n != 0 {
			t.Errorf("%d sessions were begun", n)
		}
	})
}

// TestARepeatedIntroductionIsAnsweredAgain until the client has heard an answer, and not any more then.
func TestARepeatedIntroductionIsAnsweredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		var third []byte
		air.Tap = func(_, _ string, b []byte) {
			if b[0] == kindThird {
				third = bytes.Clone(b)
			}
		}
		client, server := strangers(t, air)
		s := client.meet(t, believe)
		s.Send([]byte("a"))
		expect(t, server, "a")
		again := func() {
			if _, err := client.cfg.Conn.WriteTo(third, airtest.Addr("server")); err != nil {
				t.Fatal(err)
			}
		}
		again()
		expect(t, server, "a")
		s.Send([]byte("b"))
		expect(t, server, "b")
		again()
		expect(t, server)
	})
}

// TestStrangersCostLittle: a flood of first messages begins no session and is answered with no more bytes than came;
// a real client comes through it.
func TestStrangersCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server := strangers(t, air)
		attacker := open(t, air.Open("attacker"), newKey(t), anybody)
		const flood = 500
		for range flood {
			attacker.meet(t, func(PublicKey) error { return errors.New("says nothing more") }).Send([]byte("x"))
		}
		attacker.received()
		server.mu.Lock()
		if n := len(server.sessions); n != 0 {
			t.Errorf("%d sessions were begun", n)
		}
		server.mu.Unlock()
		server.Endpoint.mu.Lock()
		if n := server.visitors.len(); n != flood {
			t.Errorf("%d visitors are kept", n)
		}
		server.Endpoint.mu.Unlock()
		if st := server.Stats(); st.SentBytes > st.ReceivedBytes {
			t.Errorf("%d bytes are answered with %d", st.ReceivedBytes, st.SentBytes)
		}
		client.meet(t, believe).Send([]byte("a"))
		expect(t, server, "a")
		expect(t, client, "re: a")
	})
}

// TestVisitorsAreBounded: the oldest gives way.
func TestVisitorsAreBounded(t *testing.T) {
	vs := newVisitors()
	all := make([]*visitor, maxVisitors+10)
	for i := range all {
		all[i] = &visitor{own: id(i), begunBy: ephemeral{byte(i), byte(i >> 8)}}
		vs.add(all[i])
	}
	if vs.len() != maxVisitors || len(vs.byID) != maxVisitors || len(vs.begunBy) != maxVisitors {
		t.Errorf("%d are kept, %d by id, %d by key", vs.len(), len(vs.byID), len(vs.begunBy))
	}
	for i, v := range all {
		kept := i >= 10
		if found := vs.find(v.own) == v; found != kept {
			t.Errorf("visitor %d is found: %v", i, found)
		}
		if found := vs.findBegun(v.begunBy) == v; found != kept {
			t.Errorf("visitor %d is found by its key: %v", i, found)
		}
	}
	for _, v := range all {
		vs.remove(v)
	}
	if vs.len()+len(vs.byID)+len(vs.begunBy) != 0 {
		t.Errorf("%d are left", vs.len())
	}
}

// TestStrangersDoNotPushOthersOut: whoever takes long to answer is not forgotten meanwhile for a thousand that never do.
func TestStrangersDoNotPushOthersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client, server := strangers(t, air)
		attacker := open(t, air.Open("attacker"), newKey(t), anybody)
		client.meet(t, func(key PublicKey) error {
			for range 1000 {
				attacker.meet(t, func(PublicKey) error { return errors.New("says nothing more") }).Send([]byte("x"))
			}
			time.Sleep(time.Second)
			return believe(key)
		}).Send([]byte("a"))
		time.Sleep(2 * time.Second)
		expect(t, server, "a")
		if n := server.Stats().Refused; n != 0 {
			t.Errorf("%d datagrams were refused", n)
		}
	})
}

// TestWhoWantsNoStrangers answers nothing: no key, and no word about a hello that it cannot read.
func TestWhoWantsNoStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client := open(t, air.Open("client"), newKey(t), anybody)
		server := open(t, air.Open("server"), newKey(t), anybody)
		client.meet(t, believe).Send([]byte("a"))
		s, err := client.Dial(client.key.Public(), airtest.Addr("server"), client.handler)
		if err != nil {
			t.Fatal(err)
		}
		s.Send([]byte("a"))
		expect(t, server)
		if st := server.Stats(); st.Sent != 0 || st.Refused != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// TestAForgedPointEndsNothing: an answer with a point of low order, which no key agreement survives, comes before the
// real one.
func TestAForgedPointEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{Delay: time.Second}
		client, _ := strangers(t, air)
		attacker := air.Open("attacker")
		server := openToStrangers(t, air.Open("server"), newKey(t))
		for want, s := range map[string]*Session{"met": client.meet(t, believe), "known": client.dial(t, server)} {
			s.Send([]byte(want))
			for kind, size := range map[byte]int{kindSecond: secondLen, kindWelcome: secondLen} {
				forged := make([]byte, size)
				forged[0], forged[1], forged[2] = kind, byte(s.own>>8), byte(s.own)
				if _, err := attacker.WriteTo(forged, airtest.Addr("client")); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Second)
			expect(t, client, "re: "+want)
		}
	})
}

// TestAWorthlessFirstMessageIsRefused: a point of low order, with which no answer can be made, gets no place and no word,
// however often it comes.
func TestAWorthlessFirstMessageIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		_, server := strangers(t, air)
		attacker := air.Open("attacker")
		for range 2 {
			if _, err := attacker.WriteTo(append([]byte{kindFirst}, make([]byte, firstLen-1)...), airtest.Addr("server")); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, server)
		server.Endpoint.mu.Lock()
		if n := server.visitors.len(); n != 0 {
			t.Errorf("%d visitors are kept", n)
		}
		server.Endpoint.mu.Unlock()
		if st := server.Stats(); st.Sent != 0 || st.Refused != 2 {
			t.Errorf("%+v", st)
		}
	})
}
