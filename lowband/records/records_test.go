package records

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
)

var psk = []PSK{{Identity: "a", Key: []byte("0123456789abcdef")}}

func start(t *testing.T, cfg Config) *Endpoint {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Run()
	}()
	t.Cleanup(func() {
		e.Close()
		<-done
	})
	return e
}

// answering takes sessions and sends back what comes.
func answering(s *Session) Handler {
	return Handler{Receive: func(b []byte) { s.Send(append([]byte("re: "), b...)) }}
}

// TestStrangersCostABoundedAmount: what is no record, what belongs to nobody, and handshakes from more addresses than are
// taken at once. Then a client is served as ever.
func TestStrangersCostABoundedAmount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{Delay: 10 * time.Millisecond}
		server := start(t, Config{Conn: air.Open("server"), PSKs: psk, Accept: answering})
		hello := make([]byte, 80)
		hello[0], hello[1], hello[2], hello[recordHeader] = recordHandshake, 0xfe, 0xfd, helloFromClient
		binary.BigEndian.PutUint16(hello[11:], uint16(len(hello)-recordHeader))
		for i := range 4 * maxStrangers {
			stranger := air.Open(fmt.Sprintf("stranger-%d", i))
			for _, datagram := range [][]byte{{1, 2, 3}, make([]byte, 1500), append([]byte{recordCID}, make([]byte, 40)...), hello} {
				if _, err := stranger.WriteTo(datagram, airtest.Addr("server")); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		server.mu.Lock()
		begun, places, ids := len(server.pending)+len(server.strangers), len(server.byAddr), len(server.byCID)
		server.mu.Unlock()
		if begun > maxStrangers || places > 0 || ids > maxStrangers {
			t.Errorf("%d handshakes, %d addresses, %d connection ids", begun, places, ids)
		}
		if s := server.Stats(); s.Refused < 3*4*maxStrangers {
			t.Errorf("%+v", s)
		}
		if got := ask(t, start(t, Config{Conn: air.Open("client"), PSKs: psk}), "hello"); got != "re: hello" {
			t.Errorf("got %q", got)
		}
		time.Sleep(time.Hour) // the strangers' handshakes are given up
		if s := server.Stats(); s.Handshakes != 1 || s.Failed < maxStrangers {
			t.Errorf("%+v", s)
		}
	})
}

// ask makes a session and waits for the answer to one datagram.
func ask(t *testing.T, client *Endpoint, text string) string {
	t.Helper()
	answer := make(chan string, 1)
	s, err := client.Dial(t.Context(), airtest.Addr("server"), func(*Session) Handler {
		return Handler{Receive: func(b []byte) { answer <- string(b) }}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Send([]byte(text))
	return <-answer
}

// TestTheWrongKeyIsRefused, and so is one that nobody has; the reason that is given says which.
func TestTheWrongKeyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		server := start(t, Config{Conn: air.Open("server"), PSKs: psk, Accept: answering})
		for i, c := range []struct {
			wrong    PSK
			to, says string
		}{
			{PSK{Identity: "a", Key: []byte("fedcba9876543210")}, "server", `another pre-shared key for "a"`},
			{PSK{Identity: "b", Key: psk[0].Key}, "server", `no pre-shared key for "b"`},
			{psk[0], "nobody", "nothing answers"},
		} {
			client := start(t, Config{Conn: air.Open(fmt.Sprintf("client-%d", i)), PSKs: []PSK{c.wrong}})
			_, err := client.Dial(t.Context(), airtest.Addr(c.to), answering)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q at %s: %v", c.wrong.Identity, c.to, err)
			}
		}
		if s := server.Stats(); s.Handshakes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestCloseEndsDials: whoever is in a handshake learns of the end at once.
func TestCloseEndsDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client := start(t, Config{Conn: air.Open("client"), PSKs: psk})
		given := make(chan error, 1)
		go func() {
			_, err := client.Dial(t.Context(), airtest.Addr("nobody"), answering)
			given <- err
		}()
		synctest.Wait()
		begun := time.Now()
		client.Close()
		if err := <-given; err == nil || time.Since(begun) != 0 {
			t.Errorf("given up after %v: %v", time.Since(begun), err)
		}
	})
}

func TestDialGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := &airtest.Air{}
		client := start(t, Config{Conn: air.Open("client"), PSKs: psk})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := client.Dial(ctx, airtest.Addr("nobody"), answering); err == nil {
			t.Error("nobody has answered")
		}
		client.Close()
		if _, err := client.Dial(t.Context(), airtest.Addr("nobody"), answering); err == nil {
			t.Error("a closed endpoint dials")
		}
		if _, err := New(Config{Conn: net.PacketConn(nil)}); err == nil {
			t.Error("an endpoint needs no key")
		}
	})
}
