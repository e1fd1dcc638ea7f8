package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/lowband/airtest"
)

// onAir gives a gateway its end of a medium for the low-bandwidth transport.
func onAir(t *testing.T, g *Gateway, air *airtest.Air, id int, h http.Handler) {
	t.Helper()
	if err := g.AttachLowband(air.Open(fmt.Sprintf("%v:%d", addr(id), LowbandPort)), h); err != nil {
		t.Fatal(err)
	}
}

// A homeserver behind the proxy speaks HTTPS as ever, and its requests take the low-bandwidth transport.
func TestProxiedRequestsTakeTheLowBandwidthTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		air := &airtest.Air{Rate: 1000, Delay: time.Second}
		w.path = &Path{RTT: 2 * time.Second, Rate: 1000}
		transports := NewTransports(AlwaysLowband)
		lowband := func(c *Config) { c.Transports = transports }
		g, end := w.gateway(0, nil, lowband)
		defer end()
		onAir(t, g, air, 0, http.NotFoundHandler())
		ln := w.pipes.listen(local)
		go func() { _ = g.ServeProxy(ln) }() // ends with the gateway
		echo := http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(rw, "%s %s %s", req.Method, req.URL.RequestURI(), body)
		})
		peer, endPeer := w.gateway(1, nil, lowband)
		defer endPeer()
		onAir(t, peer, air, 1, echo)

		b, status, text := w.connect("hs1:8448")
		if status != http.StatusOK {
			t.Fatalf("CONNECT answered %d %s", status, text)
		}
		b.handshake("hs1")
		transaction := `{"edus":[],"origin":"hs0","origin_server_ts":1,"pdus":[]}`
		for _, c := range []struct{ request, want string }{
			{"GET /_matrix/federation/v1/state/%21r%3Ahs0?event_id=%24a&x=1 HTTP/1.1\r\nHost: hs1\r\n\r\n",
				`GET /_matrix/federation/v1/state/%21r%3Ahs0?event_id=%24a&x=1 `},
			{put("/_matrix/federation/v1/send/1", transaction), `PUT /_matrix/federation/v1/send/1 ` + transaction},
		} {
			if status, got := b.ask(c.request); status != http.StatusOK || got != c.want {
				t.Errorf("answer %d\n got %s\nwant %s", status, got, c.want)
			}
		}
		if n := w.pipes.dialled.Load(); n != 1 { // to the proxy
			t.Errorf("%d connections for HTTPS were made", n-1)
		}
		if datagrams, _ := air.Used(); datagrams == 0 {
			t.Error("nothing was sent over the air")
		}

		// A body that is held back is asked for, and one that is too long is refused.
		if _, err := io.WriteString(b.conn, "PUT /x HTTP/1.1\r\nHost: hs1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		word := make([]byte, len(goOn))
		if _, err := io.ReadFull(b.read, word); err != nil || string(word) != goOn {
			t.Fatalf("before the body: %q, %v", word, err)
		}
		if status, got := b.ask("{}"); status != http.StatusOK || got != "PUT /x {}" {
			t.Errorf("answer %d %s", status, got)
		}
		long, _, _ := w.connect("hs1:8448")
		long.handshake("hs1")
		go func() { _, _ = io.WriteString(long.conn, put("/x", strings.Repeat("x", maxObserved+1<<20))) }() // fails where the tunnel ends
		if resp, err := http.ReadResponse(long.read, nil); err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("a request that is too long: %v, %v", resp, err)
		}
		long.conn.Close()

		// A peer that does not answer: the tunnel ends when the gateway gives up, as a connection would break.
		air.Set(1)
		if _, err := io.WriteString(b.conn, put("/_matrix/federation/v1/send/2", transaction)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.read.Peek(1); err == nil {
			t.Error("a request that was lost is answered")
		}
		air.Set(0)

		// A homeserver that gives up ends its request.
		b, _, _ = w.connect("hs1:8448")
		b.handshake("hs1")
		air.Set(1)
		if _, err := io.WriteString(b.conn, put("/_matrix/federation/v1/send/3", transaction)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.conn.Close()
		synctest.Wait()
		time.Sleep(time.Minute)
		before, _ := air.Used()
		time.Sleep(time.Hour)
		if after, _ := air.Used(); after != before {
			t.Errorf("%d datagrams were sent for a request that was given up", after-before)
		}
	})
}
