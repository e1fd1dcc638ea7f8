package msc3079

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"meshsim/lowband/records"
)

// BenchmarkRequests is one client that asks one server over the loopback device, both in this process, sixteen requests at
// a time. -benchtime 1000000x with GOMAXPROCS=1 is the soak: what is kept must not grow with the number.
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
	before := kept()
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			ask()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(kept()-before)/1024, "KB-kept")
}

// kept is how many bytes are in use after a collection.
func kept() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
