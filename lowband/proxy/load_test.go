package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshsim/lowband/channel"
	"meshsim/lowband/msc3079"
	"meshsim/lowband/records"
)

// A load has a process for each of those who take part, so that the processor time of one proxy is known whatever the
// others take and whatever else the machine does: this test binary runs itself with loadRole in the environment.
const (
	loadRole = "MESHSIM_LOAD_ROLE" // homeserver, far or near
	loadWire = "MESHSIM_LOAD_WIRE" // compact, standard
	loadPeer = "MESHSIM_LOAD_PEER" // the address of the next one on the way to the homeserver
	loadKey  = "MESHSIM_LOAD_KEY"  // of the far side
)

func TestMain(m *testing.M) {
	role := os.Getenv(loadRole)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := takePart(role, os.Getenv(loadWire) == "standard", os.Getenv(loadPeer)); err != nil {
		fmt.Fprintln(os.Stderr, role, err)
		os.Exit(1)
	}
}

// usage is what a process has used up to now.
type usage struct {
	Processor time.Duration
	Heap      int64 // bytes in use after a collection
}

func used() (usage, error) {
	runtime.GC()
	runtime.GC() // what sync.Pool holds takes two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return usage{time.Duration(r.Utime.Nano() + r.Stime.Nano()), int64(m.HeapAlloc)}, err
}

// takePart serves until standard input ends, and tells what was used for each line in it.
func takePart(role string, standard bool, peer string) error {
	address, err := map[string]func(bool, string) (string, error){"homeserver": beHomeserver, "far": beFar, "near": beNear}[role](standard, peer)
	if err != nil {
		return err
	}
	fmt.Println(address)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		u, err := used()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(u); err != nil {
			return err
		}
	}
	return nil
}

func beHomeserver(bool, string) (string, error) {
	return serveLoad(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"event_id":"$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"}`)
	}))
}

func serveLoad(h http.Handler) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = (&http.Server{Handler: h}).Serve(ln) }() // ends with the process
	return ln.Addr().String(), nil
}

func beFar(standard bool, peer string) (string, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	target := &url.URL{Scheme: "http", Host: peer}
	address := conn.LocalAddr().String()
	if standard {
		far, err := NewStandardFar(msc3079.ServerConfig{Records: records.Config{Conn: conn, PSKs: psk}}, target, nil, 0)
		if err != nil {
			return "", err
		}
		go func() { _ = far.Serve() }() // ends with the process
		return address, nil
	}
	key, err := channel.NewKey()
	if err != nil {
		return "", err
	}
	far := NewFar(FarConfig{Conn: conn, Key: key, Target: target})
	go func() { _ = far.Serve() }() // ends with the process
	return address + " " + key.Public().String(), nil
}

func beNear(standard bool, peer string) (string, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	far, err := net.ResolveUDPAddr("udp", peer)
	if err != nil {
		return "", err
	}
	var near *Near
	if standard {
		near, err = NewStandardNear(msc3079.ClientConfig{Records: records.Config{Conn: conn, PSKs: psk}, Server: far})
	} else {
		var key channel.PublicKey
		if key, err = channel.ParsePublicKey(os.Getenv(loadKey)); err != nil {
			return "", err
		}
		near, err = NewNear(NearConfig{Conn: conn, Far: far, Key: key})
	}
	if err != nil {
		return "", err
	}
	go func() { _ = near.Serve() }() // ends with the process
	return serveLoad(near)
}

// participant is a process of a load.
type participant struct {
	b       *testing.B
	address string
	in      io.WriteCloser
	out     *bufio.Reader
}

// start runs a process that has one processor core at most.
func start(b *testing.B, role, wire, peer string) *participant {
	b.Helper()
	peer, key, _ := strings.Cut(peer, " ")
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), "GOMAXPROCS=1", loadRole+"="+role, loadWire+"="+wire, loadPeer+"="+peer, loadKey+"="+key)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	p := &participant{b: b, in: in, out: bufio.NewReader(out)}
	b.Cleanup(func() {
		in.Close()
		_ = c.Wait()
	})
	p.address = strings.TrimSpace(p.line())
	return p
}

func (p *participant) line() string {
	p.b.Helper()
	text, err := p.out.ReadString('\n')
	if err != nil {
		p.b.Fatalf("%v after %q", err, text)
	}
	return text
}

func (p *participant) used() (u usage) {
	p.b.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		p.b.Fatal(err)
	}
	if err := json.Unmarshal([]byte(p.line()), &u); err != nil {
		p.b.Fatal(err)
	}
	return u
}

// BenchmarkProxies sends messages as clients do, over HTTP through two proxies to something that answers at once. It tells
// how many requests a second of one core's time each proxy takes (with HTTP on its other side), and what they keep.
func BenchmarkProxies(b *testing.B) {
	for _, wire := range []string{"compact", "standard"} {
		b.Run(wire, func(b *testing.B) { load(b, wire) })
	}
}

func load(b *testing.B, wire string) {
	far := start(b, "far", wire, start(b, "homeserver", wire, "").address)
	near := start(b, "near", wire, far.address)
	const clients = 32
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	warm(b, transport, near.address, clients)
	nearBefore, farBefore := near.used(), far.used()
	b.SetParallelism((clients + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			request(b, transport, near.address)
		}
	})
	b.StopTimer()
	nearAfter, farAfter := near.used(), far.used()
	perSecond := func(before, after usage) float64 {
		return float64(b.N) / (after.Processor - before.Processor).Seconds()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(perSecond(nearBefore, nearAfter), "near-requests/core-s")
	b.ReportMetric(perSecond(farBefore, farAfter), "far-requests/core-s")
	b.ReportMetric(float64(nearAfter.Heap-nearBefore.Heap)/1024, "near-KB-kept")
	b.ReportMetric(float64(farAfter.Heap-farBefore.Heap)/1024, "far-KB-kept")
}

// warm asks until what is made once is there, such as everybody's connection.
func warm(b *testing.B, transport http.RoundTripper, address string, clients int) {
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range 100 {
				request(b, transport, address)
			}
		})
	}
	all.Wait()
}

// request sends a message.
func request(b *testing.B, transport http.RoundTripper, address string) {
	req, err := http.NewRequestWithContext(context.Background(), "PUT",
		"http://"+address+"/_matrix/client/v3/rooms/!r:hs0/send/m.room.message/t1", strings.NewReader(`{"msgtype":"m.text","body":"35 characters of a message, exactly"}`))
	if err != nil {
		b.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer syt_bWF0dGhldw_abcdefghijklmnopqrst_0123ab")
	res, err := transport.RoundTrip(req)
	if err != nil {
		b.Error(err)
		return
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		b.Error(res.Status, err)
	}
}
