package gateway

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshsim/telemetry"
)

// local is where the homeserver finds its proxy.
var local = netip.MustParseAddr("127.0.0.1")

// behindProxy is a homeserver that uses its gateway as a proxy.
type behindProxy struct {
	w    *world
	conn net.Conn // the tunnel
	read *bufio.Reader
}

// proxied starts the gateway of hs0 as a proxy. The returned function ends it.
func (w *world) proxied(change ...func(*Config)) (stop func()) {
	g, end := w.gateway(0, nil, change...)
	ln := w.pipes.listen(local)
	var serving sync.WaitGroup
	serving.Go(func() { _ = g.ServeProxy(ln) })
	return func() {
		end()
		serving.Wait()
	}
}

// connect sends CONNECT and returns the status and body of the answer.
func (w *world) connect(target string) (*behindProxy, int, string) {
	conn, err := w.pipes.dial(w.t.Context(), netip.AddrPortFrom(local, 3128))
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	b := &behindProxy{w: w, conn: conn, read: bufio.NewReader(conn)}
	resp, err := http.ReadResponse(b.read, &http.Request{Method: http.MethodConnect})
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK {
		return b, resp.StatusCode, ""
	}
	text, _ := io.ReadAll(resp.Body)
	conn.Close()
	return nil, resp.StatusCode, strings.TrimSpace(string(text))
}

// handshake begins TLS inside the tunnel, as a homeserver that trusts the mesh's authority does.
func (b *behindProxy) handshake(name string) {
	config := b.w.ca.clientTLS(nil)
	config.ServerName = name
	conn := tls.Client(b.conn, config)
	if err := conn.HandshakeContext(b.w.t.Context()); err != nil {
		b.w.t.Fatal(err)
	}
	b.conn, b.read = conn, bufio.NewReader(conn)
}

// ask sends a request as it is written here and returns the answer.
func (b *behindProxy) ask(request string) (int, string) {
	if _, err := io.WriteString(b.conn, request); err != nil {
		b.w.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(b.read, &http.Request{Method: method})
	if err != nil {
		b.w.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func put(path, body string) string {
	return fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: hs1\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// What a homeserver signs is what its peer gets: the request's target byte for byte, and no header more.
func TestProxyPassesRequestsUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(rw, "%s %s %s %q %s", req.Method, req.RequestURI, req.Host, req.Header, body)
		})
		defer stopPeer()
		b, status, _ := w.connect("hs1:8448")
		if status != http.StatusOK {
			t.Fatalf("CONNECT answered %d", status)
		}
		b.handshake("hs1")
		for _, c := range []struct{ request, want string }{
			{"GET /_matrix/federation/v1/state/%21r%3Ahs0?event_id=%24a&x=1;2 HTTP/1.1\r\nHost: hs1\r\n\r\n",
				`GET /_matrix/federation/v1/state/%21r%3Ahs0?event_id=%24a&x=1;2 hs1 map[] `},
			{put("/_matrix/federation/v1/send/1", `{"a":1}`),
				`PUT /_matrix/federation/v1/send/1 hs1 map["Content-Length":["7"]] {"a":1}`},
			{"POST /x HTTP/1.1\r\nHost: hs1\r\nUser-Agent: Synapse\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
				`POST /x hs1 map["Content-Length":["3"] "User-Agent":["Synapse"]] abc`},
		} {
			if status, got := b.ask(c.request); status != http.StatusOK || got != c.want {
				t.Errorf("answer %d\n got %s\nwant %s", status, got, c.want)
			}
		}
		if n := w.pipes.dialled.Load(); n != 2 { // one to the proxy
			t.Errorf("%d connections for three requests of one, want 1", n-1)
		}
		b.conn.Close()
	})
}

// What a request carries is passed on while it comes where it is too long to be looked at, with and without its length.
func TestTunnelsPassLongBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, req *http.Request) {
			n, _ := io.Copy(io.Discard, req.Body)
			fmt.Fprintf(rw, "%d of %d", n, req.ContentLength)
		})
		defer stopPeer()
		b, _, _ := w.connect("hs1:8448")
		b.handshake("hs1")
		const length = maxObserved + 12345
		long := strings.Repeat("x", length)
		for _, c := range []struct{ slug, request, want string }{
			{"transaction", put("/_matrix/federation/v1/send/1", long), fmt.Sprintf("%d of %d", length, length)},
			{"other", put("/x", long[:maxShort+1]), fmt.Sprintf("%d of %d", maxShort+1, maxShort+1)},
			{"chunked", fmt.Sprintf("POST /x HTTP/1.1\r\nHost: hs1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", length, long),
				fmt.Sprintf("%d of -1", length)},
			{"short", put("/x", "{}"), "2 of 2"}, // the tunnel goes on
		} {
			if status, got := b.ask(c.request); status != http.StatusOK || got != c.want {
				t.Errorf("%s: answer %d, the peer got %s bytes, want %s", c.slug, status, got, c.want)
			}
		}
		b.conn.Close()
	})
}

// A client that waits for a word before it sends a body gets it, and then its answer; a peer may say beforehand that the
// answer will come.
func TestTunnelsMeetExpectations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, req *http.Request) {
			rw.WriteHeader(http.StatusProcessing)
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(rw, "%s %q", body, req.Header.Get("Expect"))
		})
		defer stopPeer()
		b, _, _ := w.connect("hs1:8448")
		b.handshake("hs1")
		for range 2 {
			// The first answer comes before the word for the second request.
			const first = "GET /x HTTP/1.1\r\nHost: hs1\r\n\r\n"
			const second = "PUT /x HTTP/1.1\r\nHost: hs1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
			if status, got := b.ask(first + second); status != http.StatusOK || got != ` ""` {
				t.Errorf("answer %d %s", status, got)
			}
			word := make([]byte, len(goOn))
			if _, err := io.ReadFull(b.read, word); err != nil || string(word) != goOn {
				t.Fatalf("before the body: %q, %v", word, err)
			}
			if status, got := b.ask("hello"); status != http.StatusOK || got != `hello ""` {
				t.Errorf("answer %d %s", status, got)
			}
		}
		b.conn.Close()
	})
}

// A head without an end ends the tunnel; bodies may be longer.
func TestTunnelsTakeNoEndlessHeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		served := 0
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, req *http.Request) {
			served++
			if req.URL.Path == "/long" {
				_, _ = io.WriteString(rw, strings.Repeat("x", 3*maxHead))
				return
			}
			for i := range 3 {
				rw.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", maxHead/2))
			}
		})
		defer stopPeer()
		tunnel := func() *behindProxy {
			b, _, _ := w.connect("hs1:8448")
			b.handshake("hs1")
			return b
		}
		b := tunnel()
		for range 2 {
			if status, got := b.ask("GET /long HTTP/1.1\r\nHost: hs1\r\n\r\n"); status != http.StatusOK || len(got) != 3*maxHead {
				t.Errorf("a long body: %d, %d bytes", status, len(got))
			}
		}
		b.conn.Close()

		endless := "GET / HTTP/1.1\r\nHost: hs1\r\nX: " + strings.Repeat("x", 2*maxHead) + "\r\n\r\n"
		for name, request := range map[string]string{"an answer": "GET / HTTP/1.1\r\nHost: hs1\r\n\r\n", "a request": endless} {
			b, before := tunnel(), served
			go func() { _, _ = io.WriteString(b.conn, request) }() // fails where it is not read to its end
			if _, err := b.read.Peek(1); err == nil {
				t.Errorf("%s with an endless head was passed on", name)
			}
			if request == endless && served != before {
				t.Error("the peer got a request with an endless head")
			}
			b.conn.Close()
		}
	})
}

func TestProxyRefuses(t *testing.T) {
	cases := []struct {
		slug   string
		target string
		path   *Path
		status int
		text   string
	}{
		{"other-port", "hs1:80", &Path{}, 403, `servers of this mesh are reached at port 8448, and "hs1:80" is not`},
		{"no-website", "matrix.org:443", &Path{}, 502, `no server of this mesh is named "matrix.org"`},
		{"no-port", "hs1", &Path{}, 403, `servers of this mesh are reached at port 8448, and "hs1" is not`},
		{"unknown-name", "matrix.org:8448", &Path{}, 502, `no server of this mesh is named "matrix.org"`},
		{"no-path", "hs1:8448", nil, 502, "there is no path to hs1: no chain of working links leads there"},
		{"nobody-listens", "hs2:8448", &Path{}, 502, "connect to hs2: dial tcp: connection refused"},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.path = c.path
				stop := w.proxied()
				defer stop()
				if _, status, text := w.connect(c.target); status != c.status || text != c.text {
					t.Errorf("answer %d %q, want %d %q", status, text, c.status, c.text)
				}
			})
		})
	}
}

// Synapse's proxy client (Twisted, HTTP/1.0) raises an unhandled error at any status but 200: it is told by the end of the
// connection.
func TestProxyHangsUpOnOldClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		for _, target := range []string{"matrix.org:8448", "hs1:80", "hs2:8448"} {
			conn, err := w.pipes.dial(t.Context(), netip.AddrPortFrom(local, 3128))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "CONNECT %s HTTP/1.0\r\n\r\n", target)
			if answer, _ := io.ReadAll(conn); len(answer) > 0 {
				t.Errorf("CONNECT %s answered %q, want the end of the connection", target, answer)
			}
			conn.Close()
		}
	})
}

// A look for a .well-known is answered 404 under the server's name, also where no path leads there, and nothing crosses the
// mesh. A homeserver that asks nothing is not waited for.
func TestWellKnownIsAnsweredAtHome(t *testing.T) {
	for _, passThrough := range []bool{false, true} {
		t.Run(fmt.Sprint("pass-through-", passThrough), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.path = nil
				stop := w.proxied(func(cfg *Config) { cfg.PassThrough = passThrough })
				defer stop()
				silent, _, _ := w.connect("hs1:443")
				b, status, text := w.connect("hs1:443")
				if status != http.StatusOK {
					t.Fatalf("CONNECT answered %d %s", status, text)
				}
				b.handshake("hs1")
				if status, _ := b.ask("GET /.well-known/matrix/server HTTP/1.1\r\nHost: hs1\r\n\r\n"); status != http.StatusNotFound {
					t.Errorf("answer %d, want 404", status)
				}
				if _, err := b.read.ReadByte(); err != io.EOF {
					t.Errorf("then %v, want the end", err)
				}
				start := time.Now()
				if _, err := silent.read.ReadByte(); err == nil || time.Since(start) != localTimeout {
					t.Errorf("a connection without a request ended after %v with %v, want %v", time.Since(start), err, localTimeout)
				}
				if n := w.pipes.dialled.Load(); n != 2 || len(w.notes.all) != 0 { // both to the proxy
					t.Errorf("%d connections across the mesh; told %v", n-2, w.notes.all)
				}
				b.conn.Close()
				silent.conn.Close()
			})
		})
	}
}

// A peer that accepts no connection is given up when its path could have carried the handshake several times over.
func TestProxyTimesOutByThePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		w.pipes.listen(addr(1)) // never accepts
		start := time.Now()
		_, status, text := w.connect("hs1:8448")
		if status != http.StatusGatewayTimeout || !strings.Contains(text, "no answer within") {
			t.Errorf("answer %d %q, want 504", status, text)
		}
		if waited := time.Since(start); waited != w.path.setupTimeout() {
			t.Errorf("gave up after %v, want %v", waited, w.path.setupTimeout())
		}
	})
}

func TestProxyIsOnlyAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		conn, err := w.pipes.dial(t.Context(), netip.AddrPortFrom(local, 3128))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		b := &behindProxy{w: w, conn: conn, read: bufio.NewReader(conn)}
		status, _ := b.ask("GET http://hs1/ HTTP/1.1\r\nHost: hs1\r\n\r\n")
		if status != http.StatusMethodNotAllowed {
			t.Errorf("GET answered %d, want 405", status)
		}
	})
}

// An instrumented homeserver tells of itself where its proxy is, and of no other.
func TestProxyTakesLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied(func(cfg *Config) {
			cfg.Log = http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(rw, req.URL.RawQuery) })
		})
		defer stop()
		conn, err := w.pipes.dial(t.Context(), netip.AddrPortFrom(local, 3128))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		b := &behindProxy{w: w, conn: conn, read: bufio.NewReader(conn)}
		const query = "server=synapse0&msg=ReceivedPDU&event_id=$a&origin=synapse1"
		for _, c := range []struct {
			request string
			status  int
			text    string
		}{
			{"GET /log?" + query, http.StatusOK, query},
			{"GET /log?server=synapse1&msg=ReceivedPDU", http.StatusForbidden, `server is "synapse1": here synapse0 tells of itself alone` + "\n"},
			{"GET http://hs1/log?" + query, http.StatusMethodNotAllowed, "this proxy of the mesh only answers CONNECT\n"},
		} {
			if status, text := b.ask(c.request + " HTTP/1.1\r\nHost: x\r\n\r\n"); status != c.status || text != c.text {
				t.Errorf("%s answered %d %q, want %d %q", c.request, status, text, c.status, c.text)
			}
		}
	})
}

func TestProxyReportsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rooms.Learn("!r:hs0", "11", "")
		stop := w.proxied()
		defer stop()
		answers := make(chan int, 3)
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, _ *http.Request) {
			status := <-answers
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			rw.WriteHeader(status)
		})
		defer stopPeer()
		raw := pdu("hello")
		body, _ := json.Marshal(transaction{Origin: "hs0", PDUs: []json.RawMessage{raw}})
		request := put("/_matrix/federation/v1/send/t1", string(body))
		b, _, _ := w.connect("hs1:8448")
		b.handshake("hs1")
		answers <- 503
		b.ask(request)
		answers <- 200
		b.ask(request)
		answers <- 0
		_, _ = io.WriteString(b.conn, request)
		if _, err := b.read.ReadByte(); err == nil {
			t.Error("the tunnel is open after the peer closed")
		}
		synctest.Wait()
		carried, _ := carriedIn(w.notes)
		if len(carried) != 3 || carried[0].Wire.Back < carried[1].Wire.Back+500 || carried[2].Wire.There < carried[1].Wire.There || carried[2].Attempt != 3 || carried[2].Wire.Back > 50 {
			t.Errorf("with the handshake, on a warm connection, and without an answer: %+v", carried)
		}
		var got []string
		for _, n := range w.notes.all {
			switch n := n.(type) {
			case telemetry.Sent:
				got = append(got, fmt.Sprintf("sent %d", n.Attempt))
				if n.Event.ID != eventID(t, raw, "11") || n.From != 0 || n.To != 1 || n.Routes != 7 {
					t.Errorf("sent: %+v", n)
				}
			case telemetry.Failed:
				got = append(got, fmt.Sprintf("failed %d: %s", n.Attempt, n.Reason))
			}
		}
		want := "sent 1|failed 1: the peer answered 503 Service Unavailable|sent 2|sent 3|failed 3: request to hs1: EOF"
		if strings.Join(got, "|") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
		}
	})
}

// Both ends of a tunnel close together, and the gateway's end takes them along.
func TestTunnelsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		_, stopPeer := w.gateway(1, func(http.ResponseWriter, *http.Request) {})
		open := func() *behindProxy {
			b, status, text := w.connect("hs1:8448")
			if status != http.StatusOK {
				t.Fatalf("CONNECT answered %d %s", status, text)
			}
			b.handshake("hs1")
			return b
		}
		ended := func(b *behindProxy) {
			t.Helper()
			if _, err := b.read.ReadByte(); err == nil {
				t.Error("the tunnel is open")
			}
			b.conn.Close()
		}
		byHomeserver, byPeer := open(), open()
		byHomeserver.conn.Close()
		stopPeer()
		ended(byPeer)
		_, stopPeer = w.gateway(1, func(http.ResponseWriter, *http.Request) {})
		defer stopPeer()
		byGateway := open()
		start := time.Now()
		go stop()
		ended(byGateway)
		synctest.Wait()
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the gateway took %v to close", waited)
		}
	})
}

// A homeserver asks more than a tunnel takes at once, and the peer closes without an answer: nothing of the tunnel is left.
func TestTunnelsEndWithWhatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.proxied()
		defer stop()
		ln := w.pipes.listen(addr(1))
		defer ln.Close()
		over := make(chan struct{})
		go func() { // the peer
			conn, err := ln.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				<-over
				conn.Close()
			}()
			_, _ = io.Copy(io.Discard, tls.Server(conn, w.ca.serverTLS("hs1")))
		}()
		b, _, _ := w.connect("hs1:8448")
		b.handshake("hs1")
		go func() { _, _ = io.WriteString(b.conn, strings.Repeat(put("/x", "{}"), 2*pipelined)) }() // fails where the tunnel ends
		synctest.Wait()
		close(over)
		if _, err := b.read.ReadByte(); err == nil {
			t.Error("the tunnel is open")
		}
		b.conn.Close()
	})
}

// A tunnel that is passed through carries the homeserver's own TLS: its certificate is the peer's, nothing inside is told
// of, and one connection of the homeserver is one across the mesh.
func TestPassThroughSeesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rooms.Learn("!r:hs0", "11", "")
		stop := w.proxied(func(cfg *Config) { cfg.PassThrough = true })
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(rw, "%d", len(body))
		})
		defer stopPeer()
		b, status, text := w.connect("hs1:8448")
		if status != http.StatusOK {
			t.Fatalf("CONNECT answered %d %s", status, text)
		}
		b.handshake("hs1")
		body, _ := json.Marshal(transaction{Origin: "hs0", PDUs: []json.RawMessage{pdu("hello")}})
		for range 2 {
			if status, got := b.ask(put("/_matrix/federation/v1/send/t1", string(body))); status != http.StatusOK || got != fmt.Sprint(len(body)) {
				t.Errorf("answer %d %s", status, got)
			}
		}
		if n := w.pipes.dialled.Load(); n != 2 { // one to the proxy
			t.Errorf("%d connections for two requests of one, want 1", n-1)
		}
		go stop() // the gateway's end takes the tunnel along
		if _, err := b.read.ReadByte(); err == nil {
			t.Error("the tunnel is open")
		}
		b.conn.Close()
		synctest.Wait()
		if len(w.notes.all) != 0 {
			t.Errorf("told telemetry of %v", w.notes.all)
		}
	})
}

// A connection that does not come about is told to telemetry, in either mode.
func TestFailedConnectIsTold(t *testing.T) {
	for _, passThrough := range []bool{false, true} {
		t.Run(fmt.Sprint("pass-through-", passThrough), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				stop := w.proxied(func(cfg *Config) { cfg.PassThrough = passThrough })
				defer stop()
				w.connect("hs2:8448")
				w.connect("hs2:443")
				w.connect("nobody:8448")
				if len(w.notes.all) != 1 {
					t.Fatalf("told %v, want one failure", w.notes.all)
				}
				n, ok := w.notes.all[0].(telemetry.Failed)
				if !ok || n.From != 0 || n.To != 2 || n.Routes != 7 || n.Reason != "connect to hs2: dial tcp: connection refused" {
					t.Errorf("told %+v", w.notes.all[0])
				}
			})
		})
	}
}
