package gateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"meshsim/link"
	"meshsim/matrix"
	"meshsim/matrix/event"
	"meshsim/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a network of in-memory connections.
type pipes struct {
	mu        sync.Mutex
	listeners map[netip.Addr]*pipeListener
	dialled   atomic.Int64
	bytes     atomic.Int64 // written by both sides of every connection
}

type pipeListener struct {
	net     *pipes
	conns   chan net.Conn
	closing sync.Once
	closed  chan struct{}
}

func (p *pipes) listen(addr netip.Addr) net.Listener {
	l := &pipeListener{net: p, conns: make(chan net.Conn), closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners[addr] = l
	return l
}

func (p *pipes) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	p.mu.Lock()
	l := p.listeners[to.Addr()]
	p.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	select {
	case l.conns <- counted{far, p}:
		p.dialled.Add(1)
		return counted{near, p}, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// counted counts what is written.
type counted struct {
	net.Conn
	net *pipes
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.net.bytes.Add(int64(n))
	return n, err
}

// directory knows hs0, hs1 ... and one path for all, absent when nil.
type directory struct{ path *Path }

func (directory) Lookup(name string) (Peer, bool) {
	var id int
	if _, err := fmt.Sscanf(name, "hs%d", &id); err != nil || id > 9 {
		return Peer{}, false
	}
	return Peer{ID: id, Addr: addr(id)}, true
}

func (d directory) Path(int) (Path, bool) {
	if d.path == nil {
		return Path{}, false
	}
	return *d.path, true
}

func addr(id int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(id + 1)}) }

// notes keeps what was published.
type notes struct {
	mu  sync.Mutex
	all []telemetry.Notification
}

func (n *notes) Publish(note telemetry.Notification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, note)
}

// world is a network with gateways.
type world struct {
	t     *testing.T
	pipes *pipes
	ca    *CA
	rooms *Rooms
	notes *notes
	path  *Path
}

func newWorld(t *testing.T) *world {
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, ca: ca, rooms: NewRooms(), notes: &notes{},
		pipes: &pipes{listeners: make(map[netip.Addr]*pipeListener)},
		path:  &Path{Routes: 7, RTT: 200 * time.Millisecond, Rate: 100_000},
	}
}

// gateway starts the gateway of a server. The returned function ends it.
func (w *world) gateway(id int, h http.HandlerFunc, change ...func(*Config)) (*Gateway, func()) {
	cfg := Config{
		ID: id, Name: fmt.Sprintf("hs%d", id), CA: w.ca, Directory: directory{w.path}, Dial: w.pipes.dial,
		Rooms: w.rooms, Publisher: w.notes,
	}
	for _, f := range change {
		f(&cfg)
	}
	g := New(cfg)
	var serving sync.WaitGroup
	if h != nil {
		ln := w.pipes.listen(addr(id))
		serving.Go(func() {
			if err := g.Serve(ln, h); !errors.Is(err, http.ErrServerClosed) {
				w.t.Errorf("Serve: %v", err)
			}
		})
	}
	return g, func() {
		if err := g.Close(); err != nil {
			w.t.Errorf("Close: %v", err)
		}
		serving.Wait()
	}
}

// pdu is a message event of room version 11 in room !r:hs0.
func pdu(text string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"auth_events":[],"content":{"body":%q},"depth":1,"hashes":{},`+
		`"origin_server_ts":1,"prev_events":[],"room_id":"!r:hs0","sender":"@a:hs0","signatures":{},"type":"m.room.message"}`, text))
}

func eventID(t *testing.T, raw json.RawMessage, version string) string {
	t.Helper()
	v, err := matrix.LookupRoomVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	p, err := event.Parse(raw, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(p.ID())
}

func sendTxn(t *testing.T, g *Gateway, to, txn string, pdus ...json.RawMessage) (*http.Response, error) {
	t.Helper()
	body, err := json.Marshal(transaction{Origin: g.cfg.Name, PDUs: pdus})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPut, "https://"+to+"/_matrix/federation/v1/send/"+txn, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", `X-Matrix origin="`+g.cfg.Name+`",key="ed25519:1",sig="x",destination="`+to+`"`)
	resp, err := g.RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp, err
}

func TestTransactionCrossesAndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rooms.Learn("!r:hs0", "11", "")
		var got []byte
		from, stopFrom := w.gateway(0, nil)
		_, stopTo := w.gateway(1, func(rw http.ResponseWriter, req *http.Request) {
			got, _ = io.ReadAll(req.Body)
			if req.Host != "hs1" {
				t.Errorf("Host %q, want hs1", req.Host)
			}
			_, _ = io.WriteString(rw, `{"pdus":{}}`)
		})
		defer stopTo()
		defer stopFrom()

		raw := pdu("hello")
		resp, err := sendTxn(t, from, "hs1", "t1", raw, json.RawMessage(`{"not":"a PDU"}`))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("answer %v, %v", resp, err)
		}
		if !strings.Contains(string(got), string(raw)) {
			t.Errorf("the handler got %s, without %s", got, raw)
		}
		if len(w.notes.all) != 2 {
			t.Fatalf("%d notifications, want that it was sent and what it took: %v", len(w.notes.all), w.notes.all)
		}
		sent := w.notes.all[0].(telemetry.Sent)
		if want := eventID(t, raw, "11"); sent.Event.ID != want {
			t.Errorf("event id %s, want %s", sent.Event.ID, want)
		}
		if sent.From != 0 || sent.To != 1 || sent.Routes != 7 || sent.Txn != "t1" || sent.Attempt != 1 ||
			sent.Event.Bytes != len(raw) || sent.Event.RoomID != "!r:hs0" || sent.Event.Type != "m.room.message" {
			t.Errorf("sent: %+v, event %+v", sent, sent.Event)
		}
	})
}

func TestAttemptsAndFailuresAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		from, stop := w.gateway(0, nil)
		defer stop()
		for range 2 { // nobody listens
			if _, err := sendTxn(t, from, "hs1", "t1", pdu("x")); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("error %v, want connection refused", err)
			}
		}
		var got []string
		for _, n := range w.notes.all {
			switch n := n.(type) {
			case telemetry.Sent:
				got = append(got, fmt.Sprintf("sent %d", n.Attempt))
			case telemetry.Failed:
				got = append(got, fmt.Sprintf("failed %d: %s", n.Attempt, n.Reason))
			}
		}
		want := "sent 1|failed 1: connect to hs1: dial tcp: connection refused|sent 2|failed 2: connect to hs1: dial tcp: connection refused"
		if strings.Join(got, "|") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
		}
	})
}

func TestErrorsSayWhatFailed(t *testing.T) {
	cases := []struct {
		slug  string
		to    string
		path  *Path
		stage Stage
		text  string
	}{
		{"unknown-name", "nobody", &Path{}, StageName, `no server of this mesh is named "nobody"`},
		{"no-path", "hs1", nil, StagePath, "there is no path to hs1: no chain of working links leads there"},
		{"refused", "hs2", &Path{}, StageConnect, "connect to hs2: dial tcp: connection refused"},
	}
	for _, c := range cases {
		t.Run(c.slug, func(t *testing.T) {
			w := newWorld(t)
			w.path = c.path
			g, stop := w.gateway(0, nil)
			defer stop()
			_, err := sendTxn(t, g, c.to, "t", pdu("x"))
			var staged *Error
			if !errors.As(err, &staged) || staged.Stage != c.stage {
				t.Fatalf("error %#v, want stage %s", err, c.stage)
			}
			if err.Error() != c.text {
				t.Errorf("%q, want %q", err, c.text)
			}
		})
	}
}

// A peer that accepts and says nothing is given exactly what the path asks for.
func TestSilentPeerTimesOutByThePath(t *testing.T) {
	// crypto/tls tries for 5 s to tell a peer that does not read that the connection ends.
	const closing = 5 * time.Second
	for _, rate := range []int{0, 1_000_000, 100} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.path.Rate = link.BitRate(rate)
				release := make(chan struct{})
				g, stop := w.gateway(0, nil)
				defer stop()
				_, stopPeer := w.gateway(1, func(http.ResponseWriter, *http.Request) { <-release })
				defer stopPeer()
				defer close(release)
				start := time.Now()
				_, err := sendTxn(t, g, "hs1", "t", pdu("x"))
				var timeout *TimeoutError
				if !errors.As(err, &timeout) {
					t.Fatalf("error %v, want a *TimeoutError", err)
				}
				want := w.path.answerTimeout(timeout.Bytes)
				if passed := time.Since(start); passed < want || passed > want+closing {
					t.Errorf("gave up after %v, want %v", passed, want)
				}
				var net net.Error
				if !errors.As(err, &net) || !net.Timeout() {
					t.Errorf("%v is no net.Error that timed out", err)
				}
			})
		})
	}
}

func TestAnswerThatStallsTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		release := make(chan struct{})
		g, stop := w.gateway(0, nil)
		defer stop()
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, _ *http.Request) {
			for i := range 3 { // slower than the whole would be allowed, but going on
				if i > 0 {
					time.Sleep(w.path.progressTimeout() - time.Second)
				}
				_, _ = io.WriteString(rw, "piece")
				_ = http.NewResponseController(rw).Flush()
			}
			<-release
		})
		defer stopPeer()
		defer close(release)
		req, _ := http.NewRequest(http.MethodGet, "https://hs1/_matrix/federation/v1/state/!r:hs0", nil)
		resp, err := g.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		var timeout *TimeoutError
		if string(body) != "piecepiecepiece" || !errors.As(err, &timeout) {
			t.Errorf("body %q, error %v; want three pieces and a *TimeoutError", body, err)
		}
	})
}

func TestConnectionsAreKeptThenClosedThenResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var resumed []bool
		g, stop := w.gateway(0, nil)
		defer stop()
		_, stopPeer := w.gateway(1, func(_ http.ResponseWriter, req *http.Request) {
			resumed = append(resumed, req.TLS.DidResume)
		})
		defer stopPeer()
		get := func() {
			t.Helper()
			if _, err := sendTxn(t, g, "hs1", "t"); err != nil {
				t.Fatal(err)
			}
		}
		get()
		time.Sleep(idleTimeout - time.Second)
		get()
		if n := w.pipes.dialled.Load(); n != 1 {
			t.Errorf("%d connections for two requests in a row, want 1", n)
		}
		time.Sleep(idleTimeout + time.Second)
		get()
		if n := w.pipes.dialled.Load(); n != 2 {
			t.Errorf("%d connections after a pause, want 2", n)
		}
		if fmt.Sprint(resumed) != "[false false true]" {
			t.Errorf("resumed: %v", resumed)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const limit = 4
		shared := NewConnections(limit)
		var gateways []*Gateway
		for id := range 5 {
			g, stop := w.gateway(id, func(http.ResponseWriter, *http.Request) {}, func(c *Config) { c.Connections = shared })
			defer stop()
			gateways = append(gateways, g)
		}
		most := 0
		for range 2 {
			for _, g := range gateways {
				for to := range gateways {
					if _, err := sendTxn(t, g, fmt.Sprintf("hs%d", to), "t"); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					most = max(most, shared.Open())
				}
			}
		}
		// The gateway that sends keeps its own five.
		if most > limit+len(gateways) {
			t.Errorf("%d connections were open, the bound is %d", most, limit)
		}
		time.Sleep(idleTimeout + time.Second)
		synctest.Wait()
		if n := shared.Open(); n != 0 {
			t.Errorf("%d connections are counted as open after all have idled out", n)
		}
	})
}

// What a connection costs before the first request is what time-outs allow for it, without TCP's share of 12 packets
// with 52 bytes of headers each.
func TestSetupBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g, stop := w.gateway(0, nil)
		defer stop()
		_, stopPeer := w.gateway(1, func(http.ResponseWriter, *http.Request) {})
		defer stopPeer()
		conn, err := g.connect(t.Context(), "hs1:8448", g.cfg.CA.clientTLS(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
			t.Errorf("TLS version %x", v)
		}
		const tcp = 12 * 52
		if n := w.pipes.bytes.Load() + tcp; n > setupBytes || n < setupBytes/2 {
			t.Errorf("a handshake takes %d bytes, setupBytes is %d", n, setupBytes)
		} else {
			t.Logf("a handshake takes %d bytes", n)
		}
	})
}

func TestReceivedIsReportedForStockServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rooms.Learn("!r:hs0", "11", "")
		good, bad := pdu("good"), pdu("bad")
		g, stop := w.gateway(0, nil)
		defer stop()
		_, stopPeer := w.gateway(1, func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"pdus":{%q:{},%q:{"error":"no"}}}`, eventID(t, good, "11"), eventID(t, bad, "11"))
		}, func(c *Config) { c.ReportReceived = true })
		defer stopPeer()
		if _, err := sendTxn(t, g, "hs1", "t", good, bad); err != nil {
			t.Fatal(err)
		}
		outcomes := make(map[string]telemetry.Outcome)
		for _, n := range w.notes.all {
			if r, ok := n.(telemetry.Received); ok {
				if r.From != 0 || r.To != 1 || r.Basis != telemetry.Accepted {
					t.Errorf("received: %+v", r)
				}
				outcomes[r.Event.ID] = r.Outcome
			}
		}
		want := map[string]telemetry.Outcome{
			eventID(t, good, "11"): telemetry.OutcomeAccepted, eventID(t, bad, "11"): telemetry.OutcomeRejected,
		}
		if fmt.Sprint(outcomes) != fmt.Sprint(want) {
			t.Errorf("outcomes %v, want %v", outcomes, want)
		}
	})
}

func TestCertificateOfAnotherServerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g, stop := w.gateway(0, nil)
		defer stop()
		_, stopPeer := w.gateway(1, func(http.ResponseWriter, *http.Request) {}, func(c *Config) { c.Name = "hs2" })
		defer stopPeer()
		_, err := sendTxn(t, g, "hs1", "t")
		var staged *Error
		if !errors.As(err, &staged) || staged.Stage != StageTLS {
			t.Errorf("error %v, want stage tls", err)
		}
	})
}
