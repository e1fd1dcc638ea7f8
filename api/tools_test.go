package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"meshsim/fabric"
	"meshsim/mesh"
	"meshsim/node"
	"meshsim/port/netstack"
	"meshsim/port/probe"
)

// ableDriver starts servers that can do all that a server may be able to do.
type ableDriver struct {
	failingDriver // for what it need not do
	fabric        *fabric.Fabric
	mute          *atomic.Int64 // so often a server that is started has no log yet
}

func (*ableDriver) Kind() string { return "able" }

// heldName is the name of a server whose start lasts until it is called off.
const heldName = "held"

func (d *ableDriver) Start(ctx context.Context, spec node.Spec, _ node.Network) (node.Node, error) {
	if spec.Name == heldName {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	stack, err := netstack.New(netstack.Config{})
	if err != nil {
		return nil, err
	}
	v4, v6 := node.Addrs(spec.ID)
	host, err := stack.Add(d.fabric, fabric.NodeConfig{ID: node.FabricNode(spec.ID), Addrs: []netip.Addr{v4, v6}})
	if err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	n := &ableNode{stack: stack, host: host, journal: node.NewJournal(100), shells: make(chan *fakeShell, 1), done: make(chan struct{})}
	n.journal.Write("it has begun")
	return n, nil
}

// StartingLog implements node.StartWatcher.
func (d *ableDriver) StartingLog(int) (node.LogReader, bool) {
	if d.mute.Add(-1) >= 0 {
		return nil, false
	}
	return node.LastWords{"zero", "it begins"}, true
}

// LastLog implements node.LogKeeper.
func (d *ableDriver) LastLog(int) (node.LogReader, bool) {
	return node.LastWords{"one", "two", "it ends"}, true
}

type ableNode struct {
	stack   *netstack.Stack
	host    *netstack.Host
	journal *node.Journal
	shells  chan *fakeShell // those that were opened

	once sync.Once
	done chan struct{}
	err  error
}

func (n *ableNode) end(err error) {
	n.once.Do(func() {
		n.journal.End()
		n.stack.Close()
		n.err = err
		close(n.done)
	})
}

func (n *ableNode) Stop(context.Context) error {
	n.end(nil)
	return nil
}

func (n *ableNode) Done() <-chan struct{} { return n.done }
func (n *ableNode) Err() error            { return n.err }
func (n *ableNode) Client() http.Handler  { return http.NotFoundHandler() }

func (n *ableNode) Kill(context.Context) error {
	n.end(&node.StartError{Reason: "it was killed", LogTail: []string{"one", "two"}})
	return nil
}

func (n *ableNode) ReadLog(ctx context.Context, lines int, follow bool, each func(string) error) error {
	return n.journal.Read(ctx, lines, follow, each)
}

func (n *ableNode) Usage(context.Context) (node.Usage, error) {
	memory, used := int64(5<<20), 1500*time.Millisecond
	return node.Usage{Memory: &memory, CPU: &used}, nil
}

func (n *ableNode) OpenICMP(local netip.Addr) (probe.Conn, error) { return n.host.OpenICMP(local) }

func (n *ableNode) OpenShell(ctx context.Context, size node.TerminalSize) (node.Shell, error) {
	in, out := io.Pipe()
	s := &fakeShell{PipeReader: in, out: out, sizes: make(chan node.TerminalSize, 10), closed: make(chan struct{})}
	s.sizes <- size
	context.AfterFunc(ctx, func() { s.Close() })
	n.shells <- s
	return s, nil
}

// fakeShell shows what is typed, and ends at "exit".
type fakeShell struct {
	*io.PipeReader
	out    *io.PipeWriter
	sizes  chan node.TerminalSize
	once   sync.Once
	closed chan struct{}
}

func (s *fakeShell) Write(p []byte) (int, error) {
	if string(p) == "exit" {
		return len(p), s.out.Close()
	}
	return s.out.Write(p)
}

func (s *fakeShell) Resize(_ context.Context, size node.TerminalSize) error {
	s.sizes <- size
	return nil
}

func (s *fakeShell) Close() error {
	s.once.Do(func() {
		s.out.Close()
		close(s.closed)
	})
	return nil
}

// newToolHarness is a mesh of so many able servers, and one of the kind fake after them.
func newToolHarness(t *testing.T, able int, options ...harnessOption) *harness {
	t.Helper()
	h := newHarness(t, options...)
	for i := range able + 1 {
		kind := "able"
		if i == able {
			kind = "fake"
		}
		if _, err := h.mesh.Add(t.Context(), mesh.AddServer{X: float64(10 * i), Kind: kind}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.mesh.WaitRunning(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *harness) able(id int) *ableNode {
	h.t.Helper()
	n, ok := h.mesh.Node(id)
	if !ok {
		h.t.Fatalf("server %d does not run", id)
	}
	return n.(*ableNode)
}

// What a server writes while it is being started can be read, also by somebody who asks before there is anything.
func TestLogOfAServerThatStarts(t *testing.T) {
	h := newHarness(t)
	if _, err := h.mesh.Add(t.Context(), mesh.AddServer{Kind: "able", Name: heldName}); err != nil {
		t.Fatal(err)
	}
	h.mute.Store(1)
	if status, log := h.request("GET", "/api/v1/servers/0/log", ""); status != http.StatusOK || log != "" {
		t.Errorf("before there is a log, answered %d: %s", status, log)
	}
	h.mute.Store(2)
	if status, log := h.request("GET", "/api/v1/servers/0/log?follow=true&lines=1", ""); status != http.StatusOK || log != `{"line":"it begins"}`+"\n" {
		t.Errorf("followed before there is a log, answered %d: %s", status, log)
	}
	status, log := h.request("GET", "/api/v1/servers/0/log?lines=1", "")
	if status != http.StatusOK || log != `{"line":"it begins"}`+"\n" {
		t.Errorf("answered %d: %s", status, log)
	}
	if err := h.mesh.Remove(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}

func TestToolsOfServers(t *testing.T) {
	h := newToolHarness(t, 1)
	var used Usage
	h.must("GET", "/api/v1/servers/0/usage", "", &used)
	memory, cpu := int64(5<<20), 1500.0
	if diff := cmp.Diff(Usage{MemoryBytes: &memory, CPUMS: &cpu}, used); diff != "" {
		t.Error(diff)
	}
	_, log := h.request("GET", "/api/v1/servers/0/log", "")
	if log != `{"line":"it has begun"}`+"\n" {
		t.Errorf("the log is %s", log)
	}
	h.must("POST", "/api/v1/servers/0/kill", "", nil)
	for s := (Server{}); s.State != "failed"; h.must("GET", "/api/v1/servers/0", "", &s) {
	}
	_, log = h.request("GET", "/api/v1/servers/0/log?lines=1&follow=true", "")
	if log != `{"line":"it ends"}`+"\n" {
		t.Errorf("the log of a failed server is %s", log)
	}
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/api/v1/servers/0/usage", 409, "server hs0 is failed: it must run for this"},
		{"GET", "/api/v1/servers/1/usage", 409, "server hs1 has no figures of what it uses: its kind is fake"},
		{"GET", "/api/v1/servers/1/log", 409, "has no log"},
		{"POST", "/api/v1/servers/1/kill", 409, "no process of its own"},
		{"GET", "/api/v1/servers/9/log", 404, "there is no server 9"},
		{"GET", "/api/v1/servers/9/ping?to=1", 404, "there is no server 9"},
		{"GET", "/api/v1/servers/1/ping?to=9", 404, "there is no server 9"},
		{"GET", "/api/v1/servers/1/ping", 422, "to"},
		{"GET", "/api/v1/servers/1/ping?to=0", 409, "has no sockets for ping"},
		{"GET", "/api/v1/servers/0/traceroute?to=1", 409, "server hs0 is failed"},
		{"GET", "/api/v1/servers/1/log?lines=10001", 422, "10000"},
		{"GET", "/api/v1/servers/1/terminal", 409, "has no terminal"},
		{"GET", "/api/v1/servers/1/terminal?rows=0", 422, "rows"},
		{"GET", "/api/v1/servers/x/terminal", 422, "id of a server"},
		{"GET", "/api/v1/servers/7/terminal", 404, "there is no server 7"},
	} {
		status, answer := h.request(c.method, c.path, "")
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s %s: %d %s, want %d with %q", c.method, c.path, status, answer, c.status, c.says)
		}
	}
	h.must("POST", "/api/v1/servers/0/restart", "", nil)
	if _, err := h.mesh.WaitRunning(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

// What a server wrote last can be read once it is stopped, until it is started again; where nothing is kept that is said.
func TestLogOfAServerThatStopped(t *testing.T) {
	h := newToolHarness(t, 1)
	for id := range 2 {
		h.must("POST", fmt.Sprintf("/api/v1/servers/%d/stop", id), "", nil)
		for s := (Server{}); s.State != "stopped"; h.must("GET", fmt.Sprintf("/api/v1/servers/%d", id), "", &s) {
		}
	}
	const path = "/api/v1/servers/0/log?lines=1&follow=true"
	if status, log := h.request("GET", path, ""); status != http.StatusOK || log != `{"line":"it ends"}`+"\n" {
		t.Errorf("answered %d: %s", status, log)
	}
	const want = "server hs1 is stopped and has no log: nothing that it wrote is kept; start it to read what it writes"
	if status, answer := h.request("GET", "/api/v1/servers/1/log", ""); status != http.StatusConflict || !strings.Contains(answer, want) {
		t.Errorf("where nothing is kept, answered %d: %s", status, answer)
	}
	h.must("POST", "/api/v1/servers/0/start", "", nil)
	if _, err := h.mesh.WaitRunning(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, log := h.request("GET", "/api/v1/servers/0/log", ""); log != `{"line":"it has begun"}`+"\n" {
		t.Errorf("started again, the log is %s", log)
	}
	h.must("DELETE", "/api/v1/servers/0", "", nil)
	if status, answer := h.request("GET", path, ""); status != http.StatusConflict || !strings.Contains(answer, "it must run for this") {
		t.Errorf("removed, answered %d: %s", status, answer)
	}
}

// A log is followed line by line as it is written, and the reading ends with the server.
func TestLogIsFollowed(t *testing.T) {
	h := newToolHarness(t, 1)
	response, err := http.Get("http://" + h.addr + "/api/v1/servers/0/log?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 3 {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var line LogLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		want := "it has begun"
		if i > 0 {
			want = fmt.Sprintf("<line %d>", i-1)
		}
		if line.Line != want {
			t.Errorf("line %q, want %q", line.Line, want)
		}
		h.able(0).journal.Write(fmt.Sprintf("<line %d>", i))
	}
	h.must("POST", "/api/v1/servers/0/stop", "", nil)
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the log of a server that stopped ends with %v", err)
	}
}

// Only so many read at a time; one that goes makes room.
func TestReadersAreBounded(t *testing.T) {
	h := newToolHarness(t, 1)
	open := func() *http.Response {
		t.Helper()
		response, err := http.Get("http://" + h.addr + "/api/v1/servers/0/log?follow=true")
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	var readers []*http.Response
	for range maxStreams {
		readers = append(readers, open())
	}
	status, answer := h.request("GET", "/api/v1/servers/0/log", "")
	if status != http.StatusTooManyRequests || !strings.Contains(answer, "close one") {
		t.Errorf("one too many: %d %s", status, answer)
	}
	for _, r := range readers {
		r.Body.Close()
	}
	for status != http.StatusOK { // a reader's end is noticed when the connection's is
		status, _ = h.request("GET", "/api/v1/servers/0/log", "")
	}
}

func TestPingAndTracerouteBetweenServers(t *testing.T) {
	h := newToolHarness(t, 2)
	_, answer := h.request("GET", "/api/v1/servers/0/ping?to=1&count=2&interval_ms=10&timeout_ms=60000", "")
	replies := linesOf[PingReply](t, answer)
	if len(replies) != 2 {
		t.Fatalf("ping answers %s", answer)
	}
	one := 1
	for i, r := range replies {
		if r.RTTMS == nil || *r.RTTMS < 20 { // two servers stand 10 ms apart
			t.Errorf("reply %+v", r)
		}
		r.RTTMS = nil
		if diff := cmp.Diff(PingReply{Seq: i + 1, Outcome: "reply", From: "10.0.0.2", Name: "hs1", Server: &one}, r); diff != "" {
			t.Error(diff)
		}
	}
	_, answer = h.request("GET", "/api/v1/servers/1/traceroute?to=0&queries=2&family=ipv6&timeout_ms=60000", "")
	hops := linesOf[TraceHop](t, answer)
	if len(hops) != 1 || len(hops[0].Replies) != 2 || hops[0].Replies[1].Name != "hs0" || hops[0].Replies[0].From != "fd6d:6573:6873::1" {
		t.Errorf("traceroute answers %s", answer)
	}
	h.must("PUT", "/api/v1/links/0/1", `{"cut":true}`, nil)
	h.must("PUT", "/api/v1/links/0/2", `{"cut":true}`, nil)
	_, answer = h.request("GET", "/api/v1/servers/0/ping?to=1&count=1&timeout_ms=60000", "")
	if cut := linesOf[PingReply](t, answer); len(cut) != 1 || cut[0].Outcome != "unreachable" {
		t.Errorf("ping without a path answers %s", answer)
	}
}

// How long an answer is waited for follows from the path.
func TestPingHasPatienceWithSlowPaths(t *testing.T) {
	h := newToolHarness(t, 2)
	h.must("PUT", "/api/v1/links/0/1", `{"pins_ab":{"latency_ms":100,"bandwidth":100},"pins_ba":{"latency_ms":100,"bandwidth":100}}`, nil)
	h.must("PUT", "/api/v1/links/0/2", `{"cut":true}`, nil)
	slow := ProbeTarget{ID: 0, To: 1, Size: 56}
	packet := time.Duration(8*(56+headers)) * time.Second / 100
	if got := h.front.streams.v1.patience(&slow); got < 2*packet {
		t.Errorf("an answer that takes %v on the wire is given %v", 2*packet, got)
	}
	slow.TimeoutMS = 5
	if got := h.front.streams.v1.patience(&slow); got != 5*time.Millisecond {
		t.Errorf("the time that was asked for is %v", got)
	}
}

func linesOf[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	for {
		var one T
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		all = append(all, one)
	}
}

// dialTerminal opens a terminal and returns its shell too.
func (h *harness) dialTerminal(query string) (*websocket.Conn, *fakeShell) {
	h.t.Helper()
	conn, _, err := websocket.Dial(h.t.Context(), "ws://"+h.addr+"/api/v1/servers/0/terminal"+query, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.CloseNow() })
	return conn, within(h.t, h.able(0).shells)
}

// lastMessage reads until the end and returns why.
func lastMessage(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	var end TerminalEnd
	for {
		kind, message, err := conn.Read(t.Context())
		if err != nil {
			return end.End
		}
		if kind == websocket.MessageText {
			if err := json.Unmarshal(message, &end); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTerminal(t *testing.T) {
	h := newToolHarness(t, 1)
	conn, shell := h.dialTerminal("?rows=30&columns=100")
	if size := within(t, shell.sizes); size != (node.TerminalSize{Rows: 30, Columns: 100}) {
		t.Errorf("the terminal begins with %+v", size)
	}
	typed := "ls \x1b[A\xff"
	if err := conn.Write(t.Context(), websocket.MessageBinary, []byte(typed)); err != nil {
		t.Fatal(err)
	}
	if kind, shown, err := conn.Read(t.Context()); err != nil || kind != websocket.MessageBinary || string(shown) != typed {
		t.Errorf("shown: %v %q %v", kind, shown, err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"rows":50,"columns":120}`)); err != nil {
		t.Fatal(err)
	}
	if size := within(t, shell.sizes); size != (node.TerminalSize{Rows: 50, Columns: 120}) {
		t.Errorf("the terminal was resized to %+v", size)
	}
	if err := conn.Write(t.Context(), websocket.MessageBinary, []byte("exit")); err != nil {
		t.Fatal(err)
	}
	if end := lastMessage(t, conn); end != "the shell has ended" {
		t.Errorf("the end is %q", end)
	}
	within(t, shell.closed)
}

// However a terminal ends, its shell does.
func TestTerminalEnds(t *testing.T) {
	for _, c := range []struct {
		slug string
		end  func(*harness, *websocket.Conn)
		says string
	}{
		{"reader-goes", func(_ *harness, c *websocket.Conn) { c.CloseNow() }, ""},
		{"no-size", func(h *harness, c *websocket.Conn) {
			_ = c.Write(h.t.Context(), websocket.MessageText, []byte(`{"rows":0,"columns":5}`))
		}, "1 to 1000"},
		{"no-json", func(h *harness, c *websocket.Conn) {
			_ = c.Write(h.t.Context(), websocket.MessageText, []byte(`hello`))
		}, "a text message must be a size"},
		{"meshsim-ends", func(h *harness, _ *websocket.Conn) { h.stop() }, "meshsim is shutting down"},
	} {
		t.Run(c.slug, func(t *testing.T) {
			h := newToolHarness(t, 1)
			conn, shell := h.dialTerminal("")
			c.end(h, conn)
			if end := lastMessage(t, conn); !strings.Contains(end, c.says) {
				t.Errorf("the end is %q, want %q", end, c.says)
			}
			within(t, shell.closed)
		})
	}
}

// A terminal is for this machine and the page, or for who has the token.
func TestTerminalIsGuarded(t *testing.T) {
	const path = "/api/v1/servers/0/terminal"
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	h := newToolHarness(t, 1)
	if status, answer := h.request("GET", path, "", append(upgrade, "Origin", "http://elsewhere.example")...); status != http.StatusForbidden {
		t.Errorf("another page: %d %s", status, answer)
	}
	guarded := newToolHarness(t, 1, withToken("secret"))
	if status, answer := guarded.request("GET", path, "", upgrade...); status != http.StatusUnauthorized {
		t.Errorf("without the token: %d %s", status, answer)
	}
	header := http.Header{"Authorization": {"Bearer secret"}}
	conn, _, err := websocket.Dial(t.Context(), "ws://"+guarded.addr+path, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatalf("with the token: %v", err)
	}
	defer conn.CloseNow()
	within(t, guarded.able(0).shells)
}
