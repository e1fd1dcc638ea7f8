package msc3079

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshsim/lowband/records"
)

// BenchmarkRequests is one client that asks one server over the loopback device, both in this process, sixteen requests at
// a time. -benchtime 1000000x with GOMAXPROCS=1 is the soak: what is kept must not grow with the number. Requests in a second
// of the processor's time, in which both ends have their part, are the same on a busy machine; those in a second are not.
func BenchmarkRequests(b *testing.B) {
	listen := func() net.PacketConn { return must(net.ListenPacket("udp", "127.0.0.1:0")) }
	conn := listen()
	server := must(NewServer(ServerConfig{Records: records.Config{Conn: conn, PSKs: []records.PSK{psk}}, Name: "hs0",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"event_id":"$x"}`) })}))
	defer server.Close()
	go func() { _ = server.Serve() }()
	client := must(NewClient(ClientConfig{Records: records.Config{Conn: listen(), PSKs: []records.PSK{psk}}, Server: conn.LocalAddr()}))
	defer client.Close()
	go func() { _ = client.Serve() }()
	ask := func() {
		req, err := http.NewRequest("PUT", "http://hs/_matrix/client/v3/rooms/!r:hs0/send/m.room.message/t1", strings.NewReader(`{"msgtype":"m.text","body":"hello"}`))
		if err != nil {
			b.Error(err)
			return
		}
		if res, err := client.RoundTrip(req); err != nil || res.StatusCode != http.StatusOK {
			b.Error(res, err)
		}
	}
	ask()
	before, worked := kept(), processorTime(b)
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			ask()
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(b.N)/(processorTime(b)-worked).Seconds(), "requests/core-s")
	b.ReportMetric(float64(kept()-before)/1024, "KB-kept")
}

// kept is how many bytes are in use after a collection.
func kept() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// processorTime is what this process has used of all processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Skipf("the processor time of a process cannot be read: %v", err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
