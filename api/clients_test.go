package api

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"meshsim/mesh"
)

func (h *harness) connect() *net.TCPConn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		h.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// TestSpliceIsByteForByte sends odd bytes after a first head, half-closes, and wants all of them at the
// server, which echoes, and then its last word.
func TestSpliceIsByteForByte(t *testing.T) {
	h := newHarness(t)
	h.servers(2)
	for _, head := range []string{
		"GET /a HTTP/1.1\r\nHost: hs1.localhost:3000\r\n\r\n",
		"GET /a HTTP/1.1\nHost: HS1.LOCALHOST.\n\n",
		"POST http://hs1.localhost/a HTTP/1.1\r\nHost: somewhere\r\nContent-Length: 3\r\n\r\nabc",
		"GET /a HTTP/1.1\r\nhost:hs1.localhost\r\n\r\nGET /b HTTP/1.1\r\nHost: localhost\r\n\r\nGET /data HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: hs1.localhost\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n\x00\xff\x80",
	} {
		conn := h.connect()
		for i := range len(head) / 7 { // in pieces
			if _, err := io.WriteString(conn, head[7*i:7*i+7]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.WriteString(conn, head[len(head)/7*7:]); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if want := "server 1\n" + head + "bye"; err != nil || string(got) != want {
			t.Errorf("got %.200q (%v), want %.200q", got, err, want)
		}
	}
}

func TestControlConnectionsLoseNothing(t *testing.T) {
	h := newHarness(t)
	conn := h.connect()
	// Two requests at once, the second for a server: a connection belongs to whom its first request is for.
	_, err := io.WriteString(conn, "GET /defaults HTTP/1.1\r\nHost: localhost\r\n\r\nGET /_matrix HTTP/1.1\r\nHost: hs0.localhost\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for _, want := range []int{200, 421} {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != want {
			t.Errorf("answered %s, want %d", response.Status, want)
		}
	}
}

func TestClientHostsThatCannotBeReached(t *testing.T) {
	h := newHarness(t)
	h.servers(1)
	if err := h.mesh.Remove(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := h.mesh.WaitGone(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hs0", "hs9", "a.b", ""} {
		conn := h.connect()
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s.localhost\r\nOrigin: https://app.example\r\n\r\n", name)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 404 || !strings.Contains(string(body), "M_NOT_FOUND") ||
			response.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q answered %s %s %v", name, response.Status, body, response.Header)
		}
	}
}

// TestTLSIsRefusedAtOnce begins as a browser does that prefers https.
func TestTLSIsRefusedAtOnce(t *testing.T) {
	h := newHarness(t)
	conn := h.connect()
	if _, err := conn.Write([]byte{0x16, 0x03, 0x01, 0x00, 0xc8, 0x01}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if answer, err := io.ReadAll(conn); time.Since(begun) > 5*time.Second {
		t.Errorf("answered %q, %v after %v", answer, err, time.Since(begun))
	}
}

// TestClientHostsReachNoControl asks for what the control interface has under a server's name.
func TestClientHostsReachNoControl(t *testing.T) {
	h := newHarness(t)
	h.servers(1)
	conn := h.connect()
	const request = "GET /data HTTP/1.1\r\nHost: hs0.localhost\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("server 0\n")+len(request))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "server 0\n"+request {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClientPorts(t *testing.T) {
	free := httptest.NewServer(nil) // takes a port that server 1 would have
	defer free.Close()
	taken := free.Listener.Addr().(*net.TCPAddr).Port
	h := newHarness(t, withClientPorts(taken-1))
	h.servers(2)
	for {
		ports, changed := h.front.ports.all()
		if ports[0].port != 0 && ports[1].reason != "" {
			break
		}
		within(t, changed)
	}
	var server Server
	h.must("GET", "/api/v1/servers/1", "", &server)
	if want := fmt.Sprintf("port %d is taken", taken); server.ClientPort != 0 || !strings.Contains(server.ClientPortError, want) {
		t.Errorf("server 1 is %+v, want an error with %q", server, want)
	}
	h.must("GET", "/api/v1/servers/0", "", &server)
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(server.ClientPort)))
		if err != nil {
			if host == "::1" {
				continue // no IPv6 here
			}
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || line != "server 0\n" {
			t.Errorf("%s: got %q, %v", host, line, err)
		}
		conn.Close()
	}
	if err := h.mesh.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for {
		ports, changed := h.front.ports.all()
		if ports[0].port == 0 {
			break
		}
		within(t, changed)
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server.ClientPort)); err == nil {
		conn.Close()
		t.Error("the port of a stopped server is still open")
	}
	if h.mesh.Snapshot().Servers[0].State == mesh.Running {
		t.Error("server 0 still runs")
	}
}

// Ports that are taken are told of with the remedy, and once in the log.
func TestTakenClientPortsAreToldOnceInTheLog(t *testing.T) {
	holder := httptest.NewServer(nil)
	defer holder.Close()
	first := holder.Listener.Addr().(*net.TCPAddr).Port
	next, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", first+1))
	if err == nil { // else it is taken by another program, which is as good
		defer next.Close()
	}
	var log lines
	h := newHarness(t, withClientPorts(first), func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	h.servers(2)
	for {
		ports, changed := h.front.ports.all()
		if ports[0].reason != "" && ports[1].reason != "" {
			break
		}
		within(t, changed)
	}
	const remedy = "choose others with --client-ports"
	for id := range 2 {
		var server Server
		h.must("GET", fmt.Sprintf("/api/v1/servers/%d", id), "", &server)
		if !strings.HasSuffix(server.ClientPortError, "; "+remedy) {
			t.Errorf("server %d: %q, want %q at its end", id, server.ClientPortError, remedy)
		}
	}
	if text := log.String(); strings.Count(text, remedy) != 1 || !strings.Contains(text, "hs0") {
		t.Errorf("logged %q, want one warning, for hs0", text)
	}
}

// lines is what was logged. It is safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestReadHeadStopsAtTheLimit(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		defer client.Close()
		_, _ = io.Copy(client, io.LimitReader(endless{}, 2*maxHead))
	}()
	head, err := readHead(server)
	if err != nil || len(head) < maxHead || len(head) > maxHead+4096 {
		t.Errorf("read %d bytes, %v", len(head), err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func FuzzHostOf(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: hs0.localhost\r\n\r\n")
	f.Add("GET http://[::1]:3/ HTTP/1.1\r\n\r\n")
	f.Add("\r\n\r\n")
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, head string) {
		hostname(hostOf([]byte(head)))
		// However the bytes arrive, the head that is read is the same up to its end.
		if !beginsRequest([]byte(head)) {
			return // how much of it is seen depends on how it arrives
		}
		whole := readFrom(t, strings.NewReader(head))
		bytewise := readFrom(t, iotest.OneByteReader(strings.NewReader(head)))
		if !strings.HasPrefix(head, whole) || !strings.HasPrefix(head, bytewise) || !strings.HasPrefix(whole, bytewise) {
			t.Errorf("read %q at once and %q byte by byte of %q", whole, bytewise, head)
		}
	})
}

func readFrom(t *testing.T, r io.Reader) string {
	t.Helper()
	head, err := readHead(readerConn{r})
	if err != nil && err != io.EOF && err != errNoRequest {
		t.Fatal(err)
	}
	return string(head)
}

// readerConn is a connection that is only read.
type readerConn struct{ io.Reader }

func (readerConn) Write(p []byte) (int, error)      { return len(p), nil }
func (readerConn) Close() error                     { return nil }
func (readerConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (readerConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (readerConn) SetDeadline(time.Time) error      { return nil }
func (readerConn) SetReadDeadline(time.Time) error  { return nil }
func (readerConn) SetWriteDeadline(time.Time) error { return nil }

// TestCoAPAddressesAreShown: with and without encryption, which the scheme tells, and none where there is no port.
func TestCoAPAddressesAreShown(t *testing.T) {
	for want, coap := range map[string]CoAPPorts{"coaps://127.0.0.1:20001": {First: 20_000}, "coap://127.0.0.1:20001": {First: 20_000, Insecure: true}, "": {}} {
		h := newHarness(t, func(c *Config) { c.CoAP = coap })
		h.servers(2)
		var got Server
		h.must("GET", "/api/v1/servers/1", "", &got)
		if got.CoAPURL != want {
			t.Errorf("%+v: server 1 is at %q, want %q", coap, got.CoAPURL, want)
		}
	}
	if got := (CoAPPorts{First: 20_000}).url(1000); got != "" {
		t.Errorf("server 1000 is at %q", got)
	}
}
