package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"meshsim/api"
	"meshsim/gateway"
	"meshsim/mesh/meshfile"
)

// program is a running meshsim with all that is real in it.
type program struct {
	t     testing.TB
	addr  string
	token string // empty where none is needed
	stop  context.CancelFunc
	done  chan error
}

// start runs meshsim and waits until it has said where it is.
func start(t testing.TB, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &program{t: t, stop: stop, done: make(chan error, 1)}
	out, in := io.Pipe()
	command := newRoot(func(name string) string { return unhurried[name] })
	command.SetArgs(append([]string{"--listen", "127.0.0.1:0", "--client-ports", "0"}, args...))
	command.SetOut(in)
	go func() {
		err := command.ExecuteContext(ctx)
		in.CloseWithError(err)
		p.done <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // what else is printed; ends with the command
	address, err := url.Parse(strings.Fields(line)[3])
	if err != nil {
		t.Fatal(err)
	}
	p.addr = "127.0.0.1:" + address.Port()
	t.Cleanup(p.end)
	return p
}

// end is Ctrl-C. On a machine that is not overloaded it is over within two seconds.
func (p *program) end() {
	p.stop()
	if p.done == nil {
		return
	}
	begin := time.Now()
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Error(err)
		}
		p.t.Logf("stopped in %v", time.Since(begin))
	case <-time.After(patient):
		p.t.Errorf("still running %v after the end", patient)
	}
	p.done = nil
}

func (p *program) do(method, path, body string, out any) {
	p.t.Helper()
	request, err := http.NewRequest(method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	p.authorize(request.Header)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode > 299 {
		p.t.Fatalf("%s %s: %s %s %v", method, path, response.Status, answer, err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		p.t.Fatalf("%s %s answered %s: %v", method, path, answer, err)
	}
}

func (p *program) authorize(header http.Header) {
	if p.token != "" {
		header.Set("Authorization", "Bearer "+p.token)
	}
}

// frames reads the stream until it has seen enough.
func (p *program) frames(conn *websocket.Conn, enough func(api.Frame) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patient)
	defer cancel()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		var frame api.Frame
		if err := json.Unmarshal(text, &frame); err != nil {
			p.t.Fatal(err)
		}
		if enough(frame) {
			return
		}
	}
}

func (p *program) stream() *websocket.Conn {
	p.t.Helper()
	options := &websocket.DialOptions{HTTPHeader: make(http.Header)}
	p.authorize(options.HTTPHeader)
	conn, _, err := websocket.Dial(p.t.Context(), "ws://"+p.addr+"/api/v1/stream", options)
	if err != nil {
		p.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	p.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// TestFromClickToBubble does what a newcomer does, with real homeservers, packets and links.
func TestFromClickToBubble(t *testing.T) {
	p := start(t)
	for i := range 3 {
		var added struct{ ID int }
		p.do("POST", "/server", fmt.Sprintf(`{"x":%d,"y":0}`, 20*i), &added)
		if added.ID != i {
			t.Fatalf("server %d got the id %d", i, added.ID)
		}
	}
	conn := p.stream()
	var room api.Room
	p.do("POST", "/api/v1/rooms", `{"name":"lobby","creator":0,"members":[1,2]}`, &room)
	p.frames(conn, func(f api.Frame) bool {
		return f.Diff != nil && len(f.Diff.Rooms) == 1 && allJoined(t, f.Diff.Rooms[0])
	})

	address := "/api/v1/rooms/" + url.PathEscape(room.ID) + "/messages"
	var message api.SentMessage
	begun := time.Now()
	p.do("POST", address, `{"server":1,"body":"hello"}`, &message)
	sent, received := make(map[int]float64), make(map[int]float64)
	p.frames(conn, func(f api.Frame) bool {
		if f.Events == nil {
			return false
		}
		note(f.Events, message.EventID, sent, received)
		return len(sent) == 2 && len(received) == 2
	})
	for _, to := range []int{0, 2} {
		if delay := received[to] - sent[to]; delay < 20 || delay > float64(patient/time.Millisecond) {
			t.Errorf("the message took %v ms to server %d, over a link of 20 ms", delay, to)
		}
	}
	t.Logf("received everywhere after %v; delays from the gateway: %v to hs0, %v ms to hs2",
		time.Since(begun), received[0]-sent[0], received[2]-sent[2])

	for server := range 3 {
		var messages []api.Message
		p.do("GET", fmt.Sprintf("%s?server=%d", address, server), "", &messages)
		last := messages[len(messages)-1]
		if last.EventID != message.EventID || last.Body != "hello" || last.Sender != "@matthew:hs1" {
			t.Errorf("server %d has %+v last", server, last)
		}
	}
}

func allJoined(t testing.TB, room api.Room) bool {
	for _, m := range room.Members {
		if m.State == "failed" {
			t.Fatalf("server %d did not join: %s", m.Server, m.Reason)
		}
		if m.State != "joined" {
			return false
		}
	}
	return true
}

// note takes down when an event was sent to and received by each server.
func note(f *api.EventsFrame, event string, sent, received map[int]float64) {
	for _, g := range f.Sent {
		for i, to := range g.To {
			if g.Event == event {
				sent[to] = g.AtMS[i]
			}
		}
	}
	for _, g := range f.Received {
		for i, to := range g.To {
			if g.Event == event {
				received[to] = g.AtMS[i]
			}
		}
	}
}

// TestClientsCrossTheirLink asks a server as its clients do, under a host name, and takes the time.
func TestClientsCrossTheirLink(t *testing.T) {
	p := start(t)
	p.do("POST", "/server", `{"x":0,"y":0,"name":"alpha"}`, nil)
	p.do("PUT", "/defaults", `{"client_latency":100}`, nil)
	begun := time.Now()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /_matrix/client/versions HTTP/1.1\r\nHost: alpha.localhost\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(answer, []byte(`"versions"`)) || !bytes.Contains(answer, []byte("Access-Control-Allow-Origin: *")) {
		t.Errorf("answered %s, %v", answer, err)
	}
	if took := time.Since(begun); took < 400*time.Millisecond || took > patient {
		t.Errorf("took %v; a handshake and a request over 100 ms take 400 ms", took)
	}
}

// TestCaptureOfALink wants whole packets of federation in a capture that ends by itself.
func TestCaptureOfALink(t *testing.T) {
	p := start(t)
	p.do("POST", "/server", `{"x":0,"y":0}`, nil)
	p.do("POST", "/server", `{"x":5,"y":0}`, nil)
	got := make(chan []byte, 1)
	response, err := http.Get("http://" + p.addr + "/api/v1/captures?link=0-1&packets=5")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer response.Body.Close()
		file, _ := io.ReadAll(response.Body)
		got <- file
	}()
	p.do("POST", "/api/v1/rooms", `{"creator":0,"members":[1]}`, nil)
	select {
	case file := <-got:
		if !bytes.HasPrefix(file, []byte{0x0a, 0x0d, 0x0d, 0x0a}) || len(file) < 5*60 {
			t.Errorf("the capture is %d bytes and begins with %x", len(file), file[:min(len(file), 4)])
		}
	case <-time.After(patient):
		t.Error("the capture did not end after five packets")
	}
}

// TestMeshFileIsKept starts twice with one file.
func TestMeshFileIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mesh.yaml")
	p := start(t, path)
	p.do("POST", "/server", `{"x":1,"y":2,"name":"alpha"}`, nil)
	p.do("POST", "/server", `{"x":30,"y":2}`, nil)
	p.do("PUT", "/link/0/1/latency", `{"latency":7}`, nil)
	p.end()
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := meshfile.Decode(first); err != nil || len(plan.Servers) != 2 || len(plan.Pins) != 1 || plan.Seed == 0 {
		t.Fatalf("the file holds %+v, %v", plan, err)
	}

	p = start(t, path)
	var data struct {
		Nodes []struct{ X, Y float64 }
	}
	p.do("GET", "/data", "", &data)
	if len(data.Nodes) != 2 || data.Nodes[1].X != 30 {
		t.Errorf("the second start has %+v", data)
	}
	var version api.Version
	p.do("GET", "/api/v1/version", "", &version)
	if !strings.Contains(string(first), fmt.Sprint(version.Seed)) {
		t.Errorf("the seed is %d, not that of the file:\n%s", version.Seed, first)
	}
}

// TestTransportIsKept: what the page chooses is there at the next start, unless a flag says otherwise, and what the flag
// leaves open stays.
func TestTransportIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mesh.yaml")
	p := start(t, path, "--transport", "lowband")
	says := func(transport string, below api.Bandwidth) {
		t.Helper()
		var got api.Transport
		p.do("GET", "/api/v1/transport", "", &got)
		if got.Transport != transport || *got.Below != below {
			t.Errorf("the transport is %s below %v, want %s below %v", got.Transport, *got.Below, transport, below)
		}
	}
	says("lowband", 20_000)
	p.do("PUT", "/api/v1/transport", `{"transport":"auto","below":9600}`, nil)
	p.end()
	p = start(t, path)
	says("auto", 9600)
	p.end()
	p = start(t, path, "--transport", "https")
	says("https", 9600)
	p.end()
	if plan, err := meshfile.Load(path); err != nil || plan.Transport != (meshfile.Transport{Choice: gateway.AlwaysHTTPS, Below: 9600}) {
		t.Errorf("the file says %+v, %v", plan.Transport, err)
	}
}

// TestBeyondLoopbackATokenIsNeeded listens at all addresses.
func TestBeyondLoopbackATokenIsNeeded(t *testing.T) {
	p := start(t, "--listen", "0.0.0.0:0", "--token", "sesame")
	for header, want := range map[string]int{"": 401, "Bearer sesame": 200} {
		request, err := http.NewRequest("GET", "http://"+p.addr+"/data", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", header)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("Authorization %q: %s, want %d", header, response.Status, want)
		}
	}
}
