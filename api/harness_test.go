package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"meshsim/fabric"
	"meshsim/gateway"
	"meshsim/mesh"
	"meshsim/node"
	"meshsim/talk"
	"meshsim/telemetry"
)

func TestMain(m *testing.M) {
	// net/http waits half a second after it has closed a connection on which it did not read a whole request.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// harness is the interface of a real mesh, over a real fabric, with servers that are faked.
type harness struct {
	t      testing.TB
	mesh   *mesh.Mesh
	hub    *telemetry.Hub
	fabric *fabric.Fabric
	front  *Frontend
	addr   string // of the listener
	driver *fakeDriver
	talk   *talk.Talk
	stop   context.CancelFunc
	mute   atomic.Int64 // see ableDriver

	transports *gateway.Transports
}

type harnessOption func(*Config)

func withToken(token string) harnessOption { return func(c *Config) { c.Token = token } }

func withClientPorts(base int) harnessOption { return func(c *Config) { c.ClientPorts = base } }

func newHarness(t testing.TB, options ...harnessOption) *harness {
	t.Helper()
	h := &harness{t: t, hub: telemetry.NewHub(), driver: newFakeDriver(), transports: gateway.NewTransports(gateway.AlwaysHTTPS)}
	h.fabric = fabric.New(fabric.Config{Clock: fabric.TimerClock()})
	var err error
	h.mesh, err = mesh.New(mesh.Config{
		Seed:        7,
		Drivers:     []node.Driver{h.driver, failingDriver{}, &ableDriver{fabric: h.fabric, mute: &h.mute}},
		Fabric:      h.fabric,
		Clients:     noClients{},
		KeepRemoved: mesh.DefaultKeepRemoved,
	})
	if err != nil {
		t.Fatal(err)
	}
	rooms := talk.New(talk.Config{Servers: fakeServers{h.mesh}, User: "matthew", Password: "secret"})
	h.talk = rooms
	config := Config{
		Mesh:       h.mesh,
		Talk:       rooms,
		Events:     h.hub,
		Fabric:     h.fabric,
		Dial:       h.driver.dial,
		Transports: h.transports,
		Page:       fstest.MapFS{"index.html": {Data: []byte("<title>meshsim</title>")}},
		Authority:  "localhost:3000",
		Version:    "test",
	}
	for _, option := range options {
		option(&config)
	}
	h.front = New(config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = listener.Addr().String()

	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.mesh.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		if err := h.front.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		rooms.Close()
		running.Wait()
		h.hub.Close()
		h.fabric.Close()
		h.driver.close()
		http.DefaultClient.CloseIdleConnections()
	})
	return h
}

// request sends a request and returns the status and the body.
func (h *harness) request(method, path, body string, header ...string) (int, string) {
	h.t.Helper()
	r, err := http.NewRequest(method, "http://"+h.addr+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// must sends a request that has to succeed and decodes the answer into out, if any.
func (h *harness) must(method, path, body string, out any) {
	h.t.Helper()
	status, answer := h.request(method, path, body)
	if status < 200 || status > 299 {
		h.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if out == nil {
		return
	}
	decoder := json.NewDecoder(strings.NewReader(answer))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(out); err != nil {
		h.t.Fatalf("%s %s answered %s: %v", method, path, answer, err)
	}
}

// servers adds running servers in a row, 50 pixels apart.
func (h *harness) servers(n int) {
	h.t.Helper()
	for i := range n {
		server, err := h.mesh.Add(h.t.Context(), mesh.AddServer{X: float64(50 * i)})
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := h.mesh.WaitRunning(h.t.Context(), server.ID); err != nil {
			h.t.Fatal(err)
		}
	}
}

type noClients struct{}

func (noClients) Add(int) error { return nil }
func (noClients) Remove(int)    {}

type fakeServers struct{ mesh *mesh.Mesh }

func (s fakeServers) Name(id int) (string, bool) {
	server, ok := s.mesh.Snapshot().Server(id)
	return server.Name, ok
}

func (s fakeServers) Client(id int) (http.Handler, error) {
	handler, ok := s.mesh.Client(id)
	if !ok {
		return nil, fmt.Errorf("it does not run")
	}
	return handler, nil
}

// fakeDriver starts servers that share one room and understand what talk asks. Their client ports are a
// listener that echoes.
type fakeDriver struct {
	echo net.Listener
	wait sync.WaitGroup

	mu       sync.Mutex
	messages []map[string]any
	joined   map[string]bool
}

func newFakeDriver() *fakeDriver {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	d := &fakeDriver{echo: echo, joined: make(map[string]bool)}
	d.wait.Go(d.accept)
	return d
}

// accept answers each connection with the server that it was for, then with what it is sent.
func (d *fakeDriver) accept() {
	for {
		conn, err := d.echo.Accept()
		if err != nil {
			return
		}
		d.wait.Go(func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
			_, _ = io.WriteString(conn, "bye")
		})
	}
}

func (d *fakeDriver) dial(ctx context.Context, id int) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.echo.Addr().String())
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "server %d\n", id)
	return conn, err
}

func (d *fakeDriver) close() {
	d.echo.Close()
	d.wait.Wait()
}

func (*fakeDriver) Kind() string { return "fake" }

func (d *fakeDriver) Start(_ context.Context, spec node.Spec, _ node.Network) (node.Node, error) {
	return &fakeNode{driver: d, spec: spec, done: make(chan struct{})}, nil
}

func (*fakeDriver) Forget(context.Context, node.Spec) error { return nil }
func (*fakeDriver) Close() error                            { return nil }

// failingDriver starts nothing.
type failingDriver struct{}

func (failingDriver) Kind() string { return "failing" }

func (failingDriver) Start(context.Context, node.Spec, node.Network) (node.Node, error) {
	return nil, &node.StartError{Reason: "it never starts", LogTail: []string{"one", "two"}}
}

func (failingDriver) Forget(context.Context, node.Spec) error { return nil }
func (failingDriver) Close() error                            { return nil }

type fakeNode struct {
	driver *fakeDriver
	spec   node.Spec
	done   chan struct{}
	once   sync.Once
}

func (n *fakeNode) Stop(context.Context) error {
	n.once.Do(func() { close(n.done) })
	return nil
}

func (n *fakeNode) Done() <-chan struct{}        { return n.done }
func (n *fakeNode) Err() error                   { return nil }
func (n *fakeNode) Pause(context.Context) error  { return nil }
func (n *fakeNode) Resume(context.Context) error { return nil }

func (n *fakeNode) Client() http.Handler {
	const room = "!room:hs0"
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_matrix/client/v3/login", n.answer(func(*http.Request) any {
		return map[string]string{"access_token": n.spec.Name}
	}))
	mux.HandleFunc("POST /_matrix/client/v3/createRoom", n.answer(func(*http.Request) any {
		n.driver.joined[n.spec.Name] = true
		return map[string]string{"room_id": room}
	}))
	mux.HandleFunc("GET /_matrix/client/v3/rooms/{room}/state/m.room.create/", n.answer(func(*http.Request) any {
		return map[string]string{"room_version": "12"}
	}))
	mux.HandleFunc("POST /_matrix/client/v3/join/{room}", n.answer(func(*http.Request) any {
		n.driver.joined[n.spec.Name] = true
		return map[string]string{"room_id": room}
	}))
	mux.HandleFunc("PUT /_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}", n.answer(n.send))
	mux.HandleFunc("GET /_matrix/client/v3/rooms/{room}/messages", n.answer(func(*http.Request) any {
		var newestFirst []map[string]any
		for _, m := range n.driver.messages {
			newestFirst = append([]map[string]any{m}, newestFirst...)
		}
		return map[string]any{"chunk": newestFirst}
	}))
	return mux
}

func (n *fakeNode) send(r *http.Request) any {
	var content map[string]any
	if err := json.NewDecoder(r.Body).Decode(&content); err != nil {
		return nil
	}
	id := fmt.Sprintf("$event%d", len(n.driver.messages))
	n.driver.messages = append(n.driver.messages, map[string]any{
		"event_id": id, "type": "m.room.message", "sender": "@matthew:" + n.spec.Name,
		"origin_server_ts": 1700000000000 + len(n.driver.messages), "content": content,
	})
	return map[string]string{"event_id": id}
}

func (n *fakeNode) answer(f func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n.driver.mu.Lock()
		defer n.driver.mu.Unlock()
		_ = json.NewEncoder(w).Encode(f(r))
	}
}

// within fails the test when a channel yields nothing for long.
func within[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatal("waited a minute in vain")
		panic("unreachable")
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out.String()
}
